"""What a portfolio does with signals: exits, then entries through gates, sizing and caps. Phase 11 of docs/fills.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import round_down, value_of
from engine.candidates import add_candidate, column_at, confidence_at
from engine.clock import bar_of, session_bits
from engine.facts import measure
from engine.gates import entry_prices, gate, needs_slot, slots_in_use, take_rules
from engine.gathering import signals_in
from engine.guards import exposure_caps, note_entry
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int8_at,
    int32_at,
    kernel,
    set_int32,
    settings_at,
    world_at,
)
from engine.orders import deny, end_entry, end_exit, insert, live_from, new_order, place_exit
from engine.rebalance import plan_rebalance, rebalance_due
from engine.sizing import size_order
from engine.types import (
    BY_REBALANCE,
    BY_SIGNAL,
    CANCELLED,
    CLS,
    DAY,
    GTC,
    LIMIT,
    MARKET,
    NEVER,
    OPG,
    SESSION_OVER,
)


@kernel
def exit_by_signal(w: Any, ts: Any, s: Any) -> None:
    """An exit order for all of s, unless one is working."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    if holding.exit_order >= 0:
        if holding.exit_whole == 1:
            return
        end_exit(w, ts, s, CANCELLED)
    tif = settings_at(world.settings, 0).tif
    place_exit(w, ts, s, abs(holding.qty), BY_SIGNAL, tif if tif in (OPG, CLS) else GTC)


@kernel
def read_signal(w: Any, t: Any, ts: Any, s: Any, i: Any, action: Any) -> Any:
    """Steps 1 to 3: cancel, exit; the side of the entry that the signal asks for, or 0."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    weight = column_at(feed_at(world.feed, s).weight, i)
    if not np.isnan(weight) and settings.rebalance != NEVER:
        holding.weight = weight
        return 0
    if action != 1 and action != -1:
        return 0
    if holding.entry_order >= 0 and holding.entry_side != action:
        end_entry(w, ts, s, CANCELLED)
    if holding.qty * action < 0.0:
        exit_by_signal(w, ts, s)
    if action == -1 and settings.allow_short == 0:
        return 0
    if holding.entry_order >= 0:
        return 0
    if holding.qty * action > 0.0 and (settings.scale_in == 0 or holding.exit_order >= 0):
        return 0
    return action


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
    if settings.track_pace == 1:
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
    refusal = gate(w, ts, s, i, side, confidence, for_rebalance, used)
    if refusal >= 0:
        deny(w, ts, s, side, refusal, np.nan, 0.0, -1)
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
        deny(w, ts, s, side, reason, asked, 0.0, -1)
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
        deny(w, ts, s, side, reason, wanted, 0.0, -1)
        return False
    order = place_entry(w, ts, s, i, side, qty, 1.0, True)
    if reason >= 0:
        deny(w, ts, s, side, reason, wanted, qty, order)
    return True


@kernel
def decide(w: Any, t: Any, ts: Any, row: Any) -> None:
    """Phase 11. `row`: where engine.gathering has listed the symbols with a signal in this step."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    rebalancing = settings.rebalance != NEVER
    count = 0
    acted = False
    weighed = False
    for k in range(signals_in(w, row)):
        s = int32_at(world.signalled, row * world.n_symbols + k)
        i = bar_of(w, t, s)
        action = int8_at(feed_at(world.feed, s).action, i)
        side = read_signal(w, t, ts, s, i, action)
        acted = True
        weighed = weighed or not np.isnan(column_at(feed_at(world.feed, s).weight, i))
        if side != 0:
            add_candidate(w, t, s, side, 0.0, count)
            count += 1
    if rebalancing and rebalance_due(w, t, ts, acted, weighed):
        count = plan_rebalance(w, t, ts, count)
    used = slots_in_use(w) if count > 0 and (settings.max_open > 0 or settings.track_facts == 1) else 0
    for k in range(count):
        s = int32_at(world.ranked, k)
        takes_slot = settings.max_open > 0 and needs_slot(w, s)
        side = int32_at(world.sides, s)
        set_int32(world.sides, s, 0)
        if consider(w, ts, s, bar_of(w, t, s), side, float_at(world.wanted, s), used) and takes_slot:
            used += 1
