"""When the practice venue's stocks trade: the exchange's calendar, read at the venue's own clock."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bots.practice.orders import Instrument
from engine.exchange import ROUND_THE_CLOCK

NEW_YORK = ZoneInfo("America/New_York")
STOCKS = "XNYS"


class Schedule:
    """`Hours` of the exchange, and what Alpaca's clock and calendar say of them.

    always_open: stocks trade round the clock, too (rehearsals at night). What is announced for a day (`announce`) holds
    for stocks even then.
    """

    def __init__(self, *, always_open: bool = False) -> None:
        self.always_open = always_open
        self._announced: dict[datetime.date, tuple[datetime.time, datetime.time] | None] = {}

    def announce(self, day: datetime.date, hours: tuple[datetime.time, datetime.time] | None) -> None:
        """Other hours than the exchange's usual ones, on New York's clock; None: it stays closed."""
        self._announced[day] = hours

    def is_open(self, instrument: Instrument, at: datetime.datetime) -> bool:
        return instrument.calendar == ROUND_THE_CLOCK or self._is_open(at)

    def closes_at(self, instrument: Instrument, at: datetime.datetime) -> datetime.datetime | None:
        if instrument.calendar == ROUND_THE_CLOCK:
            return None
        told = self._told(at)
        if told is not None and at < told[1]:
            return told[1]
        return None if self.always_open else _calendar().next_close(at).to_pydatetime()

    def _is_open(self, at: datetime.datetime) -> bool:
        if at.astimezone(NEW_YORK).date() not in self._announced:
            return self.always_open or _is_open(at)
        told = self._told(at)
        return told is not None and told[0] <= at < told[1]

    def _told(self, at: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime] | None:
        """Open and close that were announced for the day of `at`; None: nothing was, or it stays closed."""
        day = at.astimezone(NEW_YORK).date()
        hours = self._announced.get(day)
        if hours is None:
            return None
        begins, ends = (datetime.datetime.combine(day, time, NEW_YORK) for time in hours)
        return begins, ends

    def clock(self, at: datetime.datetime) -> dict[str, Any]:
        """Alpaca's /v2/clock."""
        calendar = _calendar()
        return {
            "timestamp": at.astimezone(NEW_YORK).isoformat(),
            "is_open": self._is_open(at),
            "next_open": _in_new_york(calendar.next_open(at)),
            "next_close": _in_new_york(calendar.next_close(at)),
        }

    def days(self, first: datetime.date, last: datetime.date) -> list[dict[str, str]]:
        """Alpaca's /v2/calendar: sessions from first to last, in New York's time."""
        calendar = _calendar()
        low, high = calendar.first_session.date(), calendar.last_session.date()
        if max(first, low) > min(last, high):
            return []
        hours: dict[datetime.date, tuple[datetime.time, datetime.time] | None] = {}
        for session in calendar.sessions_in_range(str(max(first, low)), str(min(last, high))):
            begins, ends = (moment.tz_convert(NEW_YORK) for moment in calendar.session_open_close(session))
            hours[session.date()] = begins.time(), ends.time()
        hours |= {day: told for day, told in self._announced.items() if first <= day <= last}
        return [
            {
                "date": str(day),
                "open": f"{told[0]:%H:%M}",
                "close": f"{told[1]:%H:%M}",
                "session_open": "0400",
                "session_close": "2000",
                "settlement_date": str(day),
            }
            for day, told in sorted(hours.items())
            if told is not None
        ]


def _in_new_york(moment: Any) -> str:
    """A pandas Timestamp in ISO-8601, on New York's clock."""
    text: str = moment.tz_convert(NEW_YORK).isoformat()
    return text


def _is_open(at: datetime.datetime) -> bool:
    import pandas

    return bool(_calendar().is_open_at_time(pandas.Timestamp(at), side="left"))


def _calendar() -> Any:
    import exchange_calendars

    return exchange_calendars.get_calendar(STOCKS)
