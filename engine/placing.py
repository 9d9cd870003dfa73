"""One candidate entry: gates, size, its order. docs/fills.md sections 9 and 11."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import round_down, value_of
from engine.candidates import column_at, confidence_at
from engine.clock import session_bits
from engine.facts import measure
from engine.gates import entry_prices, gate, take_rules
from engine.guards import exposure_caps, note_entry
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
from engine.orders import deny, insert, live_from, new_order, remove
from engine.sizing import size_order
from engine.types import BY_REBALANCE, BY_SIGNAL, CLS, DAY, LIMIT, MARKET, SESSION_OVER


@kernel
def take_back(w: Any) -> None:
    """The orders of the legs that were placed so far, and the rows of their cuts, have never been."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    for k in range(world.n_legs):
        s = int32_at(world.walk, k)
        holding = holding_at(world.holdings, s)
        holding.entry_order = -1
        remove(world.entries, book.n_entries, s)
        book.n_entries -= 1
        book.n_orders -= 1
        if holding.last_denial != int32_at(world.denied_before, s):
            holding.last_denial = int32_at(world.denied_before, s)
            book.n_denials -= 1
    world.n_legs = 0


@kernel
def refuse(w: Any, ts: Any, s: Any, side: Any, reason: Any, asked: Any) -> None:
    """A candidate is not placed, and what its group of legs has placed goes with it."""
    if world_at(w, 0).n_legs > 0:
        take_back(w)
    deny(w, ts, s, side, reason, asked, 0.0, -1)


@kernel
def place_entry(w: Any, ts: Any, s: Any, i: Any, side: Any, qty: Any, confidence: Any, for_rebalance: Any) -> Any:
    """Write an entry order into the slot of s; qty 0 = to be sized at its fill. Its index."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    feed = feed_at(world.feed, s)
    close = float_at(feed.close, i)
    kind, limit_px, stop_px, protect = entry_prices(w, s, i, side, for_rebalance)
    reason = BY_REBALANCE if for_rebalance else BY_SIGNAL
    order = new_order(w, ts, s, side, kind, settings.tif, reason, qty, limit_px, stop_px, confidence, 1)
    holding.entry_order = order
    holding.entry_kind = kind
    holding.entry_tif = settings.tif
    holding.entry_side = side
    holding.entry_reason = reason
    holding.entry_sized = 1 if qty > 0.0 else 0
    holding.entry_triggered = 0
    holding.entry_left = qty
    holding.entry_limit = limit_px
    holding.entry_stop = stop_px
    holding.entry_extreme = close
    holding.entry_protect = protect
    holding.entry_weight = column_at(feed.weight, i)
    holding.entry_confidence = confidence
    holding.entry_ref = close
    holding.entry_at = i
    holding.entry_live_ns = live_from(w, ts)
    holding.entry_day = 0
    holding.entry_no_day = 0
    if settings.tif == DAY or settings.tif == CLS:
        holding.entry_day = int32_at(feed.day, i)
        holding.entry_no_day = 1 if session_bits(w, s, i) & SESSION_OVER else 0
    insert(world.entries, book.n_entries, s)
    book.n_entries += 1
    if settings.track_pace == 1 and world.n_legs < 0:
        note_entry(w, ts)
    return order


@kernel
def consider(w: Any, ts: Any, s: Any, i: Any, side: Any, wanted: Any, used: Any) -> Any:
    """Take one candidate through gates and sizing (wanted > 0: a rebalance's units); whether an order was placed."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    feed = feed_at(world.feed, s)
    for_rebalance = wanted > 0.0
    confidence = 1.0 if for_rebalance else confidence_at(w, s, i)
    if settings.track_facts == 1:
        measure(w, ts, s, i, side, confidence, wanted, used)
    refusal = gate(w, ts, s, i, side, confidence, for_rebalance, used, np.nan, False)
    if refusal >= 0:
        refuse(w, ts, s, side, refusal, np.nan)
        return False
    take_rules(w, s)
    if for_rebalance:
        return enter_for_rebalance(w, ts, s, i, side, wanted)
    if settings.size_at_fill == 1:
        place_entry(w, ts, s, i, side, 0.0, confidence, False)
        return True
    takes_stop = settings.order_type == MARKET or settings.order_type == LIMIT
    protect = column_at(feed.stop_px, i) if takes_stop else np.nan
    weight = column_at(feed.weight, i)
    qty, reason, asked = size_order(w, s, side, float_at(feed.close, i), protect, weight)
    if qty <= 0.0:
        refuse(w, ts, s, side, reason, asked)
        return False
    order = place_entry(w, ts, s, i, side, qty, confidence, False)
    if reason >= 0:
        deny(w, ts, s, side, reason, asked, qty, order)
    return True


@kernel
def enter_for_rebalance(w: Any, ts: Any, s: Any, i: Any, side: Any, wanted: Any) -> Any:
    """Place a rebalance's entry, as far as the caps of exposure leave it; whether an order was placed."""
    world = world_at(w, 0)
    feed = feed_at(world.feed, s)
    equity = book_at(world.book, 0).cash + value_of(w)
    qty, reason = exposure_caps(w, s, side, float_at(feed.close, i), equity, wanted, -1)
    if reason >= 0:
        qty = round_down(feed.lot, qty)
    if qty <= 0.0:
        refuse(w, ts, s, side, reason, wanted)
        return False
    order = place_entry(w, ts, s, i, side, qty, 1.0, True)
    if reason >= 0:
        deny(w, ts, s, side, reason, wanted, qty, order)
    return True
