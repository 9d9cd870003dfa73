"""The source at which announced hours are looked up: what is taken from it, and what is not believed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bots.practice.server import Venue
from bots.practice.serving import in_thread
from engine import exchange
from marketdata import selectors
from marketdata.models import CalendarCopy, ExchangeSession
from marketdata.services import calendars

pytestmark = [pytest.mark.django_db, pytest.mark.row("W13"), pytest.mark.fault(30)]

NOW = dt.datetime(2026, 3, 3, 15, 0, tzinfo=dt.UTC)


@pytest.fixture
def address(settings: Any, xnys: None) -> Iterator[str]:
    """A venue that is the source."""
    venue = Venue([])
    venue.open_account("CALENDARKEY", "calendar-secret")
    with in_thread(venue) as address:
        settings.CALENDAR_URL = f"http://{address}/v2/calendar"
        settings.ALPACA_API_KEY, settings.ALPACA_API_SECRET = "CALENDARKEY", "calendar-secret"
        yield address
    exchange.announce("XNYS", {})


def say(address: str, name: str, **body: Any) -> None:
    assert httpx.post(f"http://{address}/practice/{name}", json=body).status_code == 200


def row(day: str) -> ExchangeSession | None:
    return ExchangeSession.objects.filter(calendar="XNYS", date=day).first()


def test_what_is_announced_stands_over_the_library_until_it_is_taken_back(address: str) -> None:
    count = ExchangeSession.objects.count()
    say(address, "hours", date="2026-03-03", open="09:30", close="11:15")
    say(address, "hours", date="2026-03-05", closed=True)
    say(address, "hours", date="2026-03-07", open="10:00", close="12:00")  # a Saturday
    calendars.refresh(NOW)
    copy = CalendarCopy.objects.get()
    assert (copy.good_at, copy.problem, len(copy.announced)) == (NOW, "", 3)
    early = row("2026-03-03")
    assert early is not None
    assert (early.early_close, early.close_at) == (True, dt.datetime(2026, 3, 3, 16, 15, tzinfo=dt.UTC))
    assert selectors.market_status("XNYS", early.close_at).is_open is False
    assert row("2026-03-05") is None
    assert row("2026-03-07") is not None
    assert calendars.is_loaded("XNYS"), "the next start does not load it anew"
    calendars.load("XNYS")
    assert row("2026-03-05") is None, "a new version of the library knows no more than the exchange"
    say(address, "hours", date="2026-03-03", open="09:30", close="16:00")
    say(address, "hours", date="2026-03-05", open="09:30", close="16:00")
    say(address, "hours", date="2026-03-07", closed=True)
    calendars.refresh(NOW)
    assert CalendarCopy.objects.get().announced == {}
    again = row("2026-03-03")
    assert again is not None
    assert (again.early_close, again.close_at.hour) == (False, 21)
    assert ExchangeSession.objects.count() == count


def test_the_engine_follows_and_what_it_remembers_is_looked_up_anew(address: str) -> None:
    from marketdata.feeds import spans

    at = int(dt.datetime(2026, 3, 3, 17, 0, tzinfo=dt.UTC).timestamp()) * 10**9
    calendars.follow()
    assert spans.is_open("XNYS", at)
    say(address, "hours", date="2026-03-03", open="09:30", close="11:15")
    calendars.refresh(NOW)
    assert spans.is_open("XNYS", at), "not before this process has been told"
    calendars.follow()
    assert not spans.is_open("XNYS", at)
    CalendarCopy.objects.all().delete()
    calendars.follow()
    assert spans.is_open("XNYS", at)


@pytest.mark.parametrize(
    ("body", "words"), [("[]", "days from the library"), ("<html>", "cannot be read")], ids=["nothing", "no JSON"]
)
def test_an_answer_that_is_none_changes_nothing_and_ages_the_copy(address: str, body: str, words: str) -> None:
    calendars.refresh(NOW)
    before = ExchangeSession.objects.count()
    say(address, "faults", kind="status", method="GET", path="/v2/calendar", status=200, body=body, times=9)
    later = NOW + dt.timedelta(hours=25)
    calendars.refresh(later)
    copy = CalendarCopy.objects.get()
    assert copy.good_at == NOW
    assert words in copy.problem
    assert ExchangeSession.objects.count() == before
    known = selectors.calendar_confirmed("XNYS", later)
    assert known is not None
    assert known.is_old
    assert "calendar-secret" not in copy.problem


def test_a_source_that_is_gone_is_said_and_without_one_the_library_is_enough(xnys: None, settings: Any) -> None:
    settings.CALENDAR_URL = "http://127.0.0.1:9/v2/calendar"
    calendars.refresh(NOW)
    assert "does not answer" in CalendarCopy.objects.get().problem
    settings.CALENDAR_URL = ""
    calendars.refresh(NOW)
    copy = CalendarCopy.objects.get()
    assert (copy.good_at, copy.source) == (NOW, calendars.library())
