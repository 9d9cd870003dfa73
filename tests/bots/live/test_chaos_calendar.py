"""F30, F38: exchange hours that cannot be had, that change within the day, and that end one under LIVE sessions."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Notification, User
from bots.models import OrderRole, TradingSession
from bots.services import sessions
from engine import exchange
from engine.types import NANOS_PER_DAY
from marketdata.columns import BarColumns
from marketdata.feeds import spans
from marketdata.models import CalendarCopy, ExchangeSession, Instrument
from marketdata.services import calendars
from tests.bots.host import market
from tests.bots.host.hosting import host, wait_for
from tests.bots.live.audit import check
from tests.bots.live.rig import KEY, SECRET, Rig, state_of, until
from tests.bots.live.test_chaos_wires import closed, finish
from tests.bots.live.test_protecting import HOLD, held, working

pytestmark = [pytest.mark.django_db(transaction=True)]

NEW_YORK = ZoneInfo("America/New_York")
DAY = dt.date(2026, 3, 3)
ALL_DAY = {"open": "00:00", "close": "23:59"}
START = "/api/trading/sessions/start"


@pytest.fixture
def told(rig: Rig, exchange_sessions: None, settings: Any) -> Iterator[Rig]:
    """Its venue is where this installation looks up the exchange's hours; it trades stocks whatever they are."""
    settings.CALENDAR_URL = f"http://{rig.address}/v2/calendar"
    settings.ALPACA_API_KEY, settings.ALPACA_API_SECRET = KEY, SECRET
    yield rig
    exchange.announce("XNYS", {})


def announce(rig: Rig, day: dt.date, now: dt.datetime | None = None, **hours: Any) -> None:
    """The exchange says so, and a worker looks it up."""
    rig.control("hours", date=day.isoformat(), **hours)
    calendars.refresh(now)
    assert not CalendarCopy.objects.get().problem


def days_before(day: dt.date, count: int) -> list[dt.date]:
    end = int(market.regular_minutes(day)[0])
    found = exchange.sessions("XNYS", end - 20 * NANOS_PER_DAY, end).day
    return [dt.date(1970, 1, 1) + dt.timedelta(days=int(each)) for each in found[found < _number(day)][-count:]]


def _number(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def stock(rig: Rig, columns: BarColumns, *, speed: float, **changes: Any) -> TradingSession:
    """A session that replays these minutes of SIM-ALPHA as a stock of New York; orders go to the venue of today."""
    market.put("SIM-ALPHA", columns, calendar="XNYS")
    begin, last = int(market.regular_minutes(DAY)[0]), int(columns.ts[-1]) + market.MINUTE
    rig.price("99.70")
    fields = {"broker_account": rig.account, "symbols": ["SIM-ALPHA"], "mode": "LIVE", **changes}
    return market.session(rig.account.owner, feed_options=market.replay(begin, last, speed=speed), **fields)


# --- hours that cannot be had -----------------------------------------------------------------------------------------


@pytest.mark.row("I8")
@pytest.mark.fault(30)
def test_without_the_venues_calendar_the_hours_are_our_own(alice: User, rig: Rig) -> None:
    rig.fault(kind="status", method="GET", path="/v2/(calendar|clock)", status=500, times=10_000)
    session = rig.session()
    with host():
        closed(session)
        finish(alice, rig, session)
    check(rig, session)


@pytest.mark.row("I8", "I9")
@pytest.mark.fault(30)
def test_no_session_starts_by_hours_that_nobody_knows_or_has_confirmed_for_a_day(
    alice: User, client: Client, told: Rig
) -> None:
    client.force_login(alice)
    body = {"strategy": "buy_and_hold", "symbols": ["AAPL"], "initial_cash": 5_000, "feed": "alpaca"}

    def start() -> Any:
        return client.post(START, json.dumps(body), content_type="application/json")

    ExchangeSession.objects.all().delete()
    CalendarCopy.objects.all().delete()
    refused = start()
    assert (refused.status_code, refused.json()["code"]) == (503, "calendar_unknown")
    assert "XNYS" in refused.json()["message"]
    calendars.refresh()
    assert CalendarCopy.objects.get().source == f"http://{told.address}/v2/calendar"
    told.fault(kind="status", method="GET", path="/v2/calendar", status=500, times=10_000)
    hours_old(3)
    started = start()
    assert started.status_code == 201, started.content
    page = client.get(f"/sessions/{started.json()['id']}/").content.decode()
    assert "hours are as of 3 h ago" in page
    assert "(hours as of 3 h ago)" in client.get("/").content.decode()
    sessions.stop(alice, started.json()["id"])
    calendars.refresh()
    hours_old(25)
    refused = start()
    assert (refused.status_code, refused.json()["code"]) == (503, "calendar_too_old")
    assert "HTTP 500" in refused.json()["message"]
    told.venue.faults.clear()
    calendars.refresh()
    assert start().status_code == 201
    assert "as of" not in client.get("/").content.decode().partition("</header>")[0]


def hours_old(hours: int) -> None:
    """As if the source had been silent for so long; what it was asked meanwhile changes nothing."""
    at = timezone.now() - dt.timedelta(hours=hours)
    CalendarCopy.objects.update(good_at=at)
    calendars.refresh()
    assert CalendarCopy.objects.get().good_at == at
    assert CalendarCopy.objects.get().problem


# --- hours that change within the day ---------------------------------------------------------------------------------


@pytest.mark.row("I8")
@pytest.mark.fault(30)
def test_an_early_close_that_is_announced_in_the_morning_ends_entries_at_noon(alice: User, told: Rig) -> None:
    """The day is replayed at ten minutes a second; the exchange speaks when a few of its bars have closed."""
    session = stock(told, market.walk(11, market.regular_minutes(*days_before(DAY, 2), DAY)), speed=600)
    noon = dt.datetime.combine(DAY, dt.time(12), NEW_YORK)
    announce(told, timezone.now().astimezone(NEW_YORK).date(), **ALL_DAY)  # orders are sent whenever this runs
    with host():
        until(session, lambda: session.cycles.count() >= 5, 60)
        announce(told, DAY, noon.astimezone(dt.UTC), open="09:30", close="12:00")
        over = noon + dt.timedelta(minutes=40)
        until(session, lambda: session.cycles.filter(closed_at__gte=over).exists(), 90)
        finish(alice, told, session)
    check(told, session)
    entries = session.orders.filter(is_entry=True)
    assert entries.filter(decided_at__lte=noon).exists()
    assert not entries.filter(decided_at__gt=noon).exists()
    assert session.decisions.filter(closed_at__gt=noon, outcome="outside_window").exists()


@pytest.mark.row("I8")
@pytest.mark.fault(30)
def test_a_venue_that_closes_before_its_time_gets_one_order_and_fills_it_when_it_opens(alice: User, rig: Rig) -> None:
    """The day's hours change within the day: what is sent then waits there, and nothing is sent again meanwhile."""
    listed = rig.venue.exchange.instruments
    listed["SIM-ALPHA"] = replace(listed["SIM-ALPHA"], calendar="XNYS")
    session = rig.session(**HOLD)
    today = rig.venue.clock.now().astimezone(NEW_YORK).date().isoformat()
    with host():
        until(session, lambda: session.positions.filter(is_open=True).exists())
        until(session, lambda: not session.orders.filter(state__in=("INTENT", "SUBMITTED")).exists())
        rig.control("hours", date=today, closed=True)
        before = len(rig.ledger()["orders"])
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: len(rig.ledger()["orders"]) == before + 1)
        time.sleep(3.0)
        assert len(rig.ledger()["orders"]) == before + 1
        assert state_of(session) == "STOPPING"
        rig.control("hours", date=today, **ALL_DAY)
        rig.price(20)
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    assert session.trades.get(is_entry=False).px == 20


# --- the end of the day (38) ------------------------------------------------------------------------------------------


@pytest.mark.row("I3")
@pytest.mark.fault(38)
def test_a_fraction_is_shown_unprotected_overnight_and_covered_again_in_the_morning(alice: User, told: Rig) -> None:
    ts = market.regular_minutes(*days_before(DAY, 2), DAY)
    flat = np.full(len(ts), 99.7)  # a hundred of them, and a fraction
    session = stock(
        told, BarColumns(ts, flat, flat + 0.01, flat - 0.01, flat, np.full(len(ts), 1_000.0)), speed=60,
        settings={"allow_fractional": True, "stop_loss_pct": 10.0}, **HOLD,
    )  # fmt: skip
    Instrument.objects.update(lot_size=Decimal("0.001"), fractionable=True)
    today = timezone.now().astimezone(NEW_YORK).date()

    def settled() -> bool:
        under_way = ("INTENT", "SUBMITTED", "PENDING_REPLACE", "PENDING_CANCEL")
        return not session.orders.filter(state__in=under_way).exists()

    def is_open() -> bool:
        return spans.is_open("XNYS", time.time_ns())

    announce(told, today, **ALL_DAY)
    with host():
        wait_for(is_open)
        until(session, lambda: len(working(told, "stop")) == 2 and settled(), 60)
        sessions.pause(alice, session.pk)
        part, whole = sorted(working(told, "stop"), key=lambda order: Decimal(order["qty"]))
        assert Decimal(part["qty"]) < 1
        assert (part["time_in_force"], whole["time_in_force"]) == ("day", "gtc")
        # The exchange closes: for us by its hours, at the venue with the end of all DAY orders.
        announce(told, today, closed=True)
        wait_for(lambda: not is_open())
        told.venue.here(lambda: told.venue.exchange.session_ends("SIM-ALPHA"))
        until(session, lambda: session.orders.filter(state="EXPIRED", role=OrderRole.STOP).exists())
        until(session, Notification.objects.filter(owner=alice, event="unprotected_overnight").exists)
        announce(told, today, **ALL_DAY)
        until(session, lambda: len(working(told, "stop")) == 2 and settled())
        assert sum(Decimal(order["qty"]) for order in working(told, "stop")) == held(told)
        finish(alice, told, session)
    check(told, session)
