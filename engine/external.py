"""What happens where a broker fills: one step without matching, and the executions that come in between two steps.

docs/fills.md section 18. `ts` of a booking is the time of the execution, `s` a symbol. Quantities are checked by the
caller (`engine.portfolio.broker`): none is larger than what is left of its order, or than what is held.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import book_entry, book_exit, book_opening, close_trip, moved, put_on, take_off
from engine.clock import bar_of, closed_bars
from engine.decision import decide
from engine.gathering import gather_signals, signals_in
from engine.memory import book_at, holding_at, int32_at, int64_at, kernel, order_at, settings_at, world_at
from engine.orders import cancel_additions, end_entry, end_exit, new_order, place_exit
from engine.protection import begin_day, exit_whole, protect
from engine.quote_fills import take_rules_of_now
from engine.step import find_bars, follow_prices, has_room, mark, record
from engine.types import (
    BY_DAILY_LOSS,
    BY_MAX_DRAWDOWN,
    BY_STOP_LOSS,
    BY_TAKE_PROFIT,
    BY_TRAILING_STOP,
    BY_USER,
    CANCELLED,
    FILLED,
    GTC,
    LIMIT,
    MARKET,
    NEVER,
    STOP,
    TRAILING_STOP,
)

# Whose execution it is: the working entry's, the working exit's, or neither's.
OF_ENTRY, OF_EXIT, OF_NONE = range(3)
NO_STEP = -2  # in the place of a step: no volume cap counts what a broker fills
# Two quantities are one if they differ by less than half a unit of what venues count in, or by a float's last digits.
HALF_UNIT = 5e-10
LAST_DIGITS = 1e-13


@kernel
def step_without_matching(w: Any, t: Any) -> Any:
    """One step: phases 0, 7, 10, 11 and 13, and the timeouts of phase 9. False if a result buffer is full; then nothing
    was done."""
    if not has_room(w):
        return False
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    ts = int64_at(world.times, t)
    find_bars(w, ts)
    if settings.track_day == 1:
        begin_day(w, t, ts)
    value, exposure = mark(w, t)
    follow_prices(w, t, ts)
    time_out(w, t, ts)
    protect(w, t, ts)
    insist(w, ts)
    gather_signals(w, t, t + 1)
    if settings.rebalance != NEVER or signals_in(w, 0) > 0:
        decide(w, t, ts, 0)
    record(w, ts, book.cash + value, exposure)
    return True


@kernel
def time_out(w: Any, t: Any, ts: Any) -> None:
    """Entries that have waited too long are cancelled; the days of orders are the venue's business."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    k = 0
    while k < book.n_entries:
        s = int32_at(world.entries, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        if i >= 0 and 0 < holding.entry_timeout <= i - holding.entry_at:
            end_entry(w, ts, s, CANCELLED)
        else:
            k += 1


@kernel
def insist(w: Any, ts: Any) -> None:
    """Exits of a whole position that the venue ended unfilled are decided again; a halted portfolio holds nothing."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    halted = book.day_halted == 1 or book.run_halted == 1
    for k in range(book.n_held):
        s = int32_at(world.held, k)
        holding = holding_at(world.holdings, s)
        if holding.exit_order < 0 and holding.exit_again >= 0:
            exit_whole(w, ts, s, holding.exit_again)
        elif halted:
            exit_whole(w, ts, s, BY_MAX_DRAWDOWN if book.run_halted == 1 else BY_DAILY_LOSS)
        holding.exit_again = -1


@kernel
def rest_of(whole: Any, part: Any) -> Any:
    """whole - part, 0 if that is less than any venue can tell."""
    rest = whole - part
    return 0.0 if rest <= HALF_UNIT + whole * LAST_DIGITS else rest


@kernel
def execute(w: Any, ts: Any, s: Any, whose: Any, side: Any, qty: Any, px: Any, fee: Any, kept: Any, reason: Any) -> Any:
    """Book an execution. whose: OF_ENTRY, OF_EXIT, OF_NONE. side, reason: of one that is nobody's. kept: units that the
    venue keeps of those bought, as its fee. False if a result buffer is full; then nothing was done."""
    if not has_room(w):
        return False
    holding = holding_at(world_at(w, 0).holdings, s)
    clock = closed_bars(w, s, holding.next_at - 1)
    if whose == OF_EXIT:
        fill_exit(w, ts, s, qty, px, fee, clock)
    elif whose == OF_ENTRY:
        fill_entry(w, ts, s, qty, px, fee, kept, clock)
    elif holding.qty * side < 0.0:
        reduce_alone(w, ts, s, qty, px, fee, reason, clock)
    else:
        if holding.qty == 0.0:
            take_rules_of_now(w, s)
            holding.exit_again = -1
        order = new_order(w, ts, s, side, MARKET, GTC, reason, qty, np.nan, np.nan, 1.0, 1)
        book_opening(w, NO_STEP, ts, s, side, order, qty - kept, px, px, fee + kept * px, np.nan, reason, clock, 0.0)
    return True


@kernel
def fill_entry(w: Any, ts: Any, s: Any, qty: Any, px: Any, fee: Any, kept: Any, clock: Any) -> None:
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    if holding.qty == 0.0:
        holding.exit_again = -1
    order = order_at(world.orders, holding.entry_order)
    left = rest_of(holding.entry_left, qty)
    book_entry(w, NO_STEP, ts, s, qty - kept, px, px, fee + kept * px, clock, left)
    if left > 0.0:
        order.filled += kept


@kernel
def fill_exit(w: Any, ts: Any, s: Any, qty: Any, px: Any, fee: Any, clock: Any) -> None:
    """What came to the position while an exit of all of it worked goes the same way."""
    holding = holding_at(world_at(w, 0).holdings, s)
    held = abs(holding.qty)
    take = held if rest_of(held, qty) == 0.0 else qty
    order, reason, whole = holding.exit_order, holding.exit_reason, holding.exit_whole
    holding.exit_left = rest_of(holding.exit_left, take)
    book_exit(w, NO_STEP, ts, s, order, take, px, px, fee, reason, clock, holding.exit_left)
    if holding.exit_order >= 0 and holding.exit_left == 0.0:
        end_exit(w, ts, s, FILLED)
        if whole == 1:
            place_exit(w, ts, s, abs(holding.qty), reason, GTC)


@kernel
def reduce_alone(w: Any, ts: Any, s: Any, qty: Any, px: Any, fee: Any, reason: Any, clock: Any) -> None:
    """An execution against the position that is no fill of its working exit: an order row of its own."""
    holding = holding_at(world_at(w, 0).holdings, s)
    held = abs(holding.qty)
    take = held if rest_of(held, qty) == 0.0 else qty
    side = -1 if holding.qty > 0.0 else 1
    kind, limit_px, stop_px = np.int64(MARKET), np.nan, np.nan
    if reason == BY_STOP_LOSS:
        kind, stop_px = np.int64(STOP), holding.stop_px
    elif reason == BY_TRAILING_STOP:
        kind, stop_px = np.int64(TRAILING_STOP), moved(holding.peak, side, holding.trail_pct)
    elif reason == BY_TAKE_PROFIT:
        kind, limit_px = np.int64(LIMIT), holding.target_px
    if np.isinf(stop_px):
        stop_px = np.nan
    if np.isinf(limit_px):
        limit_px = np.nan
    order = new_order(w, ts, s, side, kind, GTC, reason, take, limit_px, stop_px, 1.0, 0)
    book_exit(w, NO_STEP, ts, s, order, take, px, px, fee, reason, clock, 0.0)
    fit_exit(w, ts, s)


@kernel
def fit_exit(w: Any, ts: Any, s: Any) -> None:
    """No exit asks for more than what is held, after the position has become smaller beside it."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    held = abs(holding.qty)
    if holding.exit_order < 0 or holding.exit_left < held:
        return
    order = order_at(world.orders, holding.exit_order)
    order.qty = order.filled + held
    order.done_ts = ts
    holding.exit_left = held
    holding.exit_whole = 1
    cancel_additions(w, ts, s, 1 if holding.qty > 0.0 else -1)


@kernel
def end_working(w: Any, ts: Any, s: Any, whose: Any, status: Any) -> None:
    """The venue has ended the working entry (OF_ENTRY) or exit (OF_EXIT) of s."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if whose == OF_ENTRY:
        end_entry(w, ts, s, status)
        return
    again = holding.exit_reason if holding.exit_whole == 1 else -1
    end_exit(w, ts, s, status)
    holding.exit_again = again


@kernel
def transfer(w: Any, ts: Any, s: Any, side: Any, qty: Any, px: Any) -> Any:
    """Take over `qty` units of that side without a trade; against the position: give them back. False if a result
    buffer is full; then nothing was done."""
    if not has_room(w):
        return False
    holding = holding_at(world_at(w, 0).holdings, s)
    clock = closed_bars(w, s, holding.next_at - 1)
    if holding.qty * side >= 0.0:
        if holding.qty == 0.0:
            take_rules_of_now(w, s)
            holding.exit_again = -1
        put_on(w, NO_STEP, ts, s, side, qty, px, px, 0.0, np.nan, clock)
        return True
    held = abs(holding.qty)
    take_off(w, NO_STEP, s, held if rest_of(held, qty) == 0.0 else qty, px, px, 0.0)
    if holding.qty == 0.0:
        close_trip(w, ts, s, -side, BY_USER, clock)
    else:
        fit_exit(w, ts, s)
    return True
