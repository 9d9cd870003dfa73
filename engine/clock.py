"""Where a symbol stands in time: its bar of this step, that bar's session, how many decision bars have closed."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.memory import (
    feed_at,
    holding_at,
    int8_at,
    int32_at,
    kernel,
    settings_at,
    world_at,
)


@kernel
def bar_of(w: Any, t: Any, s: Any) -> Any:
    """The bar of s in step t, or -1."""
    world = world_at(w, 0)
    if settings_at(world.settings, 0).aligned == 1:
        return t
    return holding_at(world.holdings, s).at


@kernel
def session_bits(w: Any, s: Any, i: Any) -> Any:
    return int8_at(feed_at(world_at(w, 0).feed, s).flags, i)


@kernel
def closed_bars(w: Any, s: Any, i: Any) -> Any:
    """Decision bars of s that have closed when its bar i closes; 0 for i = -1."""
    feed = feed_at(world_at(w, 0).feed, s)
    if i < 0:
        return 0
    if feed.clock == 0:
        return i + 1
    return np.int64(int32_at(feed.clock, i))
