"""Exits in one bar: exit orders, stops, targets, trailing stops. docs/fills.md section 6.

`t` is the step, `ts` its time, `s` a symbol, `i` its bar. A function that looks at prices is only called for symbols
that have a bar in this step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import book_exit, exit_fee, moved, slipped, volume_left
from engine.clock import bar_of, closed_bars, session_bits
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    kernel,
    settings_at,
    world_at,
)
from engine.orders import end_exit, new_order, work_exit
from engine.types import (
    BY_STOP_LOSS,
    BY_TAKE_PROFIT,
    BY_TRAILING_STOP,
    CANCELLED,
    CLS,
    FILLED,
    GTC,
    LIMIT,
    OPG,
    SESSION_FIRST,
    STOP,
    TRAILING_STOP,
)


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
    book_exit(w, t, ts, s, order, take, px, base, exit_fee(w, s, take, px), reason, clock, holding.exit_left)
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
        book_exit(w, t, ts, s, order, take, base, base, exit_fee(w, s, take, base), reason, clock, 0.0)
        return
    kind = TRAILING_STOP if reason == BY_TRAILING_STOP else STOP
    order = new_order(w, ts, s, side, kind, GTC, reason, held, np.nan, level, 1.0, 0)
    if take < held:
        work_exit(w, ts, s, order, held, reason, GTC)
        holding.exit_live_ns = ts
        holding.exit_left = held - take
    if take > 0.0:
        px = slipped(w, s, i, base, side, take)
        book_exit(w, t, ts, s, order, take, px, base, exit_fee(w, s, take, px), reason, clock, held - take)


@kernel
def stop_in_force(w: Any, s: Any) -> Any:
    """The level of the stop of s: the better of the fixed and the trailing one."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    level = holding.stop_px
    if settings_at(world.settings, 0).trailing == 1:
        side = 1 if holding.qty > 0.0 else -1
        trail = moved(holding.peak, -side, holding.trail_pct)
        if (trail - level) * side > 0.0:  # never so where there is none: it is NaN
            level = trail
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
    k = 0
    while k < book.n_held:
        s = int32_at(world.held, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        if i < 0:
            k += 1
            continue
        open_px = float_at(feed_at(world.feed, s).open, i)
        if exit_is_live(w, t, ts, s):
            fill_exit_order(w, t, ts, s, i, open_px, closed_bars(w, s, i - 1))
        else:
            side = 1 if holding.qty > 0.0 else -1
            if trailing and (open_px - holding.peak) * side > 0.0:
                holding.peak = open_px
            level = stop_in_force(w, s)
            if (open_px - level) * side <= 0.0:
                fire(w, t, ts, s, i, open_px, level, stop_reason(w, s, level))
            elif (open_px - holding.target_px) * side >= 0.0:
                fire(w, t, ts, s, i, open_px, holding.target_px, BY_TAKE_PROFIT)
        if holding.qty != 0.0:  # else it has left the list
            k += 1


@kernel
def exits_inside(w: Any, t: Any, ts: Any) -> None:
    """Phase 4."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    trailing = settings_at(world.settings, 0).trailing == 1
    k = 0
    while k < book.n_held:
        s = int32_at(world.held, k)
        holding = holding_at(world.holdings, s)
        i = bar_of(w, t, s)
        if i < 0 or exit_is_live(w, t, ts, s):
            k += 1
            continue
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
        if holding.qty != 0.0:  # else it has left the list
            k += 1


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
