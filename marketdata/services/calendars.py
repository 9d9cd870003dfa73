"""Exchange sessions into rows, and kept as their exchange has them. Workers and commands only: the library of calendars
brings pandas.

Rows come from exchange_calendars. What an exchange announces after that library was made (an early close, a day of
mourning) is looked up at CALENDAR_URL, where the installation has one, and stands over the library: in the rows, and
by `follow` in the engine of each process that asks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from engine import exchange
from marketdata.models import CalendarCopy, ExchangeSession
from marketdata.providers.http import CONNECT_S, READ_S
from marketdata.zones import calendar_zone, to_ns

log = logging.getLogger(__name__)

FIRST_DAY = date(2000, 1, 1)
"""The sample prices begin in 2000, and a gap report needs the sessions of its bars."""
LAST_DAY = date(2030, 12, 31)
CALENDARS = ("XNYS",)
LOOK_BACK, LOOK_AHEAD = timedelta(days=3), timedelta(days=60)
MOST_CHANGES = 5
"""Days on which a source may differ from the library; one that differs on more of them has something else to tell."""

Hours = tuple[datetime, datetime]


class SourceError(Exception):
    """The source of a calendar does not answer, or what it says cannot be believed."""


def library() -> str:
    """Name and version of the library the rows come from."""
    return f"exchange_calendars {version('exchange-calendars')}"


def is_loaded(calendar: str) -> bool:
    """Whether the rows of `calendar` come from the installed version and reach to the end of 2030."""
    rows = ExchangeSession.objects.filter(calendar=calendar)
    return not rows.exclude(loaded_from=library()).exists() and rows.filter(date__year=LAST_DAY.year).exists()


def load(calendar: str) -> int:
    """Make the rows of a calendar what the library says, FIRST_DAY to LAST_DAY, and what was announced over it; returns
    how many there are.

    All or nothing: other processes see the old rows until the new ones are complete.
    """
    hours, early = _of_library(calendar, FIRST_DAY, LAST_DAY)
    copy = CalendarCopy.objects.filter(calendar=calendar).first()
    hours = _over(hours, announced_by(copy)) if copy else hours
    rows = [_row(calendar, day, each, day in early) for day, each in hours.items()]
    with transaction.atomic():
        ExchangeSession.objects.filter(calendar=calendar).delete()
        ExchangeSession.objects.bulk_create(rows, batch_size=1000)
        CalendarCopy.objects.get_or_create(calendar=calendar, defaults={"good_at": timezone.now(), "source": library()})
    return len(rows)


def ensure_loaded() -> int:
    """Load the calendars whose rows are missing or from another version; returns the number of rows written."""
    return sum(load(calendar) for calendar in CALENDARS if not is_loaded(calendar))


def refresh(now: datetime | None = None) -> None:
    """Look whether the calendars are still as we have them. A source that does not answer leaves the copy as it is, and
    its age tells."""
    now = now or timezone.now()
    ensure_loaded()
    for calendar in CALENDARS:
        today = now.astimezone(calendar_zone(calendar)).date()
        first, last = today - LOOK_BACK, today + LOOK_AHEAD
        try:
            found = _announced_at_source(calendar, first, last) if settings.CALENDAR_URL else {}
        except SourceError as error:
            log.warning("the sessions of %s could not be looked up: %s", calendar, error)
            CalendarCopy.objects.filter(calendar=calendar).update(problem=str(error)[:300])
            continue
        _take(calendar, found, (first, last), now)


def follow() -> None:
    """Let this process's engine know what was announced. One query; may be called often."""
    copies = {copy.calendar: announced_by(copy) for copy in CalendarCopy.objects.all()}
    for calendar in CALENDARS:
        told = copies.get(calendar, {})
        days = {(day - date(1970, 1, 1)).days: hours for day, hours in told.items()}
        exchange.announce(calendar, {day: hours and (to_ns(hours[0]), to_ns(hours[1])) for day, hours in days.items()})


def announced_by(copy: CalendarCopy) -> dict[date, Hours | None]:
    """What a copy has over the library: day → (open, close) in UTC, None where the exchange stays closed."""
    return {
        date.fromisoformat(day): None if hours is None else (_moment(hours[0]), _moment(hours[1]))
        for day, hours in copy.announced.items()
    }


# --- The library -----------------------------------------------------------------------------------------------------
def _of_library(calendar: str, first: date, last: date) -> tuple[dict[date, Hours], set[date]]:
    """Its sessions, and which of them close early."""
    import exchange_calendars

    # Without an explicit end the library stops a year from today, and every later session would be missing.
    source = exchange_calendars.get_calendar(calendar, start=first.isoformat(), end=last.isoformat())
    early = {stamp.date() for stamp in source.early_closes}
    table = zip(source.schedule.index, source.schedule["open"], source.schedule["close"], strict=True)
    hours = {
        day.date(): (opened.to_pydatetime().astimezone(UTC), closed.to_pydatetime().astimezone(UTC))
        for day, opened, closed in table
    }
    return hours, early


# --- The source ------------------------------------------------------------------------------------------------------
def _announced_at_source(calendar: str, first: date, last: date) -> dict[date, Hours | None]:
    """In what the source differs from the library on these days. Raises SourceError."""
    told = _told(calendar, first, last)
    ours, _ = _of_library(calendar, first, last)
    found = {day: told.get(day) for day in sorted({*told, *ours}) if told.get(day) != ours.get(day)}
    if len(found) > MOST_CHANGES:
        raise SourceError(f"It differs on {len(found)} days from the library, which is not believed.")
    return found


def _told(calendar: str, first: date, last: date) -> dict[date, Hours]:
    """What the source says of these days. Raises SourceError."""
    import httpx

    headers = {"APCA-API-KEY-ID": settings.ALPACA_API_KEY, "APCA-API-SECRET-KEY": settings.ALPACA_API_SECRET}
    query = {"start": first.isoformat(), "end": last.isoformat()}
    try:
        limits = httpx.Timeout(READ_S, connect=CONNECT_S)
        answer = httpx.get(settings.CALENDAR_URL, params=query, headers=headers, timeout=limits)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"It does not answer ({type(error).__name__}).") from None
    if answer.status_code != 200:
        raise SourceError(f"It does not answer as it should (HTTP {answer.status_code}).")
    try:
        return dict(_session(calendar, raw) for raw in answer.json())
    except (ValueError, KeyError, TypeError):
        raise SourceError("Its answer cannot be read.") from None


def _session(calendar: str, raw: Mapping[str, Any]) -> tuple[date, Hours]:
    """One row of /v2/calendar: a date, and hours on the exchange's own clock."""
    day, zone = date.fromisoformat(raw["date"]), calendar_zone(calendar)
    opens, closes = (
        datetime.combine(day, time.fromisoformat(raw[name]), zone).astimezone(UTC) for name in ("open", "close")
    )
    if not opens < closes:
        raise ValueError(f"{day} closes before it opens")
    return day, (opens, closes)


# --- Rows ------------------------------------------------------------------------------------------------------------
def _take(calendar: str, found: Mapping[date, Hours | None], looked_at: tuple[date, date], now: datetime) -> None:
    """Put what the source has announced into rows. Of the days that were looked at, those that it does not name are as
    the library has them; others stay as they are."""
    with transaction.atomic():
        copy = CalendarCopy.objects.select_for_update().get(calendar=calendar)
        before, (first, last) = announced_by(copy), looked_at
        after = {day: hours for day, hours in before.items() if not first <= day <= last} | dict(found)
        changed = sorted(day for day in {*before, *after} if before.get(day, ...) != after.get(day, ...))
        if changed:
            week = timedelta(days=7)  # the library has no calendar of days that are all closed
            ours, early = _of_library(calendar, changed[0] - week, changed[-1] + week)
            hours = _over(ours, after)
            ExchangeSession.objects.filter(calendar=calendar, date__in=changed).delete()
            for day in changed:
                if day in hours:
                    is_early = day in early if day not in after else _is_early(hours[day], ours.get(day))
                    _row(calendar, day, hours[day], is_early).save()
                log.warning("%s %s: its exchange has announced %s", calendar, day, hours.get(day) or "no session")
        copy.announced = {
            day.isoformat(): None if hours is None else [hours[0].isoformat(), hours[1].isoformat()]
            for day, hours in sorted(after.items())
        }
        copy.good_at, copy.problem, copy.source = now, "", settings.CALENDAR_URL or library()
        copy.save()


def _over(hours: Mapping[date, Hours], announced: Mapping[date, Hours | None]) -> dict[date, Hours]:
    """The library's sessions with what was announced in its place."""
    merged = {**hours, **announced}
    return {day: each for day, each in sorted(merged.items()) if each is not None}


def _is_early(hours: Hours, usual: Hours | None) -> bool:
    return usual is not None and hours[1] < usual[1]


def _row(calendar: str, day: date, hours: Hours, is_early: bool) -> ExchangeSession:
    return ExchangeSession(
        calendar=calendar, date=day, open_at=hours[0], close_at=hours[1], early_close=is_early, loaded_from=library()
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
