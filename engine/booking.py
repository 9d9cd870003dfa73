"""What a fill costs, and what it does to cash and positions; nothing else moves money (docs/fills.md sections 7, 8)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.memory import (
    book_at,
    feed_at,
    fill_at,
    float_at,
    holding_at,
    int32_at,
    kernel,
    order_at,
    settings_at,
    trip_at,
    world_at,
)
from engine.orders import cancel_additions, end_entry, end_exit, insert, remove
from engine.types import (
    CANCELLED,
    FILLED,
    PARTIALLY_FILLED,
    SLIP_FIXED,
    SLIP_NONE,
    SLIP_PROPORTIONAL,
)


@kernel
def round_down(lot: Any, qty: Any) -> Any:
    """A quantity in whole lots; lot 0 means that fractions are allowed."""
    if lot == 0.0:
        return qty
    return math.floor(qty / lot) * lot


@kernel
def moved(px: Any, side: Any, pct: Any) -> Any:
    """px moved by a percentage, up for side +1 and down for -1. Exact where px and pct make a round number."""
    return px + side * (px * pct / 100.0)


@kernel
def slipped(w: Any, s: Any, i: Any, base: Any, side: Any, qty: Any) -> Any:
    """The price after slippage for `qty` units at `base`, in bar i."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    model = settings.slippage
    value = settings.slippage_value
    if model == SLIP_NONE:
        return base
    if model == SLIP_FIXED:
        px = base + side * value
    elif model == SLIP_PROPORTIONAL:
        px = base * (1.0 + side * value)
    else:
        volume = float_at(feed_at(world.feed, s).volume, i)
        share = min(qty / volume, 1.0) if volume > 0.0 else 1.0
        px = base * (1.0 + side * (value * math.sqrt(share)))
    return max(px, 0.0)


@kernel
def commission_of(w: Any, qty: Any, px: Any) -> Any:
    settings = settings_at(world_at(w, 0).settings, 0)
    fee = qty * px * settings.commission_rate + qty * settings.commission_per_share
    return max(fee, settings.commission_min)


@kernel
def value_of(w: Any) -> Any:
    """Sum of signed qty * mark over positions, in name order."""
    world = world_at(w, 0)
    value = 0.0
    for k in range(book_at(world.book, 0).n_held):
        holding = holding_at(world.holdings, int32_at(world.held, k))
        value += holding.qty * holding.mark
    return value


@kernel
def free_cash(w: Any) -> Any:
    """What an entry may cost: cash without the collateral of the shorts."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    if settings_at(world.settings, 0).shorts == 0:
        return book.cash
    shorts = 0.0
    for k in range(book.n_held):
        holding = holding_at(world.holdings, int32_at(world.held, k))
        if holding.qty < 0.0:
            shorts += abs(holding.qty * holding.mark)
    return book.cash - 2.0 * shorts


@kernel
def affordable(w: Any, qty: Any, px: Any, free: Any, lot: Any) -> Any:
    """The largest quantity up to `qty` whose cost at px is covered by `free`; 0 if none is."""
    settings = settings_at(world_at(w, 0).settings, 0)
    if qty * px + commission_of(w, qty, px) <= free:
        return qty
    unit = px * (1.0 + settings.commission_rate) + settings.commission_per_share
    if unit <= 0.0 or px <= 0.0:
        return 0.0
    fits = round_down(lot, min(free / unit, (free - settings.commission_min) / px))
    while fits > 0.0 and fits * px + commission_of(w, fits, px) > free:
        if lot > 0.0:
            fits = fits - lot
        else:
            fits = fits * (1.0 - 1e-12)
    return max(fits, 0.0)


@kernel
def volume_left(w: Any, t: Any, s: Any, i: Any) -> Any:
    """What the volume cap still lets this portfolio trade of s in bar i."""
    world = world_at(w, 0)
    ratio = settings_at(world.settings, 0).volume_cap_ratio
    if np.isnan(ratio):
        return np.inf
    holding = holding_at(world.holdings, s)
    if holding.volume_t != t:
        feed = feed_at(world.feed, s)
        holding.volume_t = t
        holding.volume_left = round_down(feed.lot, ratio * float_at(feed.volume, i))
    return holding.volume_left


@kernel
def set_levels(w: Any, s: Any) -> None:
    """Stop and target from the average entry price. docs/fills.md section 6."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    entry = holding.avg_px
    side = 1 if holding.qty > 0.0 else -1
    has_stop = not np.isnan(holding.stop_pct)
    has_target = not np.isnan(holding.target_pct)
    holding.stop_px = moved(entry, -side, holding.stop_pct) if has_stop else -side * np.inf
    holding.target_px = moved(entry, side, holding.target_pct) if has_target else side * np.inf
    if not np.isnan(holding.vol_stop):
        level = entry - side * holding.vol_stop
        if (level - holding.stop_px) * side > 0.0:
            holding.stop_px = level
    if not np.isnan(holding.protect_px):
        holding.stop_px = holding.protect_px


@kernel
def record_fill(
    w: Any,
    ts: Any,
    s: Any,
    index: Any,
    side: Any,
    qty: Any,
    px: Any,
    base: Any,
    fee: Any,
    reason: Any,
    entry: Any,
    left: Any,
) -> None:
    """One fill row, its order row brought up to date, and the running totals. `left` is the rest of the order."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    slippage = (px - base) * side
    fill = fill_at(world.fills, book.n_fills)
    fill.ts = ts
    fill.qty = qty
    fill.px = px
    fill.commission = fee
    fill.slippage = slippage
    fill.order = index
    fill.symbol = s
    fill.side = side
    fill.reason = reason
    fill.entry = entry
    book.n_fills += 1
    order = order_at(world.orders, index)
    order.filled = order.qty if left == 0.0 else order.filled + qty
    order.done_ts = ts
    order.status = FILLED if left == 0.0 else PARTIALLY_FILLED
    book.commission += fee
    book.slippage += slippage * qty
    if side > 0:
        book.bought += qty * px
    else:
        book.sold += qty * px


@kernel
def exit_fee(w: Any, s: Any, qty: Any, px: Any) -> Any:
    """The commission of a simulated fill that closes or reduces: a sale never pays more than there is."""
    world = world_at(w, 0)
    fee = commission_of(w, qty, px)
    if holding_at(world.holdings, s).qty > 0.0:
        return min(fee, qty * px + max(book_at(world.book, 0).cash, 0.0))
    return fee


@kernel
def book_entry(w: Any, t: Any, ts: Any, s: Any, qty: Any, px: Any, base: Any, fee: Any, clock: Any, left: Any) -> None:
    """Book a fill of the working entry order of s, of which `left` is the rest; without one the order ends."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.qty == 0.0:
        holding.stop_pct = holding.entry_stop_pct
        holding.target_pct = holding.entry_target_pct
        holding.trail_pct = holding.entry_trail_pct
        holding.vol_stop = holding.entry_vol_stop
        holding.longest = holding.entry_longest
    holding.entry_left = left
    order, side, reason = holding.entry_order, holding.entry_side, holding.entry_reason
    book_opening(w, t, ts, s, side, order, qty, px, base, fee, holding.entry_protect, reason, clock, left)
    if left == 0.0:
        end_entry(w, ts, s, FILLED)


@kernel
def book_opening(
    w: Any,
    t: Any,
    ts: Any,
    s: Any,
    side: Any,
    index: Any,
    qty: Any,
    px: Any,
    base: Any,
    fee: Any,
    protect: Any,
    reason: Any,
    clock: Any,
    left: Any,
) -> None:
    """Book a fill that opens or adds to the position of s, whose percentages of stop and target have been set.

    protect: a protective stop of the signal, or NaN. `left` is the rest of its order.
    """
    put_on(w, t, ts, s, side, qty, px, base, fee, protect, clock)
    record_fill(w, ts, s, index, side, qty, px, base, fee, reason, 1, left)


@kernel
def put_on(
    w: Any, t: Any, ts: Any, s: Any, side: Any, qty: Any, px: Any, base: Any, fee: Any, protect: Any, clock: Any
) -> None:
    """Position, cash and levels of s after `qty` units more of that side."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    notional = qty * px
    if holding.qty == 0.0:
        holding.avg_px = px
        holding.mark = px
        holding.peak = px
        holding.protect_px = protect
        holding.flow = 0.0
        holding.entered = 0.0
        holding.entry_px = px
        holding.exited = 0.0
        holding.exit_px = 0.0
        holding.commission = 0.0
        holding.slippage = 0.0
        holding.entry_ts = ts
        holding.entry_clock = clock
        holding.opened_inside = -1
        insert(world.held, book.n_held, s)
        book.n_held += 1
    else:
        held = abs(holding.qty)
        holding.avg_px = (holding.avg_px * held + px * qty) / (held + qty)
        holding.entry_px = (holding.entry_px * holding.entered + px * qty) / (holding.entered + qty)
        if not np.isnan(protect):
            holding.protect_px = protect
    if side > 0:
        book.cash = book.cash - (notional + fee)
        holding.flow = holding.flow - (notional + fee)
        holding.qty = holding.qty + qty
    else:
        book.cash = book.cash + (notional - fee)
        holding.flow = holding.flow + (notional - fee)
        holding.qty = holding.qty - qty
    holding.entered += qty
    holding.commission += fee
    holding.slippage += (px - base) * side * qty
    if holding.volume_t == t:
        holding.volume_left = holding.volume_left - qty
    set_levels(w, s)


@kernel
def book_exit(
    w: Any,
    t: Any,
    ts: Any,
    s: Any,
    index: Any,
    qty: Any,
    px: Any,
    base: Any,
    fee: Any,
    reason: Any,
    clock: Any,
    left: Any,
) -> None:
    """Book a fill that closes or reduces the position of s. `left` is the rest of its order."""
    holding = holding_at(world_at(w, 0).holdings, s)
    side = -1 if holding.qty > 0.0 else 1
    take_off(w, t, s, qty, px, base, fee)
    record_fill(w, ts, s, index, side, qty, px, base, fee, reason, 0, left)
    if holding.qty == 0.0:
        close_trip(w, ts, s, -side, reason, clock)


@kernel
def take_off(w: Any, t: Any, s: Any, qty: Any, px: Any, base: Any, fee: Any) -> None:
    """Position and cash of s after `qty` units less."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    side = -1 if holding.qty > 0.0 else 1
    notional = qty * px
    if side < 0:
        book.cash = book.cash + (notional - fee)
        holding.flow = holding.flow + (notional - fee)
        holding.qty = holding.qty - qty
    else:
        book.cash = book.cash - (notional + fee)
        holding.flow = holding.flow - (notional + fee)
        holding.qty = holding.qty + qty
    if holding.exited == 0.0:
        holding.exit_px = px
    else:
        holding.exit_px = (holding.exit_px * holding.exited + px * qty) / (holding.exited + qty)
    holding.exited += qty
    holding.commission += fee
    holding.slippage += (px - base) * side * qty
    if holding.volume_t == t:
        holding.volume_left = holding.volume_left - qty


@kernel
def close_trip(w: Any, ts: Any, s: Any, side: Any, reason: Any, clock: Any) -> None:
    """The position of s has become flat: write its round trip, free its slots."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    trip = trip_at(world.trips, book.n_trips)
    trip.entry_ts = holding.entry_ts
    trip.exit_ts = ts
    trip.qty = holding.entered
    trip.entry_px = holding.entry_px
    trip.exit_px = holding.exit_px
    trip.pnl_net = holding.flow
    trip.commission = holding.commission
    trip.slippage = holding.slippage
    trip.bars = clock - holding.entry_clock
    trip.symbol = s
    trip.side = side
    trip.exit_reason = reason
    book.n_trips += 1
    result = holding.flow / (holding.entry_px * holding.entered)
    book.kelly_trades += 1
    if holding.flow > 0.0:
        book.kelly_wins += 1
        book.kelly_win_sum = book.kelly_win_sum + result
    else:
        book.kelly_loss_sum = book.kelly_loss_sum - result
    holding.exit_clock = clock
    remove(world.held, book.n_held, s)
    book.n_held -= 1
    if holding.exit_order >= 0:
        end_exit(w, ts, s, FILLED if holding.exit_left == 0.0 else CANCELLED)
    cancel_additions(w, ts, s, side)
