"""What the simulated venue does with orders in one bar: phases 1 to 6, 8 and 9 of docs/fills.md section 2.

`t` is the step, `ts` its time, `s` a symbol, `i` its bar. A function that looks at prices is only called for symbols
that have a bar in this step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import affordable, book_entry, book_exit, closed_bars, free_cash, moved, slipped, volume_left
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int8_at,
    int32_at,
    kernel,
    order_at,
    set_int32,
    settings_at,
    world_at,
)
from engine.orders import deny, end_entry, end_exit, new_order, refuse_entry, work_exit
from engine.sizing import size_order
from engine.types import (
    BY_STOP_LOSS,
    BY_TAKE_PROFIT,
    BY_TRAILING_STOP,
    CANCELLED,
    CLS,
    DAY,
    DENIED,
    EXPIRED,
    FILLED,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    NO_CASH,
    NO_SLOT,
    OPG,
    SESSION_FIRST,
    SESSION_LAST,
    SESSION_OVER,
    SLIP_VOLUME_IMPACT,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)

NO_PRICE = -1.0


@kernel
def bar_of(w: Any, t: Any, s: Any) -> Any:
    """The bar of s in step t, or -1."""
    world = world_at(w, 0)
    if settings_at(world.settings, 0).aligned == 1:
        return t
    return holding_at(world.holdings, s).at


@kernel
def session_bits(w: Any, s: Any, i: Any) -> Any:
    return int8_at(feed_at(world_at(w, 0).feed, s).flags, i)


# ---- entries -----------------------------------------------------------------------------------------------------
@kernel
def entry_is_live(w: Any, ts: Any, s: Any) -> Any:
    holding = holding_at(world_at(w, 0).holdings, s)
    return ts >= holding.entry_live_ns and holding.entry_no_day == 0


@kernel
def rank_entries(w: Any, t: Any, ts: Any, only_live: Any) -> Any:
    """Fill the scratch list with symbols that have a working entry and a bar, by confidence, then name; how many."""
    world = world_at(w, 0)
    count = 0
    for k in range(book_at(world.book, 0).n_entries):
        s = int32_at(world.entries, k)
        if bar_of(w, t, s) < 0 or (only_live and not entry_is_live(w, ts, s)):
            continue
        confidence = holding_at(world.holdings, s).entry_confidence
        place = count
        while place > 0:
            before = int32_at(world.ranked, place - 1)
            if holding_at(world.holdings, before).entry_confidence >= confidence:
                break
            set_int32(world.ranked, place, before)
            place -= 1
        set_int32(world.ranked, place, s)
        count += 1
    return count


@kernel
def may_enter(w: Any, s: Any) -> Any:
    """An entry order is still working and no position of the other side stands in its way."""
    holding = holding_at(world_at(w, 0).holdings, s)
    return holding.entry_order >= 0 and holding.qty * holding.entry_side >= 0.0


@kernel
def price_at_open(w: Any, s: Any, i: Any) -> Any:
    """The base price at which the entry of s fills at this open, or NO_PRICE; triggers what the open triggers."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    side = holding.entry_side
    open_px = float_at(feed_at(world.feed, s).open, i)
    kind = holding.entry_kind
    if kind == MARKET:
        return open_px
    if kind == TRAILING_STOP:
        if (open_px - holding.entry_extreme) * side < 0.0:
            holding.entry_extreme = open_px
        return open_px if (open_px - trail_level(w, s)) * side >= 0.0 else NO_PRICE
    if kind == STOP:
        return open_px if (open_px - holding.entry_stop) * side >= 0.0 else NO_PRICE
    if kind == STOP_LIMIT and holding.entry_triggered == 0:
        if (open_px - holding.entry_stop) * side < 0.0:
            return NO_PRICE
        holding.entry_triggered = 1
    return open_px if (open_px - holding.entry_limit) * side <= 0.0 else NO_PRICE


@kernel
def trail_level(w: Any, s: Any) -> Any:
    """The trigger of a TRAILING_STOP entry."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    return moved(holding.entry_extreme, holding.entry_side, settings_at(world.settings, 0).stop_offset_pct)


@kernel
def price_inside(w: Any, s: Any, i: Any) -> Any:
    """The base price at which the entry of s fills inside this bar, or NO_PRICE; triggers what the range triggers."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    feed = feed_at(world.feed, s)
    side = holding.entry_side
    kind = holding.entry_kind
    best = float_at(feed.high, i) if side > 0 else float_at(feed.low, i)
    worst = float_at(feed.low, i) if side > 0 else float_at(feed.high, i)
    if kind == MARKET:
        return NO_PRICE
    if kind == TRAILING_STOP:
        level = trail_level(w, s)
        if (best - level) * side >= 0.0:
            return level
        if (worst - holding.entry_extreme) * side < 0.0:
            holding.entry_extreme = worst
        return NO_PRICE
    if kind == STOP:
        return holding.entry_stop if (best - holding.entry_stop) * side >= 0.0 else NO_PRICE
    if kind == STOP_LIMIT and holding.entry_triggered == 0:
        if (best - holding.entry_stop) * side < 0.0:
            return NO_PRICE
        holding.entry_triggered = 1
        return holding.entry_stop if (holding.entry_stop - holding.entry_limit) * side <= 0.0 else NO_PRICE
    return holding.entry_limit if (worst - holding.entry_limit) * side <= 0.0 else NO_PRICE


@kernel
def try_entry(w: Any, t: Any, ts: Any, s: Any, i: Any, base: Any, clock: Any) -> Any:
    """Fill as much of the entry of s as slots, volume and cash allow at `base`; whether anything was filled."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    lot = feed_at(world.feed, s).lot
    side = holding.entry_side
    kind = holding.entry_kind
    slips = kind != LIMIT and kind != STOP_LIMIT
    if holding.qty == 0.0 and settings.max_open > 0 and book.n_held >= settings.max_open:
        refuse_entry(w, ts, s, NO_SLOT, holding.entry_left if holding.entry_sized == 1 else np.nan, DENIED)
        return False
    if holding.entry_sized == 0 and not size_at_fill(w, ts, s, i, base, slips):
        return False
    take = min(holding.entry_left, volume_left(w, t, s, i))
    if take < holding.entry_left:
        if holding.entry_tif == FOK:
            end_entry(w, ts, s, CANCELLED)
            return False
        if take <= 0.0 or settings.partial_fills == 0:
            return False
    px = slipped(w, s, i, base, side, take) if slips else base
    fits = affordable(w, take, px, free_cash(w), lot) if px > 0.0 else 0.0
    if fits < take:
        if fits <= 0.0 or holding.entry_tif == FOK:
            filled = order_at(world.orders, holding.entry_order).filled
            refuse_entry(w, ts, s, NO_CASH, take, CANCELLED if filled > 0.0 else DENIED)
            return False
        order = order_at(world.orders, holding.entry_order)
        deny(w, ts, s, side, NO_CASH, take, fits, holding.entry_order)
        order.qty = order.filled + fits
        holding.entry_left = fits
        if slips:
            px = slipped(w, s, i, base, side, fits)
    if kind in (STOP, TRAILING_STOP):
        holding.entry_kind = MARKET
    book_entry(w, t, ts, s, fits, px, base, clock)
    return True


@kernel
def size_at_fill(w: Any, ts: Any, s: Any, i: Any, base: Any, slips: Any) -> Any:
    """Give the entry of s its quantity, from the price of its first fill; False if that ended it."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    px = base
    if slips and settings.slippage != SLIP_VOLUME_IMPACT:
        px = slipped(w, s, i, base, holding.entry_side, 1.0)
    qty, reason, asked = size_order(w, s, holding.entry_side, px, holding.entry_protect, holding.entry_weight)
    if qty <= 0.0:
        refuse_entry(w, ts, s, reason, asked, DENIED)
        return False
    if reason >= 0:
        deny(w, ts, s, holding.entry_side, reason, asked, qty, holding.entry_order)
    order_at(world.orders, holding.entry_order).qty = qty
    holding.entry_left = qty
    holding.entry_sized = 1
    return True


@kernel
def expire_at_open(w: Any, t: Any, ts: Any) -> None:
    """Phase 1: DAY and CLS entries whose trading day has passed; orders without a day get theirs."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    k = 0
    while k < book.n_entries:
        s = int32_at(world.entries, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        k += 1
        if i < 0 or (holding.entry_tif != DAY and holding.entry_tif != CLS):
            continue
        day = int32_at(feed_at(world.feed, s).day, i)
        if day == holding.entry_day:
            continue
        if holding.entry_no_day == 1:
            holding.entry_no_day = 0
            holding.entry_day = day
        else:
            end_entry(w, ts, s, EXPIRED)
            k -= 1


@kernel
def enter_at_open(w: Any, t: Any, ts: Any) -> Any:
    """Phase 3; how many entries are ranked (the list is used again in phase 5)."""
    world = world_at(w, 0)
    count = rank_entries(w, t, ts, True)
    for k in range(count):
        s = int32_at(world.ranked, k)
        i = bar_of(w, t, s)
        tif = holding_at(world.holdings, s).entry_tif
        if tif == CLS or (tif == OPG and not session_bits(w, s, i) & SESSION_FIRST) or not may_enter(w, s):
            continue
        base = price_at_open(w, s, i)
        if base != NO_PRICE:
            try_entry(w, t, ts, s, i, base, closed_bars(w, s, i - 1))
    for k in range(count):
        s = int32_at(world.ranked, k)
        holding = holding_at(world.holdings, s)
        if holding.entry_order < 0:
            continue
        if holding.entry_tif == IOC or holding.entry_tif == FOK:
            end_entry(w, ts, s, CANCELLED)
        elif holding.entry_tif == OPG and session_bits(w, s, bar_of(w, t, s)) & SESSION_FIRST:
            end_entry(w, ts, s, EXPIRED)
    return count


@kernel
def enter_inside(w: Any, t: Any, ts: Any, count: Any) -> None:
    """Phases 5 and 6."""
    world = world_at(w, 0)
    for k in range(count):
        s = int32_at(world.ranked, k)
        if not may_enter(w, s):
            continue
        holding = holding_at(world.holdings, s)
        if holding.entry_tif == CLS or holding.entry_tif == OPG:
            continue
        i = bar_of(w, t, s)
        by_limit = holding.entry_kind == LIMIT or holding.entry_triggered == 1
        base = price_inside(w, s, i)
        was_flat = holding.qty == 0.0
        if base != NO_PRICE and try_entry(w, t, ts, s, i, base, closed_bars(w, s, i - 1)) and was_flat:
            holding.opened_inside = t
            holding.opened_by_limit = 1 if by_limit else 0
    k = 0
    book = book_at(world.book, 0)
    while k < book.n_held:
        s = int32_at(world.held, k)
        if holding_at(world.holdings, s).opened_inside != t or not stop_after_entry(w, t, ts, s):
            k += 1


# ---- exits -------------------------------------------------------------------------------------------------------
@kernel
def exit_is_live(w: Any, t: Any, ts: Any, s: Any) -> Any:
    """A market exit of s (or one at the opening auction) takes part in this bar's open."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.exit_order < 0 or holding.exit_tif == CLS or ts < holding.exit_live_ns:
        return False
    return holding.exit_tif != OPG or (session_bits(w, s, bar_of(w, t, s)) & SESSION_FIRST) != 0


@kernel
def fill_exit_order(w: Any, t: Any, ts: Any, s: Any, i: Any, base: Any, clock: Any) -> None:
    """Fill the working exit order of s at `base`, with slippage, as far as volume goes."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    take = min(holding.exit_left, volume_left(w, t, s, i))
    if take <= 0.0:
        return
    side = -1 if holding.qty > 0.0 else 1
    px = slipped(w, s, i, base, side, take)
    holding.exit_left = holding.exit_left - take
    order, reason = holding.exit_order, holding.exit_reason
    book_exit(w, t, ts, s, order, take, px, base, reason, clock, holding.exit_left)
    if holding.exit_order >= 0 and holding.exit_left == 0.0:
        end_exit(w, ts, s, FILLED)


@kernel
def fire(w: Any, t: Any, ts: Any, s: Any, i: Any, base: Any, level: Any, reason: Any) -> None:
    """A stop or target of s has been reached: its order, its fill at `base`; a stop's rest becomes a market exit."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    held = abs(holding.qty)
    take = min(held, volume_left(w, t, s, i))
    is_target = reason == BY_TAKE_PROFIT
    if is_target and take <= 0.0:
        return
    if holding.exit_order >= 0:
        end_exit(w, ts, s, CANCELLED)
    side = -1 if holding.qty > 0.0 else 1
    clock = closed_bars(w, s, i - 1)
    if is_target:
        order = new_order(w, ts, s, side, LIMIT, GTC, reason, take, level, np.nan, 1.0, 0)
        book_exit(w, t, ts, s, order, take, base, base, reason, clock, 0.0)
        return
    kind = TRAILING_STOP if reason == BY_TRAILING_STOP else STOP
    order = new_order(w, ts, s, side, kind, GTC, reason, held, np.nan, level, 1.0, 0)
    if take < held:
        work_exit(w, ts, s, order, held, reason, GTC)
        holding.exit_live_ns = ts
        holding.exit_left = held - take
    if take > 0.0:
        book_exit(w, t, ts, s, order, take, slipped(w, s, i, base, side, take), base, reason, clock, held - take)


@kernel
def stop_in_force(w: Any, s: Any) -> Any:
    """The level of the stop of s: the better of the fixed and the trailing one."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    level = holding.stop_px
    if settings.trailing == 1:
        if holding.qty > 0.0:
            level = max(level, moved(holding.peak, -1, settings.trailing_stop_pct))
        else:
            level = min(level, moved(holding.peak, 1, settings.trailing_stop_pct))
    return level


@kernel
def stop_reason(w: Any, s: Any, level: Any) -> Any:
    return BY_STOP_LOSS if level == holding_at(world_at(w, 0).holdings, s).stop_px else BY_TRAILING_STOP


@kernel
def exits_at_open(w: Any, t: Any, ts: Any) -> None:
    """Phase 2."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    trailing = settings_at(world.settings, 0).trailing == 1
    count = book.n_held
    for k in range(count):
        set_int32(world.walk, k, int32_at(world.held, k))
    for k in range(count):
        s = int32_at(world.walk, k)
        i = bar_of(w, t, s)
        if i < 0:
            continue
        holding = holding_at(world.holdings, s)
        open_px = float_at(feed_at(world.feed, s).open, i)
        if exit_is_live(w, t, ts, s):
            fill_exit_order(w, t, ts, s, i, open_px, closed_bars(w, s, i - 1))
            continue
        side = 1 if holding.qty > 0.0 else -1
        if trailing and (open_px - holding.peak) * side > 0.0:
            holding.peak = open_px
        level = stop_in_force(w, s)
        if (open_px - level) * side <= 0.0:
            fire(w, t, ts, s, i, open_px, level, stop_reason(w, s, level))
        elif (open_px - holding.target_px) * side >= 0.0:
            fire(w, t, ts, s, i, open_px, holding.target_px, BY_TAKE_PROFIT)


@kernel
def exits_inside(w: Any, t: Any, ts: Any) -> None:
    """Phase 4."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    trailing = settings_at(world.settings, 0).trailing == 1
    count = book.n_held
    for k in range(count):
        set_int32(world.walk, k, int32_at(world.held, k))
    for k in range(count):
        s = int32_at(world.walk, k)
        i = bar_of(w, t, s)
        if i < 0 or exit_is_live(w, t, ts, s):
            continue
        holding = holding_at(world.holdings, s)
        feed = feed_at(world.feed, s)
        open_px = float_at(feed.open, i)
        high, low = float_at(feed.high, i), float_at(feed.low, i)
        side = 1 if holding.qty > 0.0 else -1
        if trailing and (open_px - holding.peak) * side > 0.0:
            holding.peak = open_px
        level = stop_in_force(w, s)
        target = holding.target_px
        if side > 0:
            stopped, reached = low <= level, high >= target
        else:
            stopped, reached = high >= level, low <= target
        if stopped:
            if reached:
                book.ambiguous_bars += 1
            base = min(open_px, level) if side > 0 else max(open_px, level)
            fire(w, t, ts, s, i, base, level, stop_reason(w, s, level))
        elif reached:
            base = max(open_px, target) if side > 0 else min(open_px, target)
            fire(w, t, ts, s, i, base, target, BY_TAKE_PROFIT)


@kernel
def stop_after_entry(w: Any, t: Any, ts: Any, s: Any) -> Any:
    """Phase 6 for one position that phase 5 opened; whether it is flat again."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    feed = feed_at(world.feed, s)
    i = bar_of(w, t, s)
    level = stop_in_force(w, s)
    is_long = holding.qty > 0.0
    stopped = float_at(feed.low, i) <= level if is_long else float_at(feed.high, i) >= level
    if not stopped:
        return False
    if holding.opened_by_limit == 0:
        book_at(world.book, 0).ambiguous_bars += 1
    base = min(level, holding.avg_px) if is_long else max(level, holding.avg_px)
    fire(w, t, ts, s, i, base, level, stop_reason(w, s, level))
    return holding.qty == 0.0


# ---- the phases together -----------------------------------------------------------------------------------------
@kernel
def match(w: Any, t: Any, ts: Any) -> None:
    """Phases 1 to 6 of one step."""
    book = book_at(world_at(w, 0).book, 0)
    if book.n_entries > 0:
        expire_at_open(w, t, ts)
    if book.n_held > 0:
        exits_at_open(w, t, ts)
    count = enter_at_open(w, t, ts) if book.n_entries > 0 else 0
    if book.n_held > 0:
        exits_inside(w, t, ts)
    if count > 0:
        enter_inside(w, t, ts, count)


@kernel
def closing_auction(w: Any, t: Any, ts: Any) -> None:
    """Phase 8: CLS exits, then CLS entries, of symbols whose bar holds their session's close."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    count = book.n_exits
    for k in range(count):
        set_int32(world.walk, k, int32_at(world.exits, k))
    for k in range(count):
        s = int32_at(world.walk, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        if i < 0 or holding.exit_tif != CLS or ts < holding.exit_live_ns:
            continue
        if session_bits(w, s, i) & SESSION_LAST:
            fill_exit_order(w, t, ts, s, i, float_at(feed_at(world.feed, s).close, i), closed_bars(w, s, i))
    count = rank_entries(w, t, ts, True)
    for k in range(count):
        s = int32_at(world.ranked, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        if holding.entry_tif != CLS or not session_bits(w, s, i) & SESSION_LAST or not may_enter(w, s):
            continue
        close = float_at(feed_at(world.feed, s).close, i)
        if holding.entry_kind == MARKET or (close - holding.entry_limit) * holding.entry_side <= 0.0:
            enter_at_close(w, t, ts, s, i, close)


@kernel
def enter_at_close(w: Any, t: Any, ts: Any, s: Any, i: Any, close: Any) -> None:
    """Fill an entry at the close of bar i; what it opens is marked at that close."""
    if try_entry(w, t, ts, s, i, close, closed_bars(w, s, i)):
        holding_at(world_at(w, 0).holdings, s).mark = close


@kernel
def expire_at_close(w: Any, t: Any, ts: Any) -> None:
    """Phase 9: DAY and CLS entries of a session that is over; entries that have waited too long."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    timeout = settings_at(world.settings, 0).timeout
    k = 0
    while k < book.n_entries:
        s = int32_at(world.entries, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        k += 1
        if i < 0:
            continue
        if (
            (holding.entry_tif == DAY or holding.entry_tif == CLS)
            and holding.entry_no_day == 0
            and session_bits(w, s, i) & (SESSION_LAST | SESSION_OVER)
        ):
            end_entry(w, ts, s, EXPIRED)
            k -= 1
        elif timeout > 0 and i - holding.entry_at >= timeout:
            end_entry(w, ts, s, CANCELLED)
            k -= 1
