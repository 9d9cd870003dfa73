"""What the simulated venue does with orders in one bar: phases 1 to 6, 8 and 9 of docs/fills.md section 2.

`t` is the step, `ts` its time, `s` a symbol, `i` its bar. A function that looks at prices is only called for symbols
that have a bar in this step.
"""

from __future__ import annotations

from typing import Any

from engine.clock import bar_of, closed_bars, session_bits
from engine.entries import (
    NO_PRICE,
    enter_at_close,
    may_enter,
    price_at_open,
    price_inside,
    rank_entries,
    try_entry,
)
from engine.exits import (
    exits_at_open,
    exits_inside,
    fill_exit_order,
    stop_after_entry,
)
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    kernel,
    set_int32,
    world_at,
)
from engine.orders import end_entry
from engine.quote_fills import fill_quotes
from engine.types import (
    CANCELLED,
    CLS,
    DAY,
    EXPIRED,
    FOK,
    IOC,
    LIMIT,
    MARKET,
    OPG,
    SESSION_FIRST,
    SESSION_LAST,
    SESSION_OVER,
)


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
    """Phase 5."""
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


@kernel
def stops_after_entries(w: Any, t: Any, ts: Any) -> None:
    """Phase 6."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    k = 0
    while k < book.n_held:
        s = int32_at(world.held, k)
        if holding_at(world.holdings, s).opened_inside != t or not stop_after_entry(w, t, ts, s):
            k += 1


@kernel
def match(w: Any, t: Any, ts: Any) -> None:
    """Phases 1 to 6 of one step."""
    book = book_at(world_at(w, 0).book, 0)
    if book.n_entries > 0:
        expire_at_open(w, t, ts)
    if book.n_held > 0:
        exits_at_open(w, t, ts)
    count = enter_at_open(w, t, ts) if book.n_entries > 0 else 0
    quoting = book.n_quoted > 0
    if quoting:
        fill_quotes(w, t, ts, False)
    if book.n_held > 0:
        exits_inside(w, t, ts)
    if count > 0:
        enter_inside(w, t, ts, count)
    if quoting:
        fill_quotes(w, t, ts, True)
    if count > 0 or quoting:
        stops_after_entries(w, t, ts)


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
def expire_at_close(w: Any, t: Any, ts: Any) -> None:
    """Phase 9: DAY and CLS entries of a session that is over; entries that have waited too long."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
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
        elif holding.entry_timeout > 0 and i - holding.entry_at >= holding.entry_timeout:
            end_entry(w, ts, s, CANCELLED)
            k -= 1
