"""What a portfolio does with signals: exits, then entries through gates, sizing and caps. Phase 11 of docs/fills.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.candidates import add_candidate, column_at
from engine.clock import bar_of
from engine.gates import slots_in_use, takes_slot
from engine.gathering import signals_in
from engine.legs import enter_legs
from engine.memory import feed_at, float_at, holding_at, int8_at, int32_at, kernel, set_int32, settings_at, world_at
from engine.orders import end_entry, end_exit, place_exit
from engine.placing import consider
from engine.quotes import end_quote, may_open
from engine.quoting import state_quotes
from engine.rebalance import plan_rebalance, rebalance_due
from engine.types import BY_SIGNAL, CANCELLED, CLS, EXIT_LONG, EXIT_SHORT, GTC, NEVER, OPG, QUOTES, WEIGHT_GIVEN


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
def leave(w: Any, ts: Any, s: Any, action: Any) -> None:
    """A signal that closes and never opens: EXIT_LONG, EXIT_SHORT or EXIT."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.entry_order >= 0 and action != (EXIT_SHORT if holding.entry_side > 0 else EXIT_LONG):
        end_entry(w, ts, s, CANCELLED)
    for k in range(2):
        if action != (EXIT_SHORT if k == 0 else EXIT_LONG) and may_open(w, s, k) > 0.0:
            end_quote(w, ts, s, k, CANCELLED)
    if holding.qty != 0.0 and action != (EXIT_SHORT if holding.qty > 0.0 else EXIT_LONG):
        exit_by_signal(w, ts, s)


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
        if action != WEIGHT_GIVEN:
            leave(w, ts, s, action)
        return 0
    if holding.entry_order >= 0 and holding.entry_side != action:
        end_entry(w, ts, s, CANCELLED)
    if holding.qty * action < 0.0:
        exit_by_signal(w, ts, s)
    if action == -1 and settings.allow_short == 0 and feed_at(world.feed, s).leg == 0:
        return 0
    if holding.entry_order >= 0:
        return 0
    if holding.qty * action > 0.0 and (settings.scale_in == 0 or holding.exit_order >= 0):
        return 0
    return action


@kernel
def decide(w: Any, t: Any, ts: Any, row: Any) -> None:
    """Phase 11. `row`: where engine.gathering has listed the symbols with a signal in this step."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    rebalancing = settings.rebalance != NEVER
    count = 0
    acted = False
    weighed = False
    quoting = False
    for k in range(signals_in(w, row)):
        s = int32_at(world.signalled, row * world.n_symbols + k)
        i = bar_of(w, t, s)
        action = int8_at(feed_at(world.feed, s).action, i)
        if action == QUOTES:
            quoting = True
            continue
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
        side = int32_at(world.sides, s)
        if side == 0:  # it was decided with its group
            continue
        if feed_at(world.feed, s).leg != 0:
            used += enter_legs(w, t, ts, k, count, used)
            continue
        needs_one = settings.max_open > 0 and takes_slot(w, s)
        set_int32(world.sides, s, 0)
        if consider(w, ts, s, bar_of(w, t, s), side, float_at(world.wanted, s), used) and needs_one:
            used += 1
    if quoting:
        for k in range(signals_in(w, row)):
            s = int32_at(world.signalled, row * world.n_symbols + k)
            i = bar_of(w, t, s)
            if int8_at(feed_at(world.feed, s).action, i) == QUOTES:
                state_quotes(w, ts, s, i)
