"""Which bar an instant belongs to: `engine.resample`'s rules for one instant at a time, quick enough for ticks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import NamedTuple

from engine import exchange
from engine.exchange import ROUND_THE_CLOCK
from engine.types import NANOS_PER_DAY, TIMEFRAMES

_FOR_EVER = 1 << 62


class Span(NamedTuple):
    """A bar's place in time, ns UTC. ts_open: its label. ts_close: when it is known. Instants in [first, last) belong
    to it (a day of an exchange begins at midnight UTC by its label, at the session's open by its trades)."""

    ts_open: int
    ts_close: int
    first: int
    last: int


class _Day(NamedTuple):
    """One trading day: [starts, ends), its regular session [opens, closes), its date as days since 1970-01-01."""

    starts: int
    ends: int
    opens: int
    closes: int
    number: int


class Spans:
    """Bars of one exchange calendar. Raises InputError for a calendar that does not exist."""

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        self._always = calendar == ROUND_THE_CLOCK
        self._day, self._edition = _Day(0, 0, 0, 0, 0), exchange.edition()
        if not self._always:
            exchange.zone(calendar)

    def span(self, ts: int, timeframe: str) -> Span | None:
        """The bar that holds instant `ts`, or None where there is none: a day holds the regular session only."""
        length = TIMEFRAMES[timeframe]
        if self._always:
            start = ts - ts % length
            return Span(start, start + length, start, start + length)
        day = self._at(ts)
        if timeframe == "1d":
            if not day.opens <= ts < day.closes:
                return None
            return Span(day.number * NANOS_PER_DAY, day.closes, day.opens, day.closes)
        anchor = day.closes if ts >= day.closes else day.opens
        start = ts - (ts - anchor) % length
        end = start + length
        if start < day.closes:
            end = min(end, day.closes)
        return Span(start, end, max(start, day.starts), min(end, day.ends))

    def place(self, ts_open: int, timeframe: str) -> Span:
        """Where the bar that is labelled `ts_open` lies; it closes as `engine.resample.close_times` says."""
        if self._always or timeframe != "1d":
            span = self.span(ts_open, timeframe)
            if span is not None and span.ts_open == ts_open:
                return span
            end = ts_open + TIMEFRAMES[timeframe]
            return Span(ts_open, end, ts_open, end)
        number = ts_open // NANOS_PER_DAY
        table = exchange.sessions(self.calendar, ts_open, ts_open)
        row = bisect_left(table.day, number)
        if row == len(table.day) or int(table.day[row]) != number:  # no session: taken as its UTC day
            return Span(ts_open, ts_open + NANOS_PER_DAY, ts_open, ts_open + NANOS_PER_DAY)
        opens, closes = int(table.opens[row]), int(table.closes[row])
        return Span(ts_open, closes, opens, closes)

    def is_open(self, ts: int) -> bool:
        """Whether the regular session is on at `ts`: the open belongs to it, the close does not."""
        if self._always:
            return True
        day = self._at(ts)
        return day.opens <= ts < day.closes

    def _at(self, ts: int) -> _Day:
        """The trading day that holds `ts`, remembered until another one is asked for, or hours have changed."""
        day, edition = self._day, exchange.edition()
        if self._edition != edition or not day.starts <= ts < day.ends:
            day = self._day = _day_of(self.calendar, ts)
            self._edition = edition
        return day


@lru_cache(maxsize=256)
def spans_of(calendar: str) -> Spans:
    """One shared object per calendar: what it remembers is the same for everybody."""
    return Spans(calendar)


def is_open(calendar: str, ts: int) -> bool:
    """Whether `calendar`'s regular session is on at `ts` (ns UTC)."""
    return spans_of(calendar).is_open(ts)


def _day_of(calendar: str, ts: int) -> _Day:
    table = exchange.sessions(calendar, ts, ts)
    row = max(bisect_right(table.starts, ts) - 1, 0)
    starts = min(int(table.starts[row]), ts)  # instants before the first row count to it
    ends = int(table.starts[row + 1]) if row + 1 < len(table.starts) else _FOR_EVER
    return _Day(starts, ends, int(table.opens[row]), int(table.closes[row]), int(table.day[row]))
