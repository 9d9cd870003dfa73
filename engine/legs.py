"""Entries that belong together: the candidates of one group are all placed, or none. docs/fills.md section 11."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.candidates import confidence_at
from engine.clock import bar_of
from engine.facts import measure
from engine.gates import takes_slot
from engine.guards import note_entry
from engine.memory import (
    facts_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    kernel,
    set_int32,
    settings_at,
    world_at,
)
from engine.orders import deny
from engine.placing import consider
from engine.types import LEG_REFUSED


@kernel
def list_legs(w: Any, start: Any, count: Any) -> Any:
    """Fill the scratch list with the candidates, from the one ranked `start` on, of its group; how many."""
    world = world_at(w, 0)
    group = feed_at(world.feed, int32_at(world.ranked, start)).leg
    legs = 0
    for k in range(start, count):
        s = int32_at(world.ranked, k)
        if feed_at(world.feed, s).leg == group:
            set_int32(world.walk, legs, s)
            legs += 1
    return legs


@kernel
def enter_legs(w: Any, t: Any, ts: Any, start: Any, count: Any, used: Any) -> Any:
    """Decide the group of the candidate ranked `start`, in the order of the ranks; how many slots it takes."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    legs = list_legs(w, start, count)
    first = int32_at(world.walk, 0)
    # A sell that stands alone is no short that somebody counts on: without shorting it closes, and no more.
    if legs == 1 and int32_at(world.sides, first) < 0 and settings.allow_short == 0:
        set_int32(world.sides, first, 0)
        return 0
    for k in range(legs):
        s = int32_at(world.walk, k)
        set_int32(world.denied_before, s, holding_at(world.holdings, s).last_denial)
    taken = 0
    world.n_legs = 0
    for k in range(legs):
        s = int32_at(world.walk, k)
        needs_one = settings.max_open > 0 and takes_slot(w, s)
        side, wanted = int32_at(world.sides, s), float_at(world.wanted, s)
        if not consider(w, ts, s, bar_of(w, t, s), side, wanted, used + taken):
            taken = 0
            refuse_others(w, t, ts, legs, s, used)
            break
        world.n_legs += 1
        if needs_one:
            taken += 1
    if settings.track_pace == 1:
        for _ in range(world.n_legs):
            note_entry(w, ts)
    world.n_legs = -1
    for k in range(legs):
        set_int32(world.sides, int32_at(world.walk, k), 0)
    return taken


@kernel
def refuse_others(w: Any, t: Any, ts: Any, legs: Any, refused: Any, used: Any) -> None:
    """The other legs are denied as well, for that reason."""
    world = world_at(w, 0)
    for k in range(legs):
        s = int32_at(world.walk, k)
        if s == refused:
            continue
        side, wanted = int32_at(world.sides, s), float_at(world.wanted, s)
        deny(w, ts, s, side, LEG_REFUSED, np.nan, 0.0, -1)
        if settings_at(world.settings, 0).track_facts == 1:
            i = bar_of(w, t, s)
            measure(w, ts, s, i, side, 1.0 if wanted > 0.0 else confidence_at(w, s, i), wanted, used)
            facts_at(world.facts, s).refusal = LEG_REFUSED
