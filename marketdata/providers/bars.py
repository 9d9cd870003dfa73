"""From a provider's rows to raw bars: in order, once each, in regular hours, possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from marketdata.columns import DAY, BarColumns
from marketdata.gaps import Sessions
from marketdata.providers.base import ProviderError
from marketdata.quality import check_bars
from marketdata.zones import calendar_zone, from_ns

SessionsOf = Callable[[str, date, date], Sessions]
STOCKS = "XNYS"


def of_rows(provider: str, rows: Sequence[tuple[int, float, float, float, float, float]]) -> BarColumns:
    """Bars of (ts, open, high, low, close, volume), ts in ns UTC. Where a start comes twice the later row counts, as a
    correction does. Raises ProviderError for a bar that cannot be."""
    if not rows:
        return BarColumns.empty()
    table = np.array([row[1:] for row in rows], np.float64)
    starts = np.array([row[0] for row in rows], np.int64)
    ts, last = np.unique(starts[::-1], return_index=True)
    kept = table[len(rows) - 1 - last]
    bars = BarColumns(ts, *(np.ascontiguousarray(column) for column in kept.T))
    if faults := check_bars(bars, limit=1):
        raise ProviderError(
            f"{provider} sent an impossible bar: {faults[0].path}: {faults[0].message}", retryable=False
        )
    return bars


def in_regular_hours(bars: BarColumns, sessions_of: SessionsOf) -> BarColumns:
    """Without what was traded before the bell and after it, which other sources do not have."""
    if not len(bars):
        return bars
    first, last = from_ns(int(bars.ts[0])).date(), from_ns(int(bars.ts[-1])).date()
    sessions = sessions_of(STOCKS, first, last)
    at = np.searchsorted(sessions.open_ns, bars.ts, side="right") - 1
    inside = at >= 0
    inside[inside] = bars.ts[inside] < sessions.close_ns[at[inside]]
    return BarColumns(bars.ts[inside], *(column[inside] for column in bars.arrays()))


def days_of(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts of daily bars, at any hour of the exchange's day, as our labels: midnight UTC of that day's date."""
    zone = calendar_zone(STOCKS)
    epoch = date(1970, 1, 1).toordinal()
    days = [from_ns(int(start)).astimezone(zone).date().toordinal() - epoch for start in starts.tolist()]
    return np.array(days, np.int64) * DAY


def days_from_hours(hours: BarColumns) -> BarColumns:
    """UTC days of a market that never closes; the first and the last may be part of a day."""
    if not len(hours):
        return hours
    days = hours.ts // DAY * DAY
    starts = np.flatnonzero(np.concatenate([[True], np.diff(days) > 0]))
    ends = np.append(starts[1:], len(days)) - 1
    opened, high, low, close, volume = hours.arrays()
    return BarColumns(
        days[starts],
        opened[starts],
        np.maximum.reduceat(high, starts),
        np.minimum.reduceat(low, starts),
        close[ends],
        np.add.reduceat(volume, starts),
    )


def relabelled(bars: BarColumns, ts: NDArray[np.int64]) -> BarColumns:
    """The same bars with other starts."""
    return BarColumns(ts, *bars.arrays())
