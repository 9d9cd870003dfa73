"""Exchange time: the trading day and the session of each bar, for any exchange calendar or a market that never closes.

Calendar names are those of exchange_calendars (``XNYS``, ``XLON``, ``CMES`` …) and ``24/7``. That library (and the
pandas below it) is imported only when bars shorter than a day meet an exchange that closes; daily bars and ``24/7``
never need it.

Times are int64 nanoseconds UTC, days are int32 counts since 1970-01-01. A trading day runs from the midnight, in the
exchange's zone, of the session's date (or from the session's open, if that is earlier: futures open on the evening
before) to the start of the next one. So pre-market and post-market bars belong to the day on whose date they fall, and
a bar on a weekend or a holiday belongs to the session before it.

A library of calendars knows what was announced when it was made. What an exchange announces after that (an early close
tomorrow, a day of mourning) is told by `announce`, for the whole process, and holds from the next look on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from engine.errors import Fault, InputError
from engine.types import NANOS_PER_DAY, TIMEFRAMES, Flags, Ints

Int32 = npt.NDArray[np.int32]

Announced = Mapping[int, tuple[int, int] | None]
"""Days since 1970-01-01 → (open, close) in ns UTC of the regular session then; None: the exchange stays closed."""

ROUND_THE_CLOCK = "24/7"
SECOND_NS = 1_000_000_000
_YEAR_MARGIN_NS = 31 * NANOS_PER_DAY  # sessions are loaded a month beyond the bars, so that each bar has a next session


@dataclass(frozen=True, slots=True)
class Sessions:
    """Consecutive sessions of one exchange: parallel read-only arrays, sorted.

    day: int32, the session's date as days since 1970-01-01.
    starts: int64 ns, the first instant of the trading day (see the module's text).
    opens, closes: int64 ns, the regular session [open, close); half days close early.
    zone: the exchange's IANA time zone.
    """

    day: Int32
    starts: Ints
    opens: Ints
    closes: Ints
    zone: str

    def index(self, ts: Ints) -> Ints:
        """The row of the trading day in which each instant falls; instants before the first row count to it."""
        return np.maximum(np.searchsorted(self.starts, ts, side="right") - 1, 0)


def timeframe_ns(timeframe: str) -> int:
    """Nanoseconds of one bar. Raises InputError (unknown_choice) for a timeframe that does not exist."""
    try:
        return TIMEFRAMES[timeframe]
    except (KeyError, TypeError):
        raise InputError(
            Fault("timeframe", "unknown_choice", f"{timeframe!r} is no timeframe", f"one of {', '.join(TIMEFRAMES)}")
        ) from None


def periods_per_year(calendar: str) -> int:
    """Trading days a year, for annualising: 365 for a market that never closes, else 252."""
    return 365 if calendar == ROUND_THE_CLOCK else 252


def zone(calendar: str) -> str:
    """The IANA time zone in which the exchange states its hours (``24/7``: UTC)."""
    return _ZONES.get(calendar) or _zone(calendar)


def sessions(calendar: str, first_ns: int, last_ns: int) -> Sessions:
    """The exchange's sessions over whole years that contain [first_ns, last_ns]; cached.

    Raises InputError: unknown_choice for a calendar that does not exist, out_of_range for years it does not know.
    """
    return _sessions(calendar, _year(first_ns - _YEAR_MARGIN_NS), _year(last_ns + _YEAR_MARGIN_NS))


def announce(calendar: str, days: Announced) -> None:
    """Let these sessions stand over those that the library has; what was announced for the calendar before is gone.

    Raises InputError (out_of_range) for a session that closes before it opens.
    """
    global _edition
    for day, hours in sorted(days.items()):
        if hours is not None and not hours[0] < hours[1] <= hours[0] + NANOS_PER_DAY:
            raise InputError(
                Fault("days", "out_of_range", f"the session of day {day} must open, then close within 24 h")
            )
    if days != _announced.get(calendar, {}):
        _announced[calendar] = dict(days)
        _edition += 1
        _sessions.cache_clear()


def edition() -> int:
    """Another number after each announcement: whoever remembers a session compares it."""
    return _edition


def trading_days(ts: Ints, timeframe: str, calendar: str) -> Int32:
    """The trading day of each bar, from its ts_open. Shape (n,) → (n,).

    Daily bars are labelled by their date: midnight UTC, or an instant of that date in the exchange's zone.
    """
    if calendar == ROUND_THE_CLOCK:
        return (ts // NANOS_PER_DAY).astype(np.int32)
    if timeframe == "1d":
        at_midnight = bool(np.all(ts % NANOS_PER_DAY == 0))
        return ((ts if at_midnight else local_ns(ts, zone(calendar))) // NANOS_PER_DAY).astype(np.int32)
    if len(ts) == 0:
        return np.empty(0, dtype=np.int32)
    table = sessions(calendar, int(ts[0]), int(ts[-1]))
    return table.day[table.index(ts)]


def session_bounds(ts: Ints, timeframe: str, calendar: str) -> tuple[Ints, Ints]:
    """Open and close of the regular session of each bar's trading day, int64 ns. `ts` is sorted, shape (n,) → two (n,).

    A daily bar and a UTC day of a ``24/7`` market are their own session: [ts, ts + 1 day) and [midnight, midnight).
    """
    if calendar == ROUND_THE_CLOCK:
        opens = ts // NANOS_PER_DAY * NANOS_PER_DAY
        return opens, opens + NANOS_PER_DAY
    if timeframe == "1d" or len(ts) == 0:
        return ts.astype(np.int64, copy=True), ts + NANOS_PER_DAY
    table = sessions(calendar, int(ts[0]), int(ts[-1]))
    row = table.index(ts)
    return table.opens[row], table.closes[row]


def session_flags(ts: Ints, timeframe: str, calendar: str) -> tuple[Flags, Flags, Flags]:
    """Three bool arrays of shape (n,): bar opens inside the regular session; is the day's first such bar; is its last.

    "First" is the first bar that exists (known when it opens). "Last" is the bar that ends at or after the session's
    close: the calendar says so while the bar is open. Where that bar is missing, no bar of the day is the last one,
    because only the future could tell.
    """
    opens, closes = session_bounds(ts, timeframe, calendar)
    regular = (ts >= opens) & (ts < closes)
    rank = np.cumsum(regular)  # 1 at the first regular bar of all, 2 at the next …
    day = trading_days(ts, timeframe, calendar)
    new_day = np.concatenate(([True], day[1:] != day[:-1])) if len(day) else np.empty(0, dtype=np.bool_)
    before = np.maximum.accumulate(np.where(new_day, rank - regular, 0)) if len(day) else rank
    first = regular & (rank == before + 1)
    return regular, first, regular & (ts + timeframe_ns(timeframe) >= closes)


def local_ns(ts: Ints, zone_name: str) -> Ints:
    """Wall-clock time in a zone, as ns since 1970-01-01 00:00 of that wall clock; exact over every DST change."""
    if len(ts) == 0 or zone_name == "UTC":
        return ts.astype(np.int64, copy=True)
    changes, offsets = _offsets(
        zone_name, _year(int(np.min(ts)) - NANOS_PER_DAY), _year(int(np.max(ts)) + NANOS_PER_DAY)
    )
    return ts + offsets[np.searchsorted(changes, ts, side="right") - 1]


# Zones of calendars that people use with daily bars, so that those need no calendar library.
_ZONES = {
    ROUND_THE_CLOCK: "UTC",
    "24/5": "UTC",
    "XNYS": "America/New_York",
    "XNAS": "America/New_York",
    "NYSE": "America/New_York",
    "NASDAQ": "America/New_York",
}


_announced: dict[str, Announced] = {}
_edition = 0


def _year(ns: int) -> int:
    return int(np.datetime64(ns, "ns").astype("datetime64[Y]").astype(np.int64)) + 1970


def _year_start(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND_NS


@lru_cache(maxsize=64)
def _offsets(zone_name: str, first_year: int, last_year: int) -> tuple[Ints, Ints]:
    """Instants (ns, the first is the range's start) from which a UTC offset (ns) holds: found by bisection per day."""
    zone_info = ZoneInfo(zone_name)

    def offset(second: int) -> int:
        wall_clock = datetime.fromtimestamp(second, tz=zone_info).replace(tzinfo=UTC)
        return int(wall_clock.timestamp()) - second

    begin, end = _year_start(first_year) // SECOND_NS, _year_start(last_year + 1) // SECOND_NS
    changes, offsets = [begin], [offset(begin)]
    for day in range(begin, end, 86_400):
        if offset(day + 86_400) == offsets[-1]:
            continue
        low, high = day, day + 86_400  # the old offset holds at low, the new one at high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        changes.append(high)
        offsets.append(offset(high))
    return np.array(changes, dtype=np.int64) * SECOND_NS, np.array(offsets, dtype=np.int64) * SECOND_NS


def _load(calendar: str, start: Any, end: Any) -> Any:
    """The library's calendar object, over a narrow range, because a full one takes a second to build."""
    import exchange_calendars

    try:
        return exchange_calendars.get_calendar(calendar, start=start, end=end)
    except (exchange_calendars.errors.InvalidCalendarName, TypeError, AttributeError):
        raise InputError(
            Fault("calendar", "unknown_choice", f"{calendar!r} is no exchange calendar", "XNYS, XLON, CMES … or 24/7")
        ) from None


def _load_years(calendar: str, first_year: int, last_year: int) -> Any:
    """As `_load`, cut to the years that the library knows for this exchange."""
    import pandas as pd

    start, end = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    try:
        return _load(calendar, start, end)
    except InputError:
        raise
    except ValueError:  # the range reaches beyond the exchange's recorded holidays
        known = _load(calendar, "2024-01-01", "2024-12-31")
        start, end = max(start, known.bound_min() or start), min(end, known.bound_max() or end)
        if start >= end:
            raise InputError(
                Fault("ts", "out_of_range", f"calendar {calendar} knows no sessions in {first_year}–{last_year}")
            ) from None
        return _load(calendar, start, end)


@lru_cache(maxsize=64)
def _zone(calendar: str) -> str:
    return str(_load(calendar, "2024-01-01", "2024-12-31").tz)


@lru_cache(maxsize=32)
def _sessions(calendar: str, first_year: int, last_year: int) -> Sessions:
    if calendar == ROUND_THE_CLOCK:
        opens = np.arange(_year_start(first_year), _year_start(last_year + 1), NANOS_PER_DAY, dtype=np.int64)
        return _frozen((opens // NANOS_PER_DAY).astype(np.int32), opens, opens, opens + NANOS_PER_DAY, "UTC")
    loaded = _load_years(calendar, first_year, last_year)
    day = loaded.sessions.as_unit("ns").asi8 // NANOS_PER_DAY
    opens = loaded.opens.astype("datetime64[ns, UTC]").array.asi8.copy()
    closes = loaded.closes.astype("datetime64[ns, UTC]").array.asi8.copy()
    day, opens, closes = _with_announced(calendar, day, opens, closes)
    midnights = _utc_of_local_midnight(day, str(loaded.tz))
    starts = np.minimum(midnights, opens)
    starts[1:] = np.maximum(starts[1:], closes[:-1])
    return _frozen(day.astype(np.int32), starts, opens, closes, str(loaded.tz))


def _with_announced(calendar: str, day: Ints, opens: Ints, closes: Ints) -> tuple[Ints, Ints, Ints]:
    """The library's sessions with those of `announce` in their places, between the first and the last of them."""
    told = {d: hours for d, hours in _announced.get(calendar, {}).items() if day[0] <= d <= day[-1]}
    if not told:
        return day, opens, closes
    kept = ~np.isin(day, list(told))
    new = sorted((d, *hours) for d, hours in told.items() if hours is not None)
    rows = np.concatenate(
        [np.stack((day[kept], opens[kept], closes[kept]), axis=1), np.array(new, dtype=np.int64).reshape(-1, 3)]
    )
    rows = rows[np.argsort(rows[:, 0])]
    return rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy()


def _utc_of_local_midnight(day: Ints, zone_name: str) -> Ints:
    zone_info, epoch = ZoneInfo(zone_name), datetime(1970, 1, 1).toordinal()
    seconds = [datetime.fromordinal(epoch + int(d)).replace(tzinfo=zone_info).timestamp() for d in day]
    return np.array(seconds, dtype=np.int64) * SECOND_NS


def _frozen(day: Int32, starts: Ints, opens: Ints, closes: Ints, zone_name: str) -> Sessions:
    for array in (day, starts, opens, closes):
        array.flags.writeable = False
    return Sessions(day, starts, opens, closes, zone_name)
