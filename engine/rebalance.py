"""Bringing holdings back to their target weights. docs/fills.md section 11."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import round_down, value_of
from engine.candidates import add_candidate
from engine.clock import bar_of
from engine.memory import book_at, feed_at, float_at, holding_at, int32_at, kernel, settings_at, world_at
from engine.orders import deny, end_entry, end_exit, place_exit
from engine.protection import exit_whole, portfolio_day
from engine.types import (
    BY_REBALANCE,
    CANCELLED,
    GTC,
    MONTHLY,
    ON_SIGNAL,
    ON_TARGET_WEIGHTS,
    PERCENTAGE,
    POSITION_CAP,
    SHORT_NOT_ALLOWED,
    SYMBOL_CAP,
    WEEKLY,
)

_MONDAY_OFFSET = 3  # 1970-01-01 was a Thursday


@kernel
def month_of(day: Any) -> Any:
    """Months since year 0 of a day counted from 1970-01-01 (Howard Hinnant's civil_from_days)."""
    shifted = day + 719468
    era = shifted // 146097
    of_era = shifted - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    return (era * 400 + year) * 12 + from_march


@kernel
def rebalance_due(w: Any, t: Any, ts: Any, acted: Any, weighed: Any) -> Any:
    """Whether this step rebalances. `acted`: some symbol has an action or a weight; `weighed`: some has a weight."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    mode = settings_at(world.settings, 0).rebalance
    if mode == ON_SIGNAL:
        return acted
    if mode == ON_TARGET_WEIGHTS:
        return weighed
    period = portfolio_day(w, t, ts)
    if mode == WEEKLY:
        period = (period + _MONDAY_OFFSET) // 7
    elif mode == MONTHLY:
        period = month_of(period)
    if period == book.rebalance_period:
        return False
    book.rebalance_period = period
    return True


@kernel
def target_weight(w: Any, s: Any) -> Any:
    """The weight of s: remembered, or that of the sizing method for an open position; NaN = none."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    if not np.isnan(holding.weight):
        return holding.weight
    if holding.qty == 0.0:
        return np.nan
    weight = settings.size_value / 100.0 if settings.sizing == PERCENTAGE else 1.0 / settings.equal_parts
    return weight if holding.qty > 0.0 else -weight


@kernel
def wanted_units(w: Any, ts: Any, s: Any, side: Any, weight: Any, px: Any, equity: Any) -> Any:
    """Units of s at its target weight, under the caps, in whole lots. A cut leaves a denial row."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    asked = abs(weight) * equity / px
    want = asked
    reason = -1
    if not np.isnan(settings.position_cap_pct) and want > equity * settings.position_cap_pct / 100.0 / px:
        want = equity * settings.position_cap_pct / 100.0 / px
        reason = POSITION_CAP
    if not np.isnan(settings.symbol_cap_pct) and want > equity * settings.symbol_cap_pct / 100.0 / px:
        want = equity * settings.symbol_cap_pct / 100.0 / px
        reason = SYMBOL_CAP
    want = round_down(feed_at(world.feed, s).lot, want)
    if reason >= 0:
        deny(w, ts, s, side, reason, asked, want, -1)
    return want


@kernel
def plan_rebalance(w: Any, t: Any, ts: Any, count: Any) -> Any:
    """Place the exits of a rebalance, add its entries to the ranked candidates; the new number of candidates."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    equity = book.cash + value_of(w)
    if book.run_halted == 1 or book.day_halted == 1 or not equity > 0.0:
        return count
    for s in range(world.n_symbols):
        i = bar_of(w, t, s)
        holding = holding_at(world.holdings, s)
        if i < 0 or int32_at(world.sides, s) != 0 or (holding.exit_order >= 0 and holding.exit_whole == 1):
            continue
        weight = target_weight(w, s)
        if np.isnan(weight):
            continue
        if weight < 0.0 and settings.allow_short == 0:
            deny(w, ts, s, -1, SHORT_NOT_ALLOWED, np.nan, 0.0, -1)
            weight = 0.0
        if holding.entry_order >= 0:
            end_entry(w, ts, s, CANCELLED)
        side = -1 if weight < 0.0 else 1
        want = wanted_units(w, ts, s, side, weight, float_at(feed_at(world.feed, s).close, i), equity)
        held = abs(holding.qty)
        if held > 0.0 and (want == 0.0 or holding.qty * side < 0.0):
            exit_whole(w, ts, s, BY_REBALANCE)
            held = 0.0
        elif want < held:
            if holding.exit_order >= 0:
                end_exit(w, ts, s, CANCELLED)
            place_exit(w, ts, s, held - want, BY_REBALANCE, GTC)
            continue
        if want > held:
            add_candidate(w, t, s, side, want - held, count)
            count += 1
    return count
