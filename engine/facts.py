"""What a candidate entry met: the figures behind each gate, for those who ask why it did not trade.

Only a portfolio that is stepped notes them. They are read before the candidate is decided upon, by the functions that
decide upon it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import affordable, round_down, value_of
from engine.candidates import column_at
from engine.clock import session_bits
from engine.gates import entry_prices, gate, slots_in_use, take_rules, takes_slot
from engine.guards import (
    bars_since_exit,
    collar_distance,
    committed,
    correlated_with,
    entries_of_minute,
    exposure_caps,
    spendable,
)
from engine.memory import (
    book_at,
    facts_at,
    feed_at,
    float_at,
    holding_at,
    int8_at,
    kernel,
    settings_at,
    world_at,
)
from engine.sizing import kelly_pct, size_order, stop_distance
from engine.types import SESSION_CLOSING


@kernel
def measure(w: Any, ts: Any, s: Any, i: Any, side: Any, confidence: Any, wanted: Any, used: Any) -> None:
    """Write the FACTS of an entry of s at the close of its bar i; wanted > 0: a rebalance's units."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    feed = feed_at(world.feed, s)
    facts = facts_at(world.facts, s)
    for_rebalance = wanted > 0.0
    if holding.entry_order < 0:
        take_rules(w, s)
    _, limit_px, stop_px, protect = entry_prices(w, s, i, side, for_rebalance)
    px = float_at(feed.close, i)
    facts.ts = ts
    facts.side = side
    facts.refusal = gate(w, ts, s, i, side, confidence, for_rebalance, used, np.nan, False)
    facts.confidence = np.nan if for_rebalance else confidence
    facts.window = 1 if feed.window == 0 else int8_at(feed.window, i)
    facts.blocked = holding.blocked
    facts.closing = 1 if session_bits(w, s, i) & SESSION_CLOSING else 0
    facts.equity = book.cash + value_of(w)
    facts.top_equity = book.top_equity
    facts.day_start_equity = book.day_start_equity
    facts.run_halted = book.run_halted
    facts.day_halted = book.day_halted
    facts.since_exit = bars_since_exit(w, s, i)
    facts.of_minute = entries_of_minute(w, ts)
    facts.slots = used
    facts.needs_slot = 1 if takes_slot(w, s) else 0
    facts.correlated = correlated_with(w, s, side) if settings.max_correlated > 0 else 0
    facts.farthest = collar_distance(w, s, i, limit_px, stop_px)
    facts.atr = holding.atr
    facts.has_stop = 0 if np.isnan(protect) else 1
    facts.distance = stop_distance(w, s, side, px, protect)
    facts.kelly_pct = kelly_pct(w)
    facts.px = px
    if for_rebalance:
        asked, qty, reason = wanted, wanted, -1
        qty, reason = exposure_caps(w, s, side, px, facts.equity, qty, reason)
        if reason >= 0:
            qty = round_down(feed.lot, qty)
    else:
        qty, reason, asked = size_order(w, s, side, px, protect, column_at(feed.weight, i))
    facts.asked = asked
    facts.qty = qty
    facts.size_reason = reason
    if facts.refusal < 0 and qty <= 0.0 and settings.size_at_fill == 0:
        facts.refusal = reason
    gross, net, own = committed(w, s)
    facts.gross, facts.net, facts.own = gross, net, own
    facts.held = abs(holding.qty) if holding.qty * side > 0.0 else 0.0
    facts.free = spendable(w, s)
    facts.lot = feed.lot
    facts.fits = affordable(w, qty, px, facts.free, feed.lot) if qty > 0.0 else 0.0


@kernel
def measure_now(w: Any, ts: Any, s: Any, side: Any) -> None:
    """FACTS of an entry of s as if it were decided at the close of the last step, ts. s has had a bar."""
    world = world_at(w, 0)
    i = holding_at(world.holdings, s).next_at - 1
    confidence = column_at(feed_at(world.feed, s).confidence, i)
    measure(w, ts, s, i, side, 1.0 if np.isnan(confidence) else confidence, 0.0, slots_in_use(w))
