"""A bot's window against the exchange's own days, to the second."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from bots.schedule import NoCalendar, Window, window_at
from strategies import session_settings

pytestmark = [pytest.mark.django_db, pytest.mark.row("C13", "J7", "W13")]


@pytest.fixture(autouse=True)
def _sessions(exchange_sessions: None) -> None:
    """Of New York."""


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def settings(**changes: Any) -> dict[str, Any]:
    return session_settings.clean(changes)


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        pytest.param("2026-10-30", "13:30", "20:00", id="last day of summer time"),
        pytest.param("2026-11-02", "14:30", "21:00", id="first day of winter time"),
        pytest.param("2027-03-12", "14:30", "21:00", id="last day of winter time"),
        pytest.param("2027-03-15", "13:30", "20:00", id="first day of summer time"),
        pytest.param("2026-11-27", "14:30", "18:00", id="half day after Thanksgiving"),
        pytest.param("2026-12-24", "14:30", "18:00", id="half day before Christmas"),
    ],
)
def test_opens_and_closes_with_the_exchange(day: str, opens: str, closes: str) -> None:
    start, end = utc(f"{day} {opens}"), utc(f"{day} {closes}")
    second = dt.timedelta(seconds=1)
    assert window_at(settings(), "XNYS", start - second) is None
    assert window_at(settings(), "XNYS", start) == Window(start, end)
    assert window_at(settings(), "XNYS", end - second) == Window(start, end)
    assert window_at(settings(), "XNYS", end) is None


@pytest.mark.parametrize("day", ["2026-11-26", "2026-12-25", "2026-11-28", "2026-11-29"])
def test_closed_all_day(day: str) -> None:
    for hour in range(24):
        assert window_at(settings(), "XNYS", utc(f"{day} {hour:02d}:15")) is None


def test_own_hours_are_cut_to_the_session() -> None:
    own = settings(trading_hours_start="10:00", trading_hours_end="15:30")
    assert window_at(own, "XNYS", utc("2026-11-27 16:00")) == Window(utc("2026-11-27 15:00"), utc("2026-11-27 18:00"))
    long = settings(trading_hours_start="04:00", trading_hours_end="20:00", extended_hours=True)
    assert window_at(long, "XNYS", utc("2026-11-27 23:00")) == Window(utc("2026-11-27 09:00"), utc("2026-11-28 01:00"))
    assert window_at(settings(trading_days=["MON"]), "XNYS", utc("2026-11-27 16:00")) is None


def test_round_the_clock_over_midnight() -> None:
    night = settings(trading_hours_start="22:00", trading_hours_end="06:00", trading_days=["FRI"])
    expected = Window(utc("2026-11-27 22:00"), utc("2026-11-28 06:00"))
    assert window_at(night, "24/7", utc("2026-11-27 22:00")) == expected
    assert window_at(night, "24/7", utc("2026-11-28 05:59")) == expected
    assert window_at(night, "24/7", utc("2026-11-28 22:00")) is None


def test_forty_eight_hours_round_each_change_of_the_clock_open_twice_at_most() -> None:
    """Every minute of the weekends on which the clock changes, and of the days round them."""
    for first in ("2026-10-30", "2027-03-12"):
        start = utc(f"{first} 00:00")
        seen = {window_at(settings(), "XNYS", start + dt.timedelta(minutes=m)) for m in range(0, 4 * 1440, 5)}
        assert len(seen - {None}) == 2  # Friday's and Monday's


def test_a_time_that_no_calendar_knows_is_refused() -> None:
    with pytest.raises(NoCalendar, match="load its calendar"):
        window_at(settings(), "XNYS", utc("2031-01-02 15:00"))
