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

    always_open: stocks trade round the clock, too (rehearsals at night).
    """

    def __init__(self, *, always_open: bool = False) -> None:
        self.always_open = always_open

    def is_open(self, instrument: Instrument, at: datetime.datetime) -> bool:
        return self.always_open or instrument.calendar == ROUND_THE_CLOCK or _is_open(at)

    def closes_at(self, instrument: Instrument, at: datetime.datetime) -> datetime.datetime | None:
        if self.always_open or instrument.calendar == ROUND_THE_CLOCK:
            return None
        return _calendar().next_close(at).to_pydatetime()

    def clock(self, at: datetime.datetime) -> dict[str, Any]:
        """Alpaca's /v2/clock."""
        calendar = _calendar()
        return {
            "timestamp": at.astimezone(NEW_YORK).isoformat(),
            "is_open": self.always_open or _is_open(at),
            "next_open": _in_new_york(calendar.next_open(at)),
            "next_close": _in_new_york(calendar.next_close(at)),
        }

    def days(self, first: datetime.date, last: datetime.date) -> list[dict[str, str]]:
        """Alpaca's /v2/calendar: sessions from first to last, in New York's time."""
        calendar = _calendar()
        low, high = calendar.first_session.date(), calendar.last_session.date()
        if max(first, low) > min(last, high):
            return []
        rows = []
        for session in calendar.sessions_in_range(str(max(first, low)), str(min(last, high))):
            begins, ends = (moment.tz_convert(NEW_YORK) for moment in calendar.session_open_close(session))
            rows.append(
                {
                    "date": str(session.date()),
                    "open": f"{begins:%H:%M}",
                    "close": f"{ends:%H:%M}",
                    "session_open": "0400",
                    "session_close": "2000",
                    "settlement_date": str(session.date()),
                }
            )
        return rows


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
