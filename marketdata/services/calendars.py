"""Exchange sessions from exchange_calendars into rows. Workers and commands only: the library brings pandas."""

from __future__ import annotations

from datetime import UTC, date
from importlib.metadata import version

from django.db import transaction

from marketdata.models import ExchangeSession

FIRST_DAY = date(2000, 1, 1)
"""The sample prices begin in 2000, and a gap report needs the sessions of its bars."""
LAST_DAY = date(2030, 12, 31)
CALENDARS = ("XNYS",)


def library() -> str:
    """Name and version of the library the rows come from."""
    return f"exchange_calendars {version('exchange-calendars')}"


def is_loaded(calendar: str) -> bool:
    """Whether the rows of `calendar` come from the installed version and reach to the end of 2030."""
    rows = ExchangeSession.objects.filter(calendar=calendar)
    return not rows.exclude(loaded_from=library()).exists() and rows.filter(date__year=LAST_DAY.year).exists()


def load(calendar: str) -> int:
    """Make the rows of a calendar what the library says, FIRST_DAY to LAST_DAY; returns how many there are.

    All or nothing: other processes see the old rows until the new ones are complete.
    """
    import exchange_calendars

    # Without an explicit end the library stops a year from today, and every later session would be missing.
    source = exchange_calendars.get_calendar(calendar, start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())
    early = {stamp.date() for stamp in source.early_closes}
    origin = library()
    rows = [
        ExchangeSession(
            calendar=calendar,
            date=session.date(),
            open_at=opened.to_pydatetime().astimezone(UTC),
            close_at=closed.to_pydatetime().astimezone(UTC),
            early_close=session.date() in early,
            loaded_from=origin,
        )
        for session, opened, closed in zip(
            source.schedule.index, source.schedule["open"], source.schedule["close"], strict=True
        )
    ]
    with transaction.atomic():
        ExchangeSession.objects.filter(calendar=calendar).delete()
        ExchangeSession.objects.bulk_create(rows, batch_size=1000)
    return len(rows)


def ensure_loaded() -> int:
    """Load the calendars whose rows are missing or from another version; returns the number of rows written."""
    return sum(load(calendar) for calendar in CALENDARS if not is_loaded(calendar))
