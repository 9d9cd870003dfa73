"""Entries that compete for slots and cash in one step: the ranked list of candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.clock import bar_of
from engine.memory import feed_at, float_at, int32_at, kernel, set_float, set_int32, world_at


@kernel
def column_at(address: Any, i: Any) -> Any:
    """A number of an optional column; NaN where the column does not exist."""
    return np.nan if address == 0 else float_at(address, i)


@kernel
def confidence_at(w: Any, s: Any, i: Any) -> Any:
    """The confidence of a signal; 1 where it states none."""
    confidence = column_at(feed_at(world_at(w, 0).feed, s).confidence, i)
    return 1.0 if np.isnan(confidence) else confidence


@kernel
def rank_of(w: Any, t: Any, s: Any) -> Any:
    """By what a candidate is ranked: its signal's confidence; 1 for what a rebalance wants."""
    if float_at(world_at(w, 0).wanted, s) > 0.0:
        return 1.0
    return confidence_at(w, s, bar_of(w, t, s))


@kernel
def add_candidate(w: Any, t: Any, s: Any, side: Any, wanted: Any, count: Any) -> None:
    """Insert s into the ranked list, by confidence (highest first), then name; the caller counts."""
    world = world_at(w, 0)
    set_int32(world.sides, s, side)
    set_float(world.wanted, s, wanted)
    rank = rank_of(w, t, s)
    place = count
    while place > 0:
        before = int32_at(world.ranked, place - 1)
        other = rank_of(w, t, before)
        if other > rank or (other == rank and before < s):
            break
        set_int32(world.ranked, place, before)
        place -= 1
    set_int32(world.ranked, place, s)
