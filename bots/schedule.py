"""When a bot's window is open: wall-clock hours of the exchange, on its trading days, within its own session.

Beat only ticks; this asks the stored exchange sessions, so that holidays, half days and daylight saving are the
exchange's own. Times are aware, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from marketdata.models import ExchangeSession
from marketdata.zones import ALWAYS_OPEN, calendar_zone
from strategies.params import WEEKDAYS


class NoCalendar(Exception):
    """The exchange's sessions of this time are not known: nothing may be started on a guess."""


@dataclass(frozen=True, slots=True)
class Window:
    """[opens, closes): when a bot runs."""

    opens: datetime
    closes: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.opens <= at < self.closes


def window_at(settings: Mapping[str, Any], calendar: str, at: datetime) -> Window | None:
    """The window that is open at `at`; None: none is.

    settings: cleaned session settings (trading_hours_start, trading_hours_end, trading_days, extended_hours). A window
    that ends before it starts runs over midnight and belongs to the day on which it starts. Raises NoCalendar.
    """
    zone = calendar_zone(calendar)
    today = at.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        window = _window_of(settings, calendar, day)
        if window is not None and at in window:
            return window
    return None


def _window_of(settings: Mapping[str, Any], calendar: str, day: date) -> Window | None:
    if WEEKDAYS[day.weekday()] not in settings["trading_days"]:
        return None
    zone = calendar_zone(calendar)
    start: time = settings["trading_hours_start"]
    end: time = settings["trading_hours_end"]
    opens = datetime.combine(day, start, zone).astimezone(UTC)
    last_day = day if end > start else day + timedelta(days=1)
    closes = datetime.combine(last_day, end, zone).astimezone(UTC)
    if calendar == ALWAYS_OPEN:
        return Window(opens, closes)
    session = _session(calendar, day)
    if session is None:
        return None
    if settings["extended_hours"]:
        return Window(opens, closes)
    opens, closes = max(opens, session.open_at), min(closes, session.close_at)
    return Window(opens, closes) if opens < closes else None


def _session(calendar: str, day: date) -> ExchangeSession | None:
    """The exchange's session on a date; None: it is closed. Raises NoCalendar."""
    found = ExchangeSession.objects.filter(calendar=calendar, date=day).first()
    if found is None and not ExchangeSession.objects.filter(calendar=calendar, date__gt=day).exists():
        raise NoCalendar(f"The sessions of {calendar} on {day} are not known; load its calendar.")
    return found
