"""Which gate refuses an entry, and what an entry would be made of. docs/fills.md sections 4, 11 and 16."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import moved
from engine.candidates import column_at
from engine.clock import session_bits
from engine.guards import (
    bars_since_exit,
    collar_distance,
    correlated_with,
    entries_of_minute,
)
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int8_at,
    int32_at,
    kernel,
    settings_at,
    world_at,
)
from engine.quotes import quotes_open
from engine.types import (
    COOLDOWN,
    CORRELATED,
    DAILY_LOSS_HALT,
    DRAWDOWN_HALT,
    LIMIT,
    LOW_CONFIDENCE,
    MARKET,
    NO_SLOT,
    NO_VOLATILITY,
    ORDER_RATE,
    OUTSIDE_WINDOW,
    PRICE_COLLAR,
    SESSION_CLOSING,
    SESSION_END,
    SHORT_NOT_ALLOWED,
    STOP_LIMIT,
    TRAILING_STOP,
)


@kernel
def slots_in_use(w: Any) -> Any:
    """Positions that stay, and working entries and quotes that will need a slot of their own, one a symbol."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    used = 0
    for k in range(book.n_held):
        holding = holding_at(world.holdings, int32_at(world.held, k))
        if holding.exit_order < 0 or holding.exit_whole == 0:
            used += 1
    for k in range(book.n_entries):
        if needs_slot(w, int32_at(world.entries, k)):
            used += 1
    for k in range(book.n_quoted):
        s = int32_at(world.quoted, k)
        if holding_at(world.holdings, s).entry_order < 0 and needs_slot(w, s) and quotes_open(w, s):
            used += 1
    return used


@kernel
def needs_slot(w: Any, s: Any) -> Any:
    """s is flat, or its whole position is being exited."""
    holding = holding_at(world_at(w, 0).holdings, s)
    return holding.qty == 0.0 or (holding.exit_order >= 0 and holding.exit_whole == 1)


@kernel
def takes_slot(w: Any, s: Any) -> Any:
    """An entry of s would need a slot that no order of s has yet."""
    return needs_slot(w, s) and holding_at(world_at(w, 0).holdings, s).entry_order < 0 and not quotes_open(w, s)


@kernel
def take_rules(w: Any, s: Any) -> None:
    """Note what an entry of s is decided with: it keeps that, and so does the position that it opens."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    holding.entry_stop_pct = settings.stop_loss_pct
    holding.entry_target_pct = settings.take_profit_pct
    holding.entry_trail_pct = settings.trailing_stop_pct
    holding.entry_vol_stop = settings.vol_stop_atr * holding.atr
    holding.entry_longest = settings.max_holding
    holding.entry_offset_pct = settings.stop_offset_pct
    holding.entry_timeout = settings.timeout


@kernel
def entry_prices(w: Any, s: Any, i: Any, side: Any, for_rebalance: Any) -> Any:
    """(kind, limit, trigger, protective stop) of an entry decided on bar i; NaN = none. docs/fills.md section 4."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    feed = feed_at(world.feed, s)
    close = float_at(feed.close, i)
    kind = np.int64(MARKET if for_rebalance else settings.order_type)
    limit_px = np.nan
    stop_px = np.nan
    protect = np.nan
    if not for_rebalance:
        limit_px = column_at(feed.limit_px, i)
        stop_px = column_at(feed.stop_px, i)
    if kind in (MARKET, LIMIT):
        protect = stop_px
        stop_px = np.nan
    elif kind == TRAILING_STOP:
        stop_px = np.nan
    elif np.isnan(stop_px):
        stop_px = moved(close, side, settings.stop_offset_pct)
    if kind == LIMIT:
        if np.isnan(limit_px):
            limit_px = moved(close, -side, settings.limit_offset_pct)
    elif kind == STOP_LIMIT:
        if np.isnan(limit_px):
            limit_px = moved(stop_px, side, settings.limit_offset_pct)
    else:
        limit_px = np.nan
    return kind, limit_px, stop_px, protect


@kernel
def guard_after_slots(w: Any, s: Any, i: Any, side: Any, for_rebalance: Any, quote_px: Any) -> Any:
    """The reason code of the first guard of correlation, price or volatility that refuses an entry, or -1."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    if settings.max_correlated > 0 and correlated_with(w, s, side) >= settings.max_correlated:
        return CORRELATED
    if settings.price_collar_pct > 0.0 or settings.vol_stop_atr > 0.0:  # NaN = off
        _, limit_px, stop_px, protect = entry_prices(w, s, i, side, for_rebalance or not np.isnan(quote_px))
        if not np.isnan(quote_px):
            limit_px = quote_px
        if collar_distance(w, s, i, limit_px, stop_px) > settings.price_collar_pct:
            return PRICE_COLLAR
        if settings.vol_stop_atr > 0.0 and np.isnan(protect) and not holding_at(world.holdings, s).atr > 0.0:
            return NO_VOLATILITY
    return -1


@kernel
def gate(
    w: Any,
    ts: Any,
    s: Any,
    i: Any,
    side: Any,
    confidence: Any,
    for_rebalance: Any,
    used: Any,
    quote_px: Any,
    resting: Any,
) -> Any:
    """The reason code of the first gate that refuses an entry, or -1.

    quote_px: of a quote; NaN for other entries. resting: it is no new order, but one that rests already.
    """
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    window = feed_at(world.feed, s).window
    if side < 0 and settings.allow_short == 0:  # only a leg gets as far as this
        return SHORT_NOT_ALLOWED
    if not for_rebalance and confidence < settings.min_confidence:
        return LOW_CONFIDENCE
    if window != 0 and int8_at(window, i) == 0:
        return OUTSIDE_WINDOW
    blocked = holding_at(world.holdings, s).blocked
    if blocked >= 0:
        return np.int64(blocked)
    guarded = settings.guarded == 1
    if guarded and settings.flatten == 1 and session_bits(w, s, i) & SESSION_CLOSING:
        return SESSION_END
    if book.run_halted == 1:
        return DRAWDOWN_HALT
    if book.day_halted == 1:
        return DAILY_LOSS_HALT
    if guarded:
        if settings.cooldown > 0 and bars_since_exit(w, s, i) <= settings.cooldown:
            return COOLDOWN
        if settings.max_rate > 0 and not resting and entries_of_minute(w, ts) >= settings.max_rate:
            return ORDER_RATE
    if settings.max_open > 0 and used >= settings.max_open and takes_slot(w, s):
        return NO_SLOT
    return guard_after_slots(w, s, i, side, for_rebalance, quote_px) if guarded else -1
