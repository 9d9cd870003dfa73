"""News as series beside bars: for each bar, the mean score and the number of items of the days before it closed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from marketdata.columns import DAY
from marketdata.news.names import ANY, Window, window_of

if TYPE_CHECKING:
    from engine import Bars

SCALE = 10_000
"""Scores are kept to four decimals, so that sums of them are sums of whole numbers: exact, in any order."""


@dataclass(frozen=True, slots=True)
class Known:
    """The news of one symbol. known_ns: int64, when each item was known, rising. scores: int64, in 1 / SCALE.
    sources: of each item."""

    known_ns: NDArray[np.int64]
    scores: NDArray[np.int64]
    sources: NDArray[np.str_]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, float, str]]) -> Known:
        """rows: (known ns, score -1..1, source), in any order."""
        table = sorted(rows)
        return cls(
            np.array([row[0] for row in table], np.int64),
            np.array([round(row[1] * SCALE) for row in table], np.int64),
            np.array([row[2] for row in table], np.str_),
        )


def attach(bars: Bars, news: Known, names: Iterable[str]) -> Bars:
    """The bars with those of the named series that are series of news; `bars` themselves where none is."""
    from engine.resample import close_times

    windows = {window for name in names if (window := window_of(name)) is not None}
    if not windows:
        return bars
    closes = close_times(bars)
    made: dict[str, NDArray[np.float64]] = {}
    for window in sorted(windows):
        made |= _series(closes, news, window)
    return bars.with_extras(made)


def fingerprint(bars: Mapping[str, Bars]) -> str:
    """SHA-256 (hex) over every value of every series beside the bars; "" where there is none."""
    if not any(series.extras for series in bars.values()):
        return ""
    digest = hashlib.sha256()
    for symbol in sorted(bars):
        for name, values in sorted(bars[symbol].extras.items()):
            digest.update(f"{symbol} {name} {len(values)}".encode())
            digest.update(np.ascontiguousarray(values, dtype="<f8"))
    return digest.hexdigest()


def _series(closes: NDArray[np.int64], news: Known, window: Window) -> dict[str, NDArray[np.float64]]:
    """An item counts in every bar that closes at the moment it was known, or less than `days` later."""
    chosen = np.ones(len(news.known_ns), bool) if window.source == ANY else news.sources == window.source
    known = news.known_ns[chosen]
    summed = np.concatenate(([0], np.cumsum(news.scores[chosen])))
    last = np.searchsorted(known, closes, side="right")
    first = np.searchsorted(known, closes - window.days * DAY, side="right")
    count = (last - first).astype(np.float64)
    mean = np.full(len(closes), np.nan)
    np.divide(summed[last] - summed[first], count * SCALE, out=mean, where=count > 0)
    return {window.score: mean, window.count: count}
