"""Returns for tests of allocations: one factor and a part of each symbol's own, with a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.allocation import Problem

Array = NDArray[np.float64]
NAMES = ("A", "B", "C", "D", "E", "F")


def returns(rows: int = 400, n: int = 6, seed: int = 1) -> Array:
    """Daily returns, shape (rows, n), with different volatilities and means above 0."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 1, (rows, n)) * np.linspace(0.006, 0.016, n)
    factor = rng.normal(0, 0.006, rows)[:, None] * np.linspace(0.6, 1.4, n)
    return np.linspace(0.0012, 0.0006, n) + own + factor


def problem(rows: int = 400, n: int = 6, seed: int = 1, **fields: object) -> Problem:
    return Problem(NAMES[:n], returns(rows, n, seed), **fields)  # type: ignore[arg-type]
