"""A series of bars as six NumPy arrays: what the store keeps, providers give and file readers make.

Lighter than `engine.Bars` (no symbol, no calendar), and safe in a web process: it imports NumPy only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.types import NANOS_PER_DAY as DAY
from engine.types import TIMEFRAMES as TIMEFRAME_NS

__all__ = ["DAY", "FIELDS", "SECOND", "TIMEFRAME_NS", "BarColumns"]

FIELDS = ("open", "high", "low", "close", "volume")
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BarColumns:
    """`ts`: int64 ns UTC, start of each bar, strictly increasing. The others: float64 of the same length.

    Daily bars start at 00:00 UTC of their trading day.
    """

    ts: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    @classmethod
    def empty(cls) -> BarColumns:
        return cls(np.empty(0, np.int64), *(np.empty(0, np.float64) for _ in FIELDS))

    @classmethod
    def concat(cls, parts: Iterable[BarColumns]) -> BarColumns:
        """Parts that follow each other in time, as one."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("ts", *FIELDS)))

    def __len__(self) -> int:
        return len(self.ts)

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """open, high, low, close, volume."""
        return self.open, self.high, self.low, self.close, self.volume

    def take(self, index: slice | NDArray[np.intp] | NDArray[np.bool_]) -> BarColumns:
        return BarColumns(self.ts[index], *(a[index] for a in self.arrays()))

    def between(self, start_ns: int, end_ns: int) -> BarColumns:
        """Bars that start in [start_ns, end_ns)."""
        lo, hi = np.searchsorted(self.ts, [start_ns, end_ns])
        return self.take(slice(int(lo), int(hi)))

    def merged_with(self, newer: BarColumns) -> BarColumns:
        """Both together; where both have a bar at one time, `newer` wins."""
        if not len(self):
            return newer
        if not len(newer):
            return self
        kept = self.take(~np.isin(self.ts, newer.ts, assume_unique=True))
        both = BarColumns.concat([kept, newer])
        return both.take(np.argsort(both.ts, kind="stable"))

    def years(self) -> dict[int, BarColumns]:
        """Split by UTC calendar year of the bar's start."""
        year = self.ts.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
        names, first = np.unique(year, return_index=True)
        bounds = [*first.tolist(), len(self)]
        return {int(y): self.take(slice(bounds[i], bounds[i + 1])) for i, y in enumerate(names)}

    def content_hash(self) -> str:
        """SHA-256 (hex) of every value; the same on every machine, different when any bit differs."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.ts, dtype="<i8"))
        for array in self.arrays():
            digest.update(np.ascontiguousarray(array, dtype="<f8"))
        return digest.hexdigest()
