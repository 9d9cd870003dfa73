"""One step of a portfolio, and the compiled loop over steps. docs/fills.md section 2 is the text of this code.

`advance` is the only entry point: a backtest calls it for many steps at once, a session for one step at a time. Both
run these very instructions, so both get the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import book_exit, exit_fee, moved, slipped
from engine.calm import may_be_calm, pass_calm_steps
from engine.clock import bar_of, closed_bars
from engine.decision import decide
from engine.entries import enter_at_close, may_enter, rank_entries
from engine.exits import fill_exit_order
from engine.gathering import gather_signals, signals_in
from engine.guards import remember_close
from engine.matching import closing_auction, expire_at_close, match
from engine.memory import (
    ask_for_float,
    book_at,
    daily_at,
    equity_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    int64_at,
    kernel,
    set_int32,
    settings_at,
    world_at,
)
from engine.orders import ROWS_PER_SYMBOL, end_exit, new_order
from engine.protection import begin_day, protect
from engine.quote_fills import trim_quotes
from engine.sizing import follow_volatility
from engine.types import BY_END, CANCELLED, GTC, MARKET, NANOS_PER_DAY, NEVER

AHEAD = 16  # bars


@kernel
def has_room(w: Any) -> Any:
    """Whether every result buffer can take one more step."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    most = ROWS_PER_SYMBOL * world.n_symbols
    return (
        book.n_orders + most <= world.room_orders
        and book.n_fills + most <= world.room_fills
        and book.n_trips + most <= world.room_trips
        and book.n_denials + most <= world.room_denials
        and book.n_daily < world.room_daily
        and (book.n_equity < world.room_equity or settings_at(world.settings, 0).track_equity == 0)
    )


@kernel
def find_bars(w: Any, ts: Any) -> None:
    """Each symbol's bar at this time, or -1. Only needed when some symbol has no bar at some time."""
    world = world_at(w, 0)
    for s in range(world.n_symbols):
        holding = holding_at(world.holdings, s)
        feed = feed_at(world.feed, s)
        i = holding.next_at
        if i < feed.n and int64_at(feed.ts, i) == ts:
            holding.at = i
            holding.next_at = i + 1
        else:
            holding.at = -1


@kernel
def is_touched(w: Any, t: Any) -> Any:
    """Whether this bar reaches the stop or target of some position."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    for k in range(book_at(world.book, 0).n_held):
        s = int32_at(world.held, k)
        i = bar_of(w, t, s)
        if i < 0:
            continue
        holding = holding_at(world.holdings, s)
        feed = feed_at(world.feed, s)
        level = holding.stop_px
        if holding.qty > 0.0:
            if settings.trailing == 1:
                trail = moved(max(holding.peak, float_at(feed.open, i)), -1, holding.trail_pct)
                level = trail if trail > level else level
            if float_at(feed.low, i) <= level or float_at(feed.high, i) >= holding.target_px:
                return True
        else:
            if settings.trailing == 1:
                trail = moved(min(holding.peak, float_at(feed.open, i)), 1, holding.trail_pct)
                level = trail if trail < level else level
            if float_at(feed.high, i) >= level or float_at(feed.low, i) <= holding.target_px:
                return True
    return False


@kernel
def mark(w: Any, t: Any) -> Any:
    """Phase 7: marks, and the best price since entry. Value and exposure of the positions then, as in `worth_of`."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    trailing, aligned = settings.trailing == 1, settings.aligned == 1
    value = 0.0
    exposure = 0.0
    for k in range(book_at(world.book, 0).n_held):
        s = int32_at(world.held, k)
        holding = holding_at(world.holdings, s)
        px = holding.mark
        i = t if aligned else holding.at
        if i >= 0:
            feed = feed_at(world.feed, s)
            px = float_at(feed.close, i)
            holding.mark = px
            if trailing:
                if holding.qty > 0.0:
                    holding.peak = max(holding.peak, max(float_at(feed.open, i), float_at(feed.high, i)))
                else:
                    holding.peak = min(holding.peak, min(float_at(feed.open, i), float_at(feed.low, i)))
        worth = holding.qty * px
        value += worth
        exposure += abs(worth)
    return value, exposure


@kernel
def follow_prices(w: Any, t: Any, ts: Any) -> None:
    """Phase 7: ATRs, and the closes that correlations are made of."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    for s in range(world.n_symbols):
        i = bar_of(w, t, s)
        if i < 0:
            continue
        closes = closed_bars(w, s, i) != closed_bars(w, s, i - 1)
        if settings.track_atr == 1:
            follow_volatility(w, s, i, closes)
        if closes and settings.track_recent == 1:
            remember_close(w, ts, s, i)


@kernel
def worth_of(w: Any) -> Any:
    """Value and exposure of the positions at their marks, summed in name order."""
    world = world_at(w, 0)
    value = 0.0
    exposure = 0.0
    for k in range(book_at(world.book, 0).n_held):
        holding = holding_at(world.holdings, int32_at(world.held, k))
        worth = holding.qty * holding.mark
        value += worth
        exposure += abs(worth)
    return value, exposure


@kernel
def fill_at_close(w: Any, t: Any, ts: Any) -> None:
    """Phase 12 with fill_at="this_close": working orders of symbols with a bar fill at its close."""
    world = world_at(w, 0)
    count = book_at(world.book, 0).n_exits
    for k in range(count):
        set_int32(world.walk, k, int32_at(world.exits, k))
    for k in range(count):
        s = int32_at(world.walk, k)
        i = bar_of(w, t, s)
        if i >= 0:
            fill_exit_order(w, t, ts, s, i, float_at(feed_at(world.feed, s).close, i), closed_bars(w, s, i))
    count = rank_entries(w, t, ts, False)
    for k in range(count):
        s = int32_at(world.ranked, k)
        if may_enter(w, s):
            i = bar_of(w, t, s)
            enter_at_close(w, t, ts, s, i, float_at(feed_at(world.feed, s).close, i))


@kernel
def close_out(w: Any, t: Any, ts: Any) -> None:
    """Phase 12 at the end of a run with close_at_end: every position is closed at its mark."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    while book.n_held > 0:
        s = int32_at(world.held, 0)
        holding = holding_at(world.holdings, s)
        i = t if settings_at(world.settings, 0).aligned == 1 else holding.next_at - 1
        at = int64_at(feed_at(world.feed, s).ts, i)
        if holding.exit_order >= 0:
            end_exit(w, ts, s, CANCELLED)
        side = -1 if holding.qty > 0.0 else 1
        qty = abs(holding.qty)
        order = new_order(w, at, s, side, MARKET, GTC, BY_END, qty, np.nan, np.nan, 1.0, 0)
        base = holding.mark
        px = slipped(w, s, i, base, side, qty)
        book_exit(w, t, at, s, order, qty, px, base, exit_fee(w, s, qty, px), BY_END, closed_bars(w, s, i), 0.0)


@kernel
def record(w: Any, ts: Any, equity: Any, exposure: Any) -> None:
    """Phase 13: one row of equity, and the running figures of the metrics."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    book.equity = equity
    book.exposure = exposure
    if settings_at(world.settings, 0).track_equity == 1:
        row = equity_at(world.equity, book.n_equity)
        row.ts = ts
        row.equity = equity
        row.cash = book.cash
        row.exposure = exposure
        book.n_equity += 1
    if ts >= book.day_end_ns:
        date = ts // NANOS_PER_DAY
        book.day_end_ns = (date + 1) * NANOS_PER_DAY
        daily_at(world.daily, book.n_daily).date = date
        book.n_daily += 1
    daily_at(world.daily, book.n_daily - 1).equity = equity
    if exposure != 0.0:
        book.steps_invested += 1
        if equity > 0.0:
            book.exposure_sum = book.exposure_sum + exposure / equity
    if book.steps == 0:
        book.first_ts = ts
        book.top_ts = ts
    book.steps += 1
    book.last_ts = ts
    if equity >= book.top_equity:
        if book.max_drawdown_end_ts == -1 and book.max_drawdown > 0.0:
            book.max_drawdown_end_ts = ts
        book.top_equity = equity
        book.top_ts = ts
    else:
        fall = (book.top_equity - equity) / book.top_equity
        if fall > book.max_drawdown:
            book.max_drawdown = fall
            book.max_drawdown_top_ts = book.top_ts
            book.max_drawdown_low_ts = ts
            book.max_drawdown_end_ts = -1
        book.longest_under_ns = max(book.longest_under_ns, ts - book.top_ts)


@kernel
def ask_ahead(w: Any, t: Any) -> None:
    """Have the prices of later bars brought near: the processor foresees some streams of memory, not four a symbol.

    A cache line holds eight bars, so an eighth of the symbols at each step is enough.
    """
    world = world_at(w, 0)
    for s in range(t % 8, world.n_symbols, 8):
        feed = feed_at(world.feed, s)
        ask_for_float(feed.open, t + AHEAD)
        ask_for_float(feed.high, t + AHEAD)
        ask_for_float(feed.low, t + AHEAD)
        ask_for_float(feed.close, t + AHEAD)


@kernel
def advance(w: Any, start: Any, stop: Any, final: Any) -> Any:
    """Run the steps start … stop-1; `final`: the last of them ends the run.

    w: address of a WORLD record. Returns the step that comes next: `stop`, or less if a result buffer is full; then
    nothing of that step was done, and the caller goes on from there with larger buffers.
    """
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    by_limits = settings.timed == 1 or settings.guards == 1 or settings.flatten == 1
    aligned = settings.aligned == 1
    calm = aligned and may_be_calm(w)
    fills_at_close = settings.auctions == 1 or settings.this_close == 1
    gathered = start  # the signals of the steps before it stand in the lists
    first = start
    t = start - 1
    while t + 1 < stop:
        t += 1
        if calm and book.n_entries == 0 and book.n_exits == 0 and book.n_quoted == 0 and book.steps > 0:
            t = pass_calm_steps(w, t, stop - 1)
        if not has_room(w):
            return t
        ts = int64_at(world.times, t)
        if aligned:
            ask_ahead(w, t)
        else:
            find_bars(w, ts)
        if settings.track_day == 1:
            begin_day(w, t, ts)
        if book.n_entries > 0 or book.n_exits > 0 or book.n_quoted > 0 or is_touched(w, t):
            match(w, t, ts)
        value, exposure = mark(w, t)
        if settings.track_atr == 1 or settings.track_recent == 1:
            follow_prices(w, t, ts)
        if settings.auctions == 1:
            closing_auction(w, t, ts)
        if book.n_entries > 0:
            expire_at_close(w, t, ts)
        if book.n_quoted > 0:
            trim_quotes(w, t, ts)
        if by_limits:
            protect(w, t, ts)
        if t >= gathered:
            first = t
            gathered = gather_signals(w, t, stop)
        if settings.rebalance != NEVER or signals_in(w, t - first) > 0:
            decide(w, t, ts, t - first)
        if settings.this_close == 1:
            fill_at_close(w, t, ts)
        if settings.close_at_end == 1 and final and t == stop - 1:
            close_out(w, t, ts)
            value, exposure = worth_of(w)
        elif fills_at_close:
            value, exposure = worth_of(w)
        record(w, ts, book.cash + value, exposure)
    return stop
