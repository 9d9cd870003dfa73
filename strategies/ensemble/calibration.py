"""Confidence read off what became of earlier signals: how often were signals of this confidence right?

A signal at bar j is right when the close `horizon` bars later lies on its side. At bar i only signals are counted
whose outcome is known by then (j + horizon ≤ i) and became known within the last `window` bars, so that the answer
depends on a stated stretch of history. Counts are whole numbers: computing on fewer bars gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies.base import BUY, SELL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 5


@dataclass(frozen=True, slots=True)
class Calibrated:
    """confidence: after calibration, one a bar. seen: outcomes it rests on; 0: too few, the confidence is as voted.
    whole: True where signals of every confidence were taken together, because those like this one were too few."""

    confidence: Floats
    seen: Ints
    whole: NDArray[np.bool_]


def calibrate(
    raw: Floats, entries: NDArray[np.int8], close: Floats, *, horizon: int, window: int, floor: int
) -> Calibrated:
    """The confidence of each bar, calibrated.

    raw: as voted, 0..1. entries: BUY and SELL where one fired, else 0. horizon, window: in bars. floor: outcomes that a
    rate needs: of the same fifth of the confidence if there are as many, else of all, else nothing is changed.
    """
    n = len(raw)
    kind = np.minimum((raw * BINS).astype(np.int64), BINS - 1)
    late = np.arange(horizon, n) if n > horizon else np.empty(0, np.int64)
    past = late - horizon
    moved = np.sign(close[late] - close[past])
    decided = (entries[past] == BUY) | (entries[past] == SELL)
    right = decided & (moved == entries[past])
    seen, hits = np.zeros((BINS + 1, n), np.int64), np.zeros((BINS + 1, n), np.int64)
    for number in range(BINS + 1):
        # The last row counts all of them.
        like = decided if number == BINS else decided & (kind[past] == number)
        seen[number], hits[number] = _recent(like, late, n, window), _recent(like & right, late, n, window)
    row = np.arange(n)
    same = seen[kind, row] >= floor
    used = np.where(same, kind, BINS)
    count = seen[used, row]
    enough = count >= floor
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = hits[used, row] / count
    return Calibrated(np.where(enough, rate, raw), np.where(enough, count, 0), enough & ~same)


def _recent(events: NDArray[np.bool_], at: Ints, n: int, window: int) -> Ints:
    """How many of the events lie in the last `window` bars up to each bar."""
    total = np.zeros(n + 1, np.int64)
    total[at + 1] = events
    total = np.cumsum(total)
    row = np.arange(1, n + 1)
    return total[row] - total[np.maximum(row - window, 0)]
