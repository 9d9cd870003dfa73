"""Pictures of everything that has to do with brokers, for eyes: `pytest tests/e2e/live_screenshots.py`.

Not part of the suite, as `screenshots` beside it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import BrokerAccount, User
from accounts.services import brokers
from bots.live.reconcile import take_down
from bots.models import Discrepancy, Order, OrderRole
from marketdata.models import CalendarCopy, Instrument
from marketdata.services import calendars
from tests.accounts.factories import PASSWORD, BrokerAccountFactory
from tests.accounts.venue import PracticeVenue
from tests.bots.factories import fill_session, make_bot, make_session
from tests.bots.live.made import live_session, truth
from tests.e2e.screenshots import take
from tests.e2e.test_data_health import everything, klines  # noqa: F401
from tests.e2e.test_inbox import account as two_sessions  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


def cover(session: Any) -> None:
    """Give its open position a stop and a target that rest at the venue."""
    position = session.positions.filter(is_open=True).first()
    position.stop_px, position.target_px = position.entry_px * Decimal("0.9"), position.entry_px * Decimal("1.1")
    position.save()
    entry = session.orders.order_by("pk").last()
    for number, (role, kind, reason) in enumerate(
        ((OrderRole.STOP, "stop", "stop_loss"), (OrderRole.TARGET, "limit", "take_profit"))
    ):
        Order.objects.create(
            session=session, broker_account=session.broker_account, seq=500_000_000_000 + number, role=role, kind=kind,
            client_order_id=f"shot-{number}", broker_order_id=f"v-{number}", symbol=position.symbol, side="SELL",
            is_entry=False, qty=position.qty, time_in_force="gtc", reason=reason, state="ACCEPTED",
            decided_at=entry.decided_at, stop_px=position.stop_px if role == OrderRole.STOP else None,
            limit_px=position.target_px if role == OrderRole.TARGET else None, settings_version=1,
        )  # fmt: skip


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_take_the_accounts(
    visit: Callable[..., Page], alice: User, practice_venue: PracticeVenue, settings: Any, width: int, theme: str
) -> None:
    look = f"{width}-{theme}"
    page = visit(alice, width=width, theme=theme)
    page.goto("/brokers/")
    take(page, "brokers none", look)
    settings.LIVE_TRADING = True
    practice = brokers.add_practice(alice)
    refused = BrokerAccountFactory(owner=alice, environment="PAPER", name="Paper at Alpaca")
    brokers.mark_refused(refused, "access key verification failed: it was not found, or was revoked")
    savings = BrokerAccountFactory(owner=alice, environment="LIVE", name="My savings", cash=Decimal(12_500))
    halted = live_session(alice, refused, name="Trend at Alpaca", state="HALTED",
                          state_reason="Paper at Alpaca refuses its keys: it was revoked")  # fmt: skip
    running = fill_session(live_session(alice, practice, name="Golden cross, live"), bars=60)
    cover(running)
    failing = live_session(alice, practice, name="No connection", state="DEGRADED",
                           state_reason="Practice is not connected: the venue does not answer")  # fmt: skip
    pages = {
        "brokers list": "/brokers/", "brokers practice": f"/brokers/{practice.pk}/",
        "brokers sessions": f"/brokers/{practice.pk}/?tab=sessions", "brokers refused": f"/brokers/{refused.pk}/",
        "live start": f"/sessions/new/?account={practice.pk}", "live session": f"/sessions/{running.pk}/",
        "live orders": f"/sessions/{running.pk}/?tab=orders",
        "live positions": f"/sessions/{running.pk}/?tab=positions",
        "live halted": f"/sessions/{halted.pk}/", "live degraded": f"/sessions/{failing.pk}/",
        "brokers confirm": "/accounts/confirm/?next=/brokers/add/alpaca/", "dashboard live": "/",
    }  # fmt: skip
    for name, address in pages.items():
        page.goto(address)
        take(page, name, look)
    page.goto(f"/sessions/{running.pk}/")
    page.get_by_test_id("stop").click()
    take(page, "live stop dialog", look)
    page.goto(f"/sessions/new/?account={savings.pk}")
    page.get_by_label("Symbols", exact=True).fill("SIM-ALPHA")
    page.keyboard.press("Enter")
    page.get_by_label("Synthetic market").check()
    page.get_by_label("Starting cash").fill("1000")
    page.get_by_test_id("start").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    take(page, "live real money dialog", look)
    page.goto("/accounts/confirm/?next=/brokers/add/alpaca/")
    page.get_by_label("Your password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Your name for it").fill("Main")
    page.get_by_label("API key").fill("PKWRONG")
    page.get_by_label("API secret").fill("wrong")
    page.watcher.expect(422)
    page.watcher.expect(503)
    take(page, "brokers add", look)


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_take_the_inbox(
    visit: Callable[..., Page],
    alice: User,
    bob: User,
    two_sessions: BrokerAccount,  # noqa: F811
    width: int,
    theme: str,
) -> None:
    look = f"{width}-{theme}"
    page = visit(alice, width=width, theme=theme)
    for name, address in {
        "inbox open": "/inbox/", "account parts": f"/brokers/{two_sessions.pk}/?tab=parts",
        "account executions": f"/brokers/{two_sessions.pk}/?tab=executions",
        "account flows": f"/brokers/{two_sessions.pk}/?tab=flows", "notifications": "/notifications/",
    }.items():  # fmt: skip
        page.goto(address)
        take(page, name, look)
    page.goto("/inbox/")
    page.get_by_test_id("close").first.click()
    take(page, "inbox dialog", look)
    rows = Discrepancy.objects.filter(state="OPEN")
    for row, state in zip(rows, ("ADOPTED", "CLOSED", "LEFT", "RESOLVED"), strict=False):
        row.state, row.ended_at, row.decided_at, row.decided_by = state, timezone.now(), timezone.now(), alice
        row.save()
    page.goto("/inbox/?show=all")
    take(page, "inbox closed", look)
    quiet: BrokerAccount = BrokerAccountFactory(owner=bob, name="Quiet")
    take_down(quiet, truth(at=timezone.now() - datetime.timedelta(seconds=4)))
    other = visit(bob, width=width, theme=theme)
    other.goto("/inbox/")
    take(other, "inbox agrees", look)


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_take_data_and_hours(
    visit: Callable[..., Page],
    alice: User,
    bob: User,
    everything: None,  # noqa: F811
    settings: Any,
    width: int,
    theme: str,
) -> None:
    look = f"{width}-{theme}"
    settings.LIVE_TRADING = True
    page = visit(alice, width=width, theme=theme)
    savings = BrokerAccountFactory(owner=alice, environment="LIVE", name="My savings", cash=Decimal(12_500))
    bot = make_bot(alice, name="Night owl", mode="LIVE", broker_account=savings, feed="alpaca", symbols=["AAPL"])
    hours_ago = {"good_at": timezone.now() - datetime.timedelta(hours=30), "problem": "It does not answer."}
    calendars.load("XNYS")
    CalendarCopy.objects.filter(calendar="XNYS").update(**hours_ago)
    acme = Instrument.objects.get(symbol="ACME", source="yahoo")
    session = make_session(alice, name="By the exchange's hours", feed="alpaca", symbols=["AAPL"])
    for name, address in {
        "data health": "/data/health/", "data": "/data/", "start real": f"/bots/{bot.pk}/start/",
        "bot of real money": f"/bots/{bot.pk}/", "hours dashboard": "/", "hours session": f"/sessions/{session.pk}/",
        "data of one": f"/data/instruments/{acme.pk}/",
    }.items():  # fmt: skip
        page.goto(address)
        take(page, name, look)
    page.goto(f"/bots/{bot.pk}/start/")
    page.get_by_label("Type the account’s name").fill("my saving")
    page.get_by_label("Your password").fill("not it")
    page.watcher.expect(422)
    page.watcher.expect(400)
    page.get_by_test_id("start-real").click()
    expect(page.get_by_role("alert")).to_be_visible()
    take(page, "start real refused", look)
    page.goto("/risk/")
    page.get_by_label("Close everything").check()
    page.get_by_role("button", name="Stop now").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    take(page, "kill switch dialog", look)
    page.get_by_role("dialog").get_by_role("button", name="Stop now").click()
    expect(page.locator("#stop-progress")).to_be_visible()
    take(page, "kill switch on", look)
    newcomer = visit(bob, width=width, theme=theme)
    for name, address in (("no inbox", "/inbox/"), ("no data health", "/data/health/?source=binance")):
        newcomer.goto(address)
        take(newcomer, name, look)
