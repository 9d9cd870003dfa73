"""When new entries may be decided: a daily window in a time zone, on weekdays, within the exchange's sessions.

A decision is made at a bar's close t. It lies in the window when start < t <= end, so 09:30–16:00 admits exactly the
bars that lie between 09:30 and 16:00: the minute that opens at 09:30 is the first one, the minute that ends at 16:00
the last. Exits are never bound by a window.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from engine import exchange
from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK, SECOND_NS
from engine.types import NANOS_PER_DAY, Flags, Ints

if TYPE_CHECKING:
    from engine.bars import Bars

MONDAY_TO_FRIDAY = (0, 1, 2, 3, 4)
_MONDAY_OFFSET = 3  # 1970-01-01 was a Thursday; Monday is 0


@dataclass(frozen=True, slots=True)
class TradingWindow:
    """A daily span of wall-clock time in which entries may be decided. Frozen; raises InputError on a bad field.

    start, end: wall-clock times. end 00:00 is midnight at the day's end; end < start runs over midnight and belongs to
        the day on which it starts; start = end is the whole day.
    days: weekdays, Monday = 0.
    timezone: IANA name; None is the exchange's own zone (``24/7``: UTC).
    extended_hours: False also asks for the regular session, so half days end early and pre-market is out; True only
        asks that the exchange has a session on that date. Markets of the calendar ``24/7`` have no sessions to ask for.
    On daily bars only `days` counts: they have no time of day.
    """

    start: dt.time = dt.time(9, 30)
    end: dt.time = dt.time(16, 0)
    days: tuple[int, ...] = MONDAY_TO_FRIDAY
    timezone: str | None = None
    extended_hours: bool = False

    def __post_init__(self) -> None:
        faults = []
        for name in ("start", "end"):
            value: object = getattr(self, name)
            if not isinstance(value, dt.time):
                faults.append(
                    Fault(name, "wrong_type", f"must be a time of day, got {value!r}", "datetime.time(9, 30)")
                )
            elif value.tzinfo is not None:
                faults.append(Fault(name, "wrong_type", "must have no zone of its own", "use `timezone`"))
        flag: object = self.extended_hours
        if not isinstance(flag, bool):
            faults.append(Fault("extended_hours", "wrong_type", f"must be true or false, got {flag!r}"))
        faults += _faults_of_days(self.days) + _faults_of_zone(self.timezone)
        if faults:
            raise InputError(faults)
        object.__setattr__(self, "days", tuple(sorted(set(self.days))))

    def mask(self, bars: Bars) -> Flags:
        """True where an entry may be decided at the bar's close. Shape (len(bars),)."""
        return self.mask_of(bars.ts, bars.timeframe, bars.calendar)

    def mask_of(self, ts: Ints, timeframe: str, calendar: str) -> Flags:
        """As `mask`, for bars given by their ts_open (int64 ns UTC, sorted), timeframe and calendar."""
        if timeframe == "1d":
            return self._on_days(exchange.trading_days(ts, timeframe, calendar))
        opens, closes = exchange.session_bounds(ts, timeframe, calendar)
        regular = (ts >= opens) & (ts < closes)
        decided = ts + exchange.timeframe_ns(timeframe)
        decided = np.where(regular, np.minimum(decided, closes), decided)
        inside = self._in_hours(exchange.local_ns(decided, self.timezone or exchange.zone(calendar)))
        if calendar == ROUND_THE_CLOCK:
            return inside
        if not self.extended_hours:
            return inside & regular
        date = exchange.local_ns(ts, exchange.zone(calendar)) // NANOS_PER_DAY
        has_session: Flags = date == exchange.trading_days(ts, timeframe, calendar)
        return inside & (regular | has_session)

    def _in_hours(self, decided: Ints) -> Flags:
        """Whether wall-clock instants (ns) lie in (start, end] of a day in `days`."""
        start, end = _ns_of(self.start), _ns_of(self.end)
        length = (end - start) % NANOS_PER_DAY or NANOS_PER_DAY
        # The window that started last before this instant: its day, and how long ago it started, in (0, 24 h].
        day = (decided - start - 1) // NANOS_PER_DAY
        since = decided - start - day * NANOS_PER_DAY
        return (since <= length) & self._on_days(day)

    def _on_days(self, day: npt.NDArray[np.integer]) -> Flags:
        chosen: Flags = np.isin((day + _MONDAY_OFFSET) % 7, self.days)
        return chosen


def _ns_of(time: dt.time) -> int:
    return (time.hour * 3_600 + time.minute * 60 + time.second) * SECOND_NS + time.microsecond * 1_000


def _faults_of_days(days: object) -> list[Fault]:
    hint = "weekdays from 0 (Monday) to 6 (Sunday)"
    if isinstance(days, str) or not isinstance(days, Collection):
        return [Fault("days", "wrong_type", f"must be a list of weekdays, got {days!r}", hint)]
    chosen = list(days)
    if not chosen:
        return [Fault("days", "required", "at least one weekday is needed", hint)]
    return [
        Fault(f"days[{i}]", "out_of_range", f"{day!r} is no weekday", hint)
        for i, day in enumerate(chosen)
        if isinstance(day, bool) or not isinstance(day, int) or not 0 <= day <= 6
    ]


def _faults_of_zone(name: object) -> list[Fault]:
    if name is None:
        return []
    try:
        ZoneInfo(name)  # type: ignore[arg-type]  # a wrong type is one of the faults we look for
    except (KeyError, ValueError, TypeError, AttributeError, OSError):
        return [Fault("timezone", "unknown_choice", f"unknown time zone {name!r}", "an IANA name: America/New_York")]
    return []
