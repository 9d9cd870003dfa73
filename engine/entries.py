"""Entry orders in one bar: who is first, at which price, and how much of it fills. docs/fills.md sections 4 and 7.

`t` is the step, `ts` its time, `s` a symbol, `i` its bar. A function that looks at prices is only called for symbols
that have a bar in this step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import affordable, book_entry, commission_of, free_cash, moved, slipped, volume_left
from engine.clock import bar_of, closed_bars
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    kernel,
    order_at,
    set_int32,
    settings_at,
    world_at,
)
from engine.orders import deny, end_entry, refuse_entry
from engine.sizing import size_order
from engine.types import (
    CANCELLED,
    DENIED,
    FOK,
    LIMIT,
    MARKET,
    NO_CASH,
    NO_SLOT,
    SLIP_VOLUME_IMPACT,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)

NO_PRICE = -1.0


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
    holding = holding_at(world_at(w, 0).holdings, s)
    return moved(holding.entry_extreme, holding.entry_side, holding.entry_offset_pct)


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
    book_entry(w, t, ts, s, fits, px, base, commission_of(w, fits, px), clock, holding.entry_left - fits)
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
        if px <= 0.0:
            refuse_entry(w, ts, s, NO_CASH, np.nan, DENIED)
            return False
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
def enter_at_close(w: Any, t: Any, ts: Any, s: Any, i: Any, close: Any) -> None:
    """Fill an entry at the close of bar i; what it opens is marked at that close."""
    if try_entry(w, t, ts, s, i, close, closed_bars(w, s, i)):
        holding_at(world_at(w, 0).holdings, s).mark = close
