"""The exchange calendars that the platform knows, their zones, and trading days of moments. NumPy and stdlib only."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from engine.exchange import local_ns
from marketdata.columns import DAY, SECOND

ALWAYS_OPEN = "24/7"
CALENDAR_ZONES = {"XNYS": "America/New_York", ALWAYS_OPEN: "UTC"}
"""Exchange calendar → the zone in which its day is counted."""


def clean_calendar(name: object) -> str:
    """The calendar's name; raises InputError `unknown_choice` with the known ones."""
    if name not in CALENDAR_ZONES:
        raise InputError(
            Fault(
                "calendar",
                "unknown_choice",
                f"{name!r} is not a known exchange calendar",
                "one of " + ", ".join(CALENDAR_ZONES),
            )
        )
    return str(name)


def calendar_zone(calendar: str) -> ZoneInfo:
    """The zone of a known calendar; UTC for one that we only store bars of."""
    return ZoneInfo(CALENDAR_ZONES.get(calendar, "UTC"))


def local_days(ts: NDArray[np.int64], calendar: str) -> NDArray[np.int32]:
    """The calendar day (days since 1970-01-01) on the exchange's own clock in which each moment (ns UTC) lies."""
    return (local_ns(ts, calendar_zone(calendar).key) // DAY).astype(np.int32)


def trading_days(ts: NDArray[np.int64], timeframe: str, calendar: str) -> NDArray[np.int32]:
    """Trading day of each bar: a daily bar's own date, else the day on the exchange's clock."""
    if timeframe == "1d":
        return (ts // DAY).astype(np.int32)
    return local_days(ts, calendar)


def to_ns(moment: datetime) -> int:
    """An aware datetime as int64 ns UTC, exact to the microsecond."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1_000


def from_ns(ns: int) -> datetime:
    """int64 ns UTC as an aware datetime (parts of a microsecond are cut)."""
    return datetime.fromtimestamp(ns // SECOND, UTC).replace(microsecond=ns % SECOND // 1_000)
