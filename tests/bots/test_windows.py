"""Bots that run in their window, when their exchange moves its close within the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from accounts.models import User
from bots.models import Bot
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from bots.services import windows
from engine import exchange
from marketdata.models import CalendarCopy
from marketdata.services import calendars
from tests.bots.factories import make_bot
from tests.bots.host import market
from tests.clocks import MachineClock

pytestmark = [pytest.mark.django_db, pytest.mark.row("I9"), pytest.mark.fault(30)]

DAY = dt.date(2027, 1, 5)
MORNING = dt.datetime(2027, 1, 5, 15, 0, tzinfo=dt.UTC)
NOON, CLOSE = (dt.datetime(2027, 1, 5, hour, 0, tzinfo=dt.UTC) for hour in (17, 21))


@pytest.fixture
def bot(
    exchange_sessions: None, alice: User, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bot]:
    """It trades a stock of New York each day from open to close; it is ten in the morning there."""
    settings.BARS_DIR = str(tmp_path)
    clock = MachineClock(monkeypatch)
    clock.offset_s = (MORNING - dt.datetime.now(dt.UTC)).total_seconds()
    ts = market.regular_minutes(dt.date(2026, 3, 2), dt.date(2026, 3, 3))
    market.put("MADE-NYSE", market.walk(5, ts), calendar="XNYS")
    options = {"source": "file", "start": "2026-03-02", "end": "2026-03-03"}
    with in_thread(Venue([])) as address:
        settings.CALENDAR_URL = f"http://{address}/v2/calendar"
        httpx.post(f"http://{address}/practice/accounts", json={"key": "CALENDARKEY", "secret": "calendar-secret"})
        settings.ALPACA_API_KEY, settings.ALPACA_API_SECRET = "CALENDARKEY", "calendar-secret"
        yield make_bot(
            alice, symbols=["MADE-NYSE"], timeframe="1m", feed="replay", feed_options=options, run=Bot.Run.WINDOW,
            stop_policy="flatten",
        )  # fmt: skip
    exchange.announce("XNYS", {})


def test_its_session_ends_before_the_close_of_today_wherever_that_moves(bot: Bot, settings: Any) -> None:
    def announce(**hours: Any) -> None:
        address = settings.CALENDAR_URL.replace("/v2/calendar", "/practice/hours")
        assert httpx.post(address, json={"date": DAY.isoformat(), **hours}).status_code == 200
        calendars.refresh()
        assert CalendarCopy.objects.get().announced

    [session] = windows.open_due(MORNING)
    minute = dt.timedelta(minutes=windows.BARS_TO_FLATTEN)
    assert session.scheduled_end_time == CLOSE - minute
    windows.follow_hours(MORNING)
    session.refresh_from_db()
    assert session.scheduled_end_time == CLOSE - minute, "nothing has changed"
    announce(open="09:30", close="12:00")
    windows.follow_hours(MORNING)
    session.refresh_from_db()
    assert session.scheduled_end_time == NOON - minute
    assert "changed the hours" in session.events.latest("pk").text
    announce(closed=True)
    windows.follow_hours(MORNING)
    session.refresh_from_db()
    assert session.scheduled_end_time == MORNING, "the exchange stays closed: it ends now"
    assert windows.open_due(MORNING) == []
