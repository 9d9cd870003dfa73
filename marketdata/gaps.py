"""Which bars should exist, and do not. Compares stored bars with the exchange's sessions; NumPy only.

A bar is expected in every step of a timeframe between a session's open and its close (one a session for daily bars,
every step for round-the-clock markets), from the session of the first bar to that of the last. Nights, weekends and
holidays are not gaps. Bars outside the regular session (pre- and post-market) are counted apart; they fill no gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marketdata.columns import DAY, TIMEFRAME_NS
from marketdata.zones import ALWAYS_OPEN


@dataclass(frozen=True, slots=True)
class Sessions:
    """Exchange sessions in order: trading day (days since 1970-01-01), open and close (ns UTC)."""

    day: NDArray[np.int32]
    open_ns: NDArray[np.int64]
    close_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True, slots=True)
class Gap:
    """`missing` bars in a row, none of them there: the first and last expected start (ns UTC)."""

    first_ns: int
    last_ns: int
    missing: int


@dataclass(frozen=True, slots=True)
class GapReport:
    """expected = present + missing (bars inside regular sessions); `outside`: bars outside of them.

    `gaps`: every run of missing bars, in time order. `session_bars`: trading day → (present, expected).
    """

    expected: int
    present: int
    outside: int
    gaps: list[Gap]
    session_bars: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        return self.expected - self.present

    @property
    def complete_ratio(self) -> float:
        return self.present / self.expected if self.expected else 0.0


def gap_report(ts: NDArray[np.int64], timeframe: str, calendar: str, sessions: Sessions | None) -> GapReport:
    """Gaps of a series. `ts`: bar starts, ns UTC, ascending. `sessions`: those of `calendar`; None for 24/7.

    Raises ValueError when `sessions` does not reach from the first bar to the last.
    """
    if not len(ts):
        return GapReport(0, 0, 0, [])
    step = TIMEFRAME_NS[timeframe]
    if calendar == ALWAYS_OPEN:
        return _continuous(ts, step)
    if sessions is None or not len(sessions):
        raise ValueError(f"no sessions of {calendar} are loaded")
    return _daily(ts, sessions) if timeframe == "1d" else _intraday(ts, step, sessions)


def _continuous(ts: NDArray[np.int64], step: int) -> GapReport:
    slot = _distinct((ts - ts[0]) // step)
    expected = int(slot[-1]) + 1
    gaps = _runs(slot, expected, lambda i: int(ts[0]) + i * step)
    whole = DAY // step
    bars = {}
    if whole > 1:
        day = ts // DAY
        first = np.flatnonzero(np.concatenate([[True], np.diff(day) > 0]))
        counts = np.diff(np.concatenate([first, [len(day)]]))
        bars = {int(d): (int(n), whole) for d, n in zip(day[first], counts, strict=True)}
    return GapReport(expected, len(slot), 0, gaps, bars)


def _daily(ts: NDArray[np.int64], sessions: Sessions) -> GapReport:
    days = np.floor_divide(ts, DAY)
    if days[0] < sessions.day[0] or days[-1] > sessions.day[-1]:
        raise ValueError("the calendar's sessions do not reach over all bars")
    inside = sessions.day[(sessions.day >= days[0]) & (sessions.day <= days[-1])].astype(np.int64)
    index = np.searchsorted(inside, days)
    hit = (index < len(inside)) & (inside[np.minimum(index, len(inside) - 1)] == days)
    gaps = _runs(_distinct(index[hit]), len(inside), lambda i: int(inside[i]) * DAY)
    return GapReport(len(inside), int(hit.sum()), int((~hit).sum()), gaps)


def _intraday(ts: NDArray[np.int64], step: int, sessions: Sessions) -> GapReport:
    if ts[0] < sessions.open_ns[0] - DAY or ts[-1] > sessions.close_ns[-1] + DAY:
        raise ValueError("the calendar's sessions do not reach over all bars")
    # The session that a bar belongs to: the last one that opened at or before it, if that has not closed yet.
    at = np.searchsorted(sessions.open_ns, ts, side="right") - 1
    clipped = np.maximum(at, 0)
    regular = (at >= 0) & (ts < sessions.close_ns[clipped])
    if not regular.any():
        return GapReport(0, 0, len(ts), [])
    first, last = int(at[regular][0]), int(at[regular][-1])
    opens, closes = sessions.open_ns[first : last + 1], sessions.close_ns[first : last + 1]
    slots = -(-(closes - opens) // step)
    offset = np.concatenate([[0], np.cumsum(slots)])
    session = at[regular] - first
    slot = _distinct(offset[session] + (ts[regular] - opens[session]) // step)

    def start_of(i: int) -> int:
        s = int(np.searchsorted(offset, i, side="right")) - 1
        return int(opens[s]) + (i - int(offset[s])) * step

    expected = int(offset[-1])
    gaps = _runs(slot, expected, start_of)
    present = np.bincount(np.searchsorted(offset, slot, side="right") - 1, minlength=len(opens))
    bars = {int(sessions.day[first + i]): (int(present[i]), int(slots[i])) for i in range(len(opens))}
    return GapReport(expected, len(slot), int((~regular).sum()), gaps, bars)


def _distinct(ascending: NDArray[np.int64]) -> NDArray[np.int64]:
    return ascending[np.concatenate([[True], np.diff(ascending) > 0])] if len(ascending) else ascending


def _runs(present: NDArray[np.int64], total: int, start_of: Callable[[int], int]) -> list[Gap]:
    """Runs of 0, 1, … total-1 that are not in `present` (sorted, unique); `start_of(i)` is the moment of number i."""
    edges = np.concatenate([[-1], present, [total]])
    holes = np.flatnonzero(np.diff(edges) > 1)
    return [
        Gap(start_of(int(edges[i]) + 1), start_of(int(edges[i + 1]) - 1), int(edges[i + 1] - edges[i]) - 1)
        for i in holes
    ]
