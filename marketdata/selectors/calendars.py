"""Reads of exchange hours: sessions, whether an exchange is open, how good our copy is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from marketdata.gaps import Sessions
from marketdata.models import CalendarCopy, ExchangeSession
from marketdata.zones import ALWAYS_OPEN, calendar_zone, clean_calendar, from_ns, to_ns


def sessions_between(calendar: str, first_ns: int, last_ns: int, *, margin_days: int = 7) -> Sessions:
    """Exchange sessions whose close lies in [first_ns, last_ns], a week wider on both sides; maybe none."""
    margin = timedelta(days=margin_days)
    rows = (
        ExchangeSession.objects.filter(
            calendar=calendar, close_at__gte=from_ns(first_ns) - margin, close_at__lte=from_ns(last_ns) + margin
        )
        .order_by("date")
        .values_list("date", "open_at", "close_at")
    )
    epoch = date(1970, 1, 1).toordinal()
    table = [(day.toordinal() - epoch, to_ns(opened), to_ns(closed)) for day, opened, closed in rows]
    columns = np.array(table, dtype=np.int64).reshape(-1, 3)
    return Sessions(columns[:, 0].astype(np.int32), columns[:, 1].copy(), columns[:, 2].copy())


@dataclass(frozen=True, slots=True)
class MarketStatus:
    """Whether an exchange is open at `at`. All moments are aware, in UTC; `zone` is the exchange's IANA zone.

    session_*: the session running now, else the next one; None when the calendar's rows end before. A market that never
    closes has no session and no next change.
    """

    calendar: str
    zone: str
    at: datetime
    is_open: bool
    session_date: date | None
    session_open: datetime | None
    session_close: datetime | None
    early_close: bool
    next_open: datetime | None
    next_close: datetime | None

    @property
    def next_change(self) -> datetime | None:
        return self.next_close if self.is_open else self.next_open

    @property
    def seconds_to_change(self) -> int | None:
        """Whole seconds until the next open or close, rounded up."""
        change = self.next_change
        return None if change is None else -int((self.at - change).total_seconds() // 1)


CALENDAR_GOOD_FOR = timedelta(hours=24)
"""For so long a copy of an exchange's sessions counts that nobody could confirm."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When the source of a calendar last said that it is as we have it. problem: why it has not since."""

    at: datetime
    age: timedelta
    problem: str

    @property
    def is_unsure(self) -> bool:
        """Older than it gets while its source answers."""
        return self.age > timedelta(hours=1)

    @property
    def is_old(self) -> bool:
        """So old that no session may be started by it."""
        return self.age > CALENDAR_GOOD_FOR


def calendar_confirmed(calendar: str, now: datetime) -> Confirmed | None:
    """How good our copy of an exchange's sessions is; None: there is none, or it does not reach to `now`."""
    copy = CalendarCopy.objects.filter(calendar=calendar).first()
    if copy is None or not ExchangeSession.objects.filter(calendar=calendar, close_at__gt=now).exists():
        return None
    return Confirmed(copy.good_at, max(now - copy.good_at, timedelta()), copy.problem)


def market_status(calendar: str, at: datetime) -> MarketStatus:
    """Open or closed at `at` (aware), from the session rows. Raises InputError for an unknown calendar.

    The open belongs to the session, the close does not: at 16:00:00 New York is closed.
    """
    zone = calendar_zone(clean_calendar(calendar)).key
    at = at.astimezone(UTC)
    if calendar == ALWAYS_OPEN:
        return MarketStatus(calendar, zone, at, True, at.date(), None, None, False, None, None)
    rows = list(ExchangeSession.objects.filter(calendar=calendar, close_at__gt=at).order_by("close_at")[:2])
    if not rows:
        return MarketStatus(calendar, zone, at, False, None, None, None, False, None, None)
    current = rows[0]
    is_open = current.open_at <= at
    following = rows[1] if len(rows) > 1 else None
    next_open = (following.open_at if following else None) if is_open else current.open_at
    return MarketStatus(
        calendar,
        zone,
        at,
        is_open,
        current.date,
        current.open_at,
        current.close_at,
        current.early_close,
        next_open,
        current.close_at,
    )
