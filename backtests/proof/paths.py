"""What else could have happened: the same trades in another order, the same days drawn again in blocks.

The block bootstrap is the stationary one of D. Politis, J. Romano, "The Stationary Bootstrap", Journal of the American
Statistical Association 89 (1994): blocks of random length, geometric with a given mean, wrapped round the end.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FAN_PCT: Final = (5, 25, 50, 75, 95)
FAN_POINTS: Final = 80
_BATCH: Final = 2_000_000  # values in memory at once


def drawdown_pct(growth: Floats) -> Floats:
    """The deepest fall from the highest value so far, in percent of it. growth: shape (paths, steps), from 1.0 on."""
    tops = np.maximum(np.maximum.accumulate(growth, axis=1), 1.0)
    return np.asarray((1.0 - growth / tops).max(axis=1) * 100.0)


def shuffled(returns: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """The deepest fall in percent of each of `draws` orders of the trades. returns: what each added, of equity."""
    batch = max(1, _BATCH // max(len(returns), 1))
    falls = []
    for start in range(0, draws, batch):
        rows = np.tile(returns, (min(batch, draws - start), 1))
        falls.append(drawdown_pct(np.cumprod(1.0 + rng.permuted(rows, axis=1), axis=1)))
    return np.concatenate(falls)


def block_places(n: int, block: float, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which of n places each step of each path takes; shape (draws, n). block: mean length of a block."""
    begins = rng.random((draws, n)) < 1.0 / block
    begins[:, 0] = True
    starts = rng.integers(0, n, (draws, n))
    steps = np.arange(n)
    began = np.maximum.accumulate(np.where(begins, steps, 0), axis=1)
    return (np.take_along_axis(starts, began, axis=1) + steps - began) % n


def bootstrapped(returns: Floats, draws: int, block: float, rng: np.random.Generator) -> dict[str, Any]:
    """Paths of the same returns drawn again in blocks.

    ``{"final": growth at the end of each path, "drawdown_pct": of each, "fan": {"at": [share of the way, 0..1],
    "bands": {percent: [growth]}}}``
    """
    n = len(returns)
    points = np.unique(np.linspace(0, n - 1, min(n, FAN_POINTS)).astype(int))
    batch = max(1, _BATCH // n)
    finals, falls, kept = [], [], []
    for start in range(0, draws, batch):
        places = block_places(n, block, min(batch, draws - start), rng)
        growth = np.cumprod(1.0 + returns[places], axis=1)
        finals.append(growth[:, -1])
        falls.append(drawdown_pct(growth))
        kept.append(growth[:, points])
    bands = np.percentile(np.concatenate(kept), FAN_PCT, axis=0)
    fan = {
        "at": [round(float(point + 1) / n, 4) for point in points],
        "bands": {str(pct): [round(float(x), 5) for x in band] for pct, band in zip(FAN_PCT, bands, strict=True)},
    }
    return {"final": np.concatenate(finals), "drawdown_pct": np.concatenate(falls), "fan": fan}
