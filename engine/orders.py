"""Order rows, the two order slots of a symbol, the lists of symbols that have one, and denials.

Every function takes the address of the WORLD record first. `ts` is the opening time of the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.memory import book_at, denial_at, holding_at, int32_at, kernel, order_at, set_int32, settings_at, world_at
from engine.types import CANCELLED, WORKING

ALWAYS_LIVE = np.iinfo(np.int64).min
# The most rows that one step can write for one symbol: an exit order, a stop, a reversal's two, two quotes that close
# and open, one at the end; each filled, each refused or cut.
ROWS_PER_SYMBOL = 20


@kernel
def insert(symbols: Any, count: Any, s: Any) -> None:
    """Put s into a sorted int32 list of `count` symbols; the caller counts."""
    k = count
    while k > 0 and int32_at(symbols, k - 1) > s:
        set_int32(symbols, k, int32_at(symbols, k - 1))
        k -= 1
    set_int32(symbols, k, s)


@kernel
def remove(symbols: Any, count: Any, s: Any) -> None:
    """Take s out of a sorted int32 list of `count` symbols; the caller counts."""
    k = 0
    while int32_at(symbols, k) != s:
        k += 1
    while k + 1 < count:
        set_int32(symbols, k, int32_at(symbols, k + 1))
        k += 1


@kernel
def new_order(
    w: Any,
    ts: Any,
    s: Any,
    side: Any,
    kind: Any,
    tif: Any,
    reason: Any,
    qty: Any,
    limit_px: Any,
    stop_px: Any,
    confidence: Any,
    entry: Any,
) -> Any:
    """Write one order row, status working; its index."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    index = book.n_orders
    order = order_at(world.orders, index)
    order.ts = ts
    order.done_ts = ts
    order.qty = qty
    order.filled = 0.0
    order.limit_px = limit_px
    order.stop_px = stop_px
    order.confidence = confidence
    order.symbol = s
    order.side = side
    order.kind = kind
    order.tif = tif
    order.reason = reason
    order.status = WORKING
    order.entry = entry
    book.n_orders = index + 1
    return index


@kernel
def live_from(w: Any, ts: Any) -> Any:
    """From which opening time on an order decided in this step is live."""
    settings = settings_at(world_at(w, 0).settings, 0)
    if settings.latency_ns == 0:
        return ALWAYS_LIVE
    return ts + settings.timeframe_ns + settings.latency_ns


@kernel
def end_entry(w: Any, ts: Any, s: Any, status: Any) -> None:
    """The working entry order of s leaves its slot with this status."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    order = order_at(world.orders, holding.entry_order)
    order.status = status
    order.done_ts = ts
    holding.entry_order = -1
    remove(world.entries, book.n_entries, s)
    book.n_entries -= 1


@kernel
def end_exit(w: Any, ts: Any, s: Any, status: Any) -> None:
    """The working exit order of s leaves its slot with this status."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    order = order_at(world.orders, holding.exit_order)
    order.status = status
    order.done_ts = ts
    holding.exit_order = -1
    remove(world.exits, book.n_exits, s)
    book.n_exits -= 1


@kernel
def cancel_additions(w: Any, ts: Any, s: Any, side: Any) -> None:
    """A working entry of `side` is cancelled: its position is closing, so there is nothing left to add to."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.entry_order >= 0 and holding.entry_side == side:
        end_entry(w, ts, s, CANCELLED)


@kernel
def work_exit(w: Any, ts: Any, s: Any, order: Any, qty: Any, reason: Any, tif: Any) -> None:
    """Put an order row into the exit slot of s, for `qty` units of its position."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    holding.exit_order = order
    holding.exit_tif = tif
    holding.exit_reason = reason
    holding.exit_left = qty
    holding.exit_whole = 1 if qty == abs(holding.qty) else 0
    holding.exit_live_ns = live_from(w, ts)
    insert(world.exits, book.n_exits, s)
    book.n_exits += 1
    if holding.exit_whole == 1:
        cancel_additions(w, ts, s, 1 if holding.qty > 0.0 else -1)


@kernel
def place_exit(w: Any, ts: Any, s: Any, qty: Any, reason: Any, tif: Any) -> None:
    """A new MARKET exit for `qty` units. The exit slot must be free."""
    holding = holding_at(world_at(w, 0).holdings, s)
    side = -1 if holding.qty > 0.0 else 1
    order = new_order(w, ts, s, side, 0, tif, reason, qty, np.nan, np.nan, 1.0, 0)
    work_exit(w, ts, s, order, qty, reason, tif)


@kernel
def deny(w: Any, ts: Any, s: Any, side: Any, reason: Any, asked: Any, allowed: Any, order: Any) -> None:
    """One row: an entry was refused (allowed = 0) or cut. The same refusal in a row is counted in one row."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    if allowed == 0.0 and holding.last_denial >= 0:
        last = denial_at(world.denials, holding.last_denial)
        if last.allowed == 0.0 and last.reason == reason and last.side == side:
            last.count += 1
            last.last_ts = ts
            if settings_at(world.settings, 0).track_repeats == 1:
                set_int32(world.repeats, world.n_repeats, holding.last_denial)
                world.n_repeats += 1
            return
    index = book.n_denials
    row = denial_at(world.denials, index)
    row.ts = ts
    row.last_ts = ts
    row.asked = asked
    row.allowed = allowed
    row.count = 1
    row.order = order
    row.symbol = s
    row.side = side
    row.reason = reason
    holding.last_denial = index
    book.n_denials = index + 1


@kernel
def refuse_entry(w: Any, ts: Any, s: Any, reason: Any, asked: Any, status: Any) -> None:
    """The working entry of s ends, with a denial that names it."""
    holding = holding_at(world_at(w, 0).holdings, s)
    order, side = holding.entry_order, holding.entry_side
    end_entry(w, ts, s, status)
    deny(w, ts, s, side, reason, asked, 0.0, order)
