"""A quick way through the steps in which nothing happens to a portfolio of one symbol.

Most bars of a run bring no signal, meet no order and touch no stop. For those the phases of `engine.step` come down to
a mark and a row of equity, and doing just that from registers is several times quicker. The figures are those of `mark`
and `record`, operation for operation; tests/engine/test_parity.py holds the two against each other.
"""

from __future__ import annotations

from typing import Any

from engine.booking import moved
from engine.memory import (
    book_at,
    daily_at,
    equity_at,
    feed_at,
    float_at,
    holding_at,
    int8_at,
    int64_at,
    kernel,
    settings_at,
    world_at,
)
from engine.types import NANOS_PER_DAY, NEVER


@kernel
def may_be_calm(w: Any) -> Any:
    """Whether these rules leave bars without orders, signals and touched levels alone, in a portfolio of one symbol."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    return (
        world.n_symbols == 1
        and settings.timed == 0
        and settings.guards == 0
        and settings.track_day == 0
        and settings.rebalance == NEVER
        and settings.track_atr == 0
        and settings.track_recent == 0
        and settings.flatten == 0
    )


@kernel
def pass_calm_steps(w: Any, start: Any, stop: Any) -> Any:
    """Do the steps from `start` on in which nothing happens; the first one that needs `engine.step`, or `stop`.

    No order may be working, and `record` must have been called before.
    """
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, 0)
    feed = feed_at(world.feed, 0)
    opens, highs, lows, closes, actions = feed.open, feed.high, feed.low, feed.close, feed.action
    times = world.times
    trailing, trail_pct = settings.trailing == 1, holding.trail_pct
    track_equity = settings.track_equity == 1
    if track_equity:
        stop = min(stop, start + world.room_equity - book.n_equity)
    qty, stop_px, target_px, peak = holding.qty, holding.stop_px, holding.target_px, holding.peak
    mark = holding.mark
    cash = book.cash
    equity = book.equity
    exposure = book.exposure
    exposure_sum = book.exposure_sum
    top, top_ts = book.top_equity, book.top_ts
    day_end = book.day_end_ns
    rows = book.n_equity
    ts = book.last_ts
    t = start
    while t < stop:
        if int8_at(actions, t) != 0:
            break
        now = int64_at(times, t)
        if now >= day_end and book.n_daily == world.room_daily:
            break
        if qty != 0.0:
            high, low = float_at(highs, t), float_at(lows, t)
            level = stop_px
            best = peak
            if qty > 0.0:
                if trailing:
                    best = max(peak, float_at(opens, t))
                    level = max(level, moved(best, -1, trail_pct))
                if low <= level or high >= target_px:
                    break
                peak = max(best, high)
            else:
                if trailing:
                    best = min(peak, float_at(opens, t))
                    level = min(level, moved(best, 1, trail_pct))
                if high >= level or low <= target_px:
                    break
                peak = min(best, low)
            mark = float_at(closes, t)
            worth = qty * mark
            equity = cash + worth
            exposure = abs(worth)
            if equity > 0.0:
                exposure_sum = exposure_sum + exposure / equity
        else:
            equity = cash
            exposure = 0.0
        if now >= day_end:
            if t > start:
                daily_at(world.daily, book.n_daily - 1).equity = book.equity
            date = now // NANOS_PER_DAY
            day_end = (date + 1) * NANOS_PER_DAY
            daily_at(world.daily, book.n_daily).date = date
            book.n_daily += 1
        ts = now
        book.equity = equity
        if track_equity:
            row = equity_at(world.equity, rows)
            row.ts = ts
            row.equity = equity
            row.cash = cash
            row.exposure = exposure
            rows += 1
        if equity >= top:
            if book.max_drawdown_end_ts == -1 and book.max_drawdown > 0.0:
                book.max_drawdown_end_ts = ts
            top = equity
            top_ts = ts
        else:
            fall = (top - equity) / top
            if fall > book.max_drawdown:
                book.max_drawdown = fall
                book.max_drawdown_top_ts = top_ts
                book.max_drawdown_low_ts = ts
                book.max_drawdown_end_ts = -1
            if ts - top_ts > book.longest_under_ns:
                book.longest_under_ns = ts - top_ts
        t += 1
    if t > start:
        holding.mark = mark
        if trailing:
            holding.peak = peak
        daily_at(world.daily, book.n_daily - 1).equity = equity
        book.exposure = exposure
        book.exposure_sum = exposure_sum
        book.top_equity = top
        book.top_ts = top_ts
        book.day_end_ns = day_end
        book.n_equity = rows
        book.steps += t - start
        book.last_ts = ts
        if qty != 0.0:
            book.steps_invested += t - start
    return t
