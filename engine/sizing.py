"""How many units an entry asks for, and what the caps leave of it. docs/fills.md section 9."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import round_down, value_of
from engine.guards import exposure_caps
from engine.memory import book_at, feed_at, float_at, holding_at, kernel, settings_at, world_at
from engine.types import (
    CAPITAL_CAP,
    EQUAL_WEIGHT,
    FIXED,
    KELLY,
    NO_EDGE,
    NO_EQUITY,
    NO_STOP,
    NO_VOLATILITY,
    PERCENTAGE,
    POSITION_CAP,
    RISK,
    SIZE_ZERO,
    SYMBOL_CAP,
)

UNCUT = -1


@kernel
def kelly_pct(w: Any) -> Any:
    """The percent of equity that Kelly's formula gives from this run's round trips; 0 or less = no edge."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    if book.kelly_trades < settings.kelly_min_trades:
        return settings.size_value
    if book.kelly_wins == 0:
        return 0.0
    won = book.kelly_wins / book.kelly_trades
    losses = book.kelly_trades - book.kelly_wins
    fraction = won
    if losses > 0 and book.kelly_loss_sum > 0.0:
        payoff = (book.kelly_win_sum / book.kelly_wins) / (book.kelly_loss_sum / losses)
        fraction = won - (1.0 - won) / payoff
    return min(fraction * 100.0 * settings.kelly_ratio, settings.kelly_cap_pct)


@kernel
def stop_distance(w: Any, s: Any, side: Any, px: Any, protect: Any) -> Any:
    """Money per unit lost between px and the stop that the entry of s was decided with; 0, less or NaN = none."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if not np.isnan(protect):
        return (px - protect) * side
    distance = px * holding.entry_stop_pct / 100.0
    if np.isnan(distance) or holding.entry_vol_stop < distance:
        distance = holding.entry_vol_stop
    if not np.isnan(distance):
        return distance
    return px * holding.entry_trail_pct / 100.0


@kernel
def units(w: Any, s: Any, side: Any, px: Any, protect: Any, weight: Any, equity: Any) -> Any:
    """(units before caps and lots, -1) or (0, reason)."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    sizing = settings.sizing
    if not np.isnan(weight):
        return abs(weight) * equity / px, UNCUT
    if sizing == FIXED:
        return settings.size_value, UNCUT
    if sizing == PERCENTAGE:
        return equity * settings.size_value / 100.0 / px, UNCUT
    if sizing == EQUAL_WEIGHT:
        return equity / settings.equal_parts / px, UNCUT
    if sizing == KELLY:
        pct = kelly_pct(w)
        return (equity * pct / 100.0 / px, UNCUT) if pct > 0.0 else (0.0, NO_EDGE)
    if sizing == RISK:
        distance = stop_distance(w, s, side, px, protect)
        return (equity * settings.size_value / 100.0 / distance, UNCUT) if distance > 0.0 else (0.0, NO_STOP)
    atr = holding_at(world.holdings, s).atr
    if not atr > 0.0:
        return 0.0, NO_VOLATILITY
    return equity * settings.size_value / 100.0 / (atr * settings.atr_multiple), UNCUT


@kernel
def size_order(w: Any, s: Any, side: Any, px: Any, protect: Any, weight: Any) -> Any:
    """(units in whole lots, reason, units asked for) of an entry at px, with the equity of now.

    Units 0: refused for that reason. Units above 0: the reason is UNCUT, or the last cap that cut.
    """
    world = world_at(w, 0)
    equity = book_at(world.book, 0).cash + value_of(w)
    if not equity > 0.0:
        return 0.0, NO_EQUITY, np.nan
    asked, reason = units(w, s, side, px, protect, weight, equity)
    if reason != UNCUT:
        return 0.0, reason, np.nan
    qty, reason = capped(w, s, side, px, equity, asked, 0.0)
    qty = round_down(feed_at(world.feed, s).lot, qty)
    if not qty > 0.0 and reason == UNCUT:
        reason = SIZE_ZERO
    return max(qty, 0.0), reason, asked


@kernel
def capped(w: Any, s: Any, side: Any, px: Any, equity: Any, asked: Any, counted: Any) -> Any:
    """(units, reason): what the caps leave of `asked` at px, and the last one that cut, or UNCUT.

    counted: units that the cap of one entry counts beside those asked for.
    """
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    qty = asked
    reason = UNCUT
    if not np.isnan(settings.capital_cap) and qty > settings.capital_cap / px:
        qty = settings.capital_cap / px
        reason = CAPITAL_CAP
    if not np.isnan(settings.position_cap_pct):
        cap = max(equity * settings.position_cap_pct / 100.0 / px - counted, 0.0)
        if qty > cap:
            qty = cap
            reason = POSITION_CAP
    if not np.isnan(settings.symbol_cap_pct):
        held = abs(holding.qty) if holding.qty * side > 0.0 else 0.0
        cap = max(equity * settings.symbol_cap_pct / 100.0 / px - held, 0.0)
        if qty > cap:
            qty = cap
            reason = SYMBOL_CAP
    return exposure_caps(w, s, side, px, equity, qty, reason)


@kernel
def follow_volatility(w: Any, s: Any, i: Any, closes: Any) -> None:
    """Wilder's ATR of the decision bars of s, brought forward by its bar i; `closes`: a decision bar ends with it."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    feed = feed_at(world.feed, s)
    holding.atr_high = max(holding.atr_high, float_at(feed.high, i))
    holding.atr_low = min(holding.atr_low, float_at(feed.low, i))
    if not closes:
        return
    high, low, before = holding.atr_high, holding.atr_low, holding.atr_close
    if not np.isnan(before):
        reach = max(max(high - low, abs(high - before)), abs(low - before))
        period = settings_at(world.settings, 0).atr_period
        holding.atr_count += 1
        if holding.atr_count <= period:
            holding.atr_sum = holding.atr_sum + reach
            if holding.atr_count == period:
                holding.atr = holding.atr_sum / period
        else:
            holding.atr = (holding.atr * (period - 1) + reach) / period
    holding.atr_close = float_at(feed.close, i)
    holding.atr_high = -np.inf
    holding.atr_low = np.inf
