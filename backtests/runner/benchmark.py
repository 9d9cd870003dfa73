"""What simply holding would have brought: the line that every result is drawn beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.types import DAILY, NANOS_PER_DAY

if TYPE_CHECKING:
    from engine import Bars


def held(bars: Mapping[str, Bars], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Value of 1.0 put into the symbols in equal parts and held, at the closes of the bars that start at `at`.

    Each part is bought at the first close of its symbol (money until then) and never rebalanced; no costs. A symbol
    without a bar at some time keeps its last close. at: int64 ns UTC, ascending. Shape (len(at),).
    """
    total = np.zeros(len(at))
    for series in bars.values():
        row = np.searchsorted(series.ts, at, side="right") - 1
        total += np.where(row >= 0, series.close[np.maximum(row, 0)] / series.close[0], 1.0)
    return total / len(bars)


def daily(at: NDArray[np.int64], values: NDArray[np.float64]) -> np.ndarray:
    """The last value of each UTC date, as `engine.types.DAILY` records, what `engine.metrics.compute` compares with."""
    dates = at // NANOS_PER_DAY
    last = np.flatnonzero(np.append(dates[1:] != dates[:-1], True)) if len(at) else np.empty(0, np.int64)
    records = np.zeros(len(last), dtype=DAILY)
    records["date"], records["equity"] = dates[last], values[last]
    return records
