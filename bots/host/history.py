"""The bars that a session's strategy reads: those before its first decision, and each one it has traded on.

They start at one fixed bar for the whole life of a session, also after a restart: an average that is summed from
another bar on differs in its last bits, and a crossing may come a bar earlier or later.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bots.host.splits import divide
from engine import Bars
from engine.bars import COLUMNS
from marketdata.columns import BarColumns

_FIRST_CAPACITY = 1024
Prices = tuple[float, float, float, float, float]  # open, high, low, close, volume


class History:
    """One symbol's closed decision bars, growing. `like`: Bars whose timeframe, calendar and lot size they share."""

    def __init__(self, like: Bars) -> None:
        self._like = like[0:0]
        self._n = 0
        self._ts: NDArray[np.int64] = np.empty(_FIRST_CAPACITY, np.int64)
        self._columns: NDArray[np.float64] = np.empty((len(COLUMNS), _FIRST_CAPACITY))

    def __len__(self) -> int:
        return self._n

    @property
    def last_ts(self) -> int | None:
        """Start of the newest bar, ns UTC."""
        return int(self._ts[self._n - 1]) if self._n else None

    def extend(self, bars: BarColumns) -> None:
        """Add checked bars that follow the newest one."""
        self._make_room(self._n + len(bars))
        rows = slice(self._n, self._n + len(bars))
        self._ts[rows] = bars.ts
        for column, values in zip(self._columns, bars.arrays(), strict=True):
            column[rows] = values
        self._n += len(bars)

    def append(self, ts: int, prices: Prices) -> None:
        """Add one bar, which its feed has checked. A bar that is there already is left as it is."""
        if self._n and ts <= self._ts[self._n - 1]:
            return
        self._make_room(self._n + 1)
        self._ts[self._n] = ts
        self._columns[:, self._n] = prices
        self._n += 1

    def take_back(self, ts: int) -> None:
        """Forget the newest bar, if it is the one that starts at `ts`."""
        if self._n and self._ts[self._n - 1] == ts:
            self._n -= 1

    def split(self, ratio: float) -> None:
        """`ratio` new units for each old one: all bars so far are as if they had been traded in new units."""
        divide(self._columns[:, : self._n], ratio)

    def bars(self) -> Bars:
        """All bars so far; shares memory, and is not checked again."""
        part = self._like[0:0]
        part.ts = self._ts[: self._n]
        for name, column in zip(COLUMNS, self._columns, strict=True):
            setattr(part, name, column[: self._n])
        return part

    def _make_room(self, needed: int) -> None:
        if needed <= len(self._ts):
            return
        size = max(needed, 2 * len(self._ts))
        ts, columns = np.empty(size, np.int64), np.empty((len(COLUMNS), size))
        ts[: self._n], columns[:, : self._n] = self._ts[: self._n], self._columns[:, : self._n]
        self._ts, self._columns = ts, columns


def pack(warmup: Mapping[str, BarColumns]) -> bytes:
    """The warm-up bars of a session as one file of arrays."""
    arrays = {}
    for symbol, bars in warmup.items():
        arrays[f"{symbol}:ts"] = bars.ts
        arrays[f"{symbol}:prices"] = np.stack(bars.arrays()) if len(bars) else np.empty((len(COLUMNS), 0))
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()


def unpack(data: bytes) -> dict[str, BarColumns]:
    """What `pack` was given."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        symbols = [name.removesuffix(":ts") for name in stored.files if name.endswith(":ts")]
        return {symbol: BarColumns(stored[f"{symbol}:ts"], *stored[f"{symbol}:prices"]) for symbol in symbols}
