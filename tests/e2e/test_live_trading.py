"""In a browser: money at a venue, from the first account to the last order, with a worker that is killed in between.

Everything is as it is on a machine of a user: the site, a trading worker and beat in processes of their own, and the
practice venue on a socket. Only what makes time pass is real time.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from playwright.sync_api import Page, expect

from accounts.models import BrokerAccount, User
from bots.models import OrderRole, TradingSession
from bots.orders import WORKING
from tests.accounts.venue import PracticeVenue
from tests.bots.host.hosting import wait_for
from tests.conftest import ROOT
from tradingsite.processes import signal_group, spawn, stop
from tradingsite.up import programs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG_MS = 90_000  # a worker starts, a lease runs out
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(service_env: dict[str, str], practice_venue: PracticeVenue, tmp_path: Path) -> Iterator[Start]:
    """`start("trading_worker")`, `start("beat")`: as `make run` starts it, on this test's database, Redis and venue."""
    env = service_env | {"PRACTICE_VENUE_URL": practice_venue.url, "BROKER_SWEEP_SECONDS": "2"}
    started: list[subprocess.Popen[bytes]] = []

    def one(name: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{name}.log").open("ab") as log:
            started.append(spawn(getattr(programs, name)(), env=env, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT))
        return started[-1]

    yield one
    stop(started, grace_s=10)


def resting(venue: PracticeVenue, kind: str) -> list[dict[str, Any]]:
    """The working orders of this kind that the venue's own ledger has, of its one customer."""
    over = ("filled", "canceled", "expired", "rejected", "replaced")
    (customer,) = venue.ledger().values()
    return [row for row in customer["orders"] if row["type"] == kind and row["status"] not in over]


def held(venue: PracticeVenue, symbol: str = "SIM-ALPHA") -> Decimal:
    (customer,) = venue.ledger().values()
    return Decimal(customer["positions"].get(symbol, "0"))


@pytest.mark.row("I1", "I2", "I3", "I8", "W3", "W9", "N8", "A9")
@pytest.mark.fault(1)
@pytest.mark.timeout(420)
def test_from_no_account_to_the_last_order(
    visit: Callable[..., Page], alice: User, practice_venue: PracticeVenue, start: Start
) -> None:
    start("beat")
    worker = start("trading_worker")
    page = visit(alice)
    page.set_default_timeout(LONG_MS)
    expect.set_options(timeout=LONG_MS)
    page.goto("/brokers/")
    page.get_by_label("Play money").fill("100000")
    page.get_by_role("button", name="Open a practice account").click()
    expect(page.get_by_text("“Practice” is open.")).to_be_visible()

    # A live session with a stop and a target.
    page.get_by_role("link", name="Start a live session").click()
    page.get_by_label("Buy and hold").check()
    page.get_by_label("Synthetic market").check()
    page.get_by_label("Symbols", exact=True).fill("SIM-BETA")
    page.keyboard.press("Enter")
    page.get_by_label("Decides on bars of").select_option("1s")
    page.get_by_text("Stops and targets").click()
    page.get_by_label("Stop loss").fill("10")
    page.get_by_label("Take profit").fill("10")
    page.locator("summary").filter(has_text="Limits").click()
    page.get_by_label("Open positions").fill("1")
    page.get_by_label("Starting cash").fill("20000")
    page.get_by_test_id("start").click()
    expect(page.locator("#session-head").get_by_text("LIVE · PRACTICE")).to_be_visible()
    session = TradingSession.objects.get()

    # It buys; the entry, the stop and the target stand on the page, and rest at the venue.
    expect(page.get_by_test_id("trades")).to_contain_text(re.compile(r"Buy .* SIM-ALPHA"))
    wait_for(lambda: resting(practice_venue, "stop") and resting(practice_venue, "limit"), 30)
    page.goto(f"/sessions/{session.pk}/?tab=orders")
    orders = page.get_by_test_id("orders").get_by_role("row")
    expect(orders.filter(has_text="The strategy’s signal")).to_contain_text("Filled")
    page.get_by_role("link", name="At the venue").click()
    expect(orders.filter(has_text="Stop loss")).to_have_count(1)
    expect(orders.filter(has_text="Take profit")).to_have_count(1)
    page.get_by_role("link", name="Positions").last.click()
    position = page.get_by_test_id("positions").locator("[data-position=SIM-ALPHA]")
    for label in ("Entry", "Stop", "Target"):
        expect(position.locator(f"[data-label={label}]")).to_have_text(re.compile(r"\d"))
    bought = held(practice_venue)
    assert bought > 0
    assert Decimal(resting(practice_venue, "stop")[0]["qty"]) == bought

    # The worker is killed. What rests at the venue covers the position meanwhile; the next worker takes over.
    page.goto(f"/sessions/{session.pk}/")
    fence = TradingSession.objects.get(pk=session.pk).fence
    signal_group(worker, signal.SIGKILL)
    worker.wait()
    assert Decimal(resting(practice_venue, "stop")[0]["qty"]) == bought
    start("trading_worker")
    wait_for(lambda: TradingSession.objects.get(pk=session.pk).fence > fence, 90)
    wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "RUNNING", 60)
    expect(page.get_by_test_id("session-state").first).to_have_text("Running")
    assert held(practice_venue) == bought, "nothing was bought twice"
    assert Decimal(resting(practice_venue, "stop")[0]["qty"]) == bought
    assert session.trades.count() == 1

    # Somebody buys by hand, at the venue itself, what the session may trade and has no slot for.
    account = BrokerAccount.objects.get()
    by_hand = TradingClient(account.api_key.reveal(), account.api_secret.reveal(), url_override=practice_venue.url)
    by_hand.submit_order(
        MarketOrderRequest(symbol="SIM-BETA", qty=3, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    expect(page.get_by_text("Practice: the venue and our books differ").first).to_be_visible()  # a toast says so
    page.get_by_role("link", name="Notifications, 1 unread").click()
    page.get_by_role("link", name="Practice: the venue and our books differ").click()
    expect(page.get_by_role("link", name="Inbox 1 to decide")).to_be_visible()
    found = page.get_by_test_id("difference")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("SIM-BETA position")
    expect(found.get_by_text("+3", exact=True)).to_be_visible()
    found.get_by_test_id("adopt").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The session takes 3 SIM-BETA over as its own")
    dialog.get_by_role("button", name="Adopt").click()
    expect(page.get_by_test_id("agrees")).to_contain_text("Everything agrees")
    page.goto(f"/sessions/{session.pk}/?tab=positions")
    adopted = page.get_by_test_id("positions").locator("[data-position=SIM-BETA]")
    expect(adopted.locator("[data-label=Units]")).to_have_text("3")
    # What was adopted is covered, too.
    expect(adopted.locator("[data-label=Stop]")).to_have_text(re.compile(r"\d"))
    wait_for(lambda: any(row["symbol"] == "SIM-BETA" for row in resting(practice_venue, "stop")), 60)

    # Flatten and stop.
    page.get_by_test_id("stop").click()
    page.get_by_role("radio", name=re.compile("^Close every position")).check()
    page.get_by_test_id("confirm-stop").click()
    expect(page.get_by_test_id("start-again")).to_be_visible()
    expect(page.locator("#session-notices")).to_contain_text("It ended")
    session.refresh_from_db()
    assert session.state == "STOPPED"
    assert held(practice_venue) == held(practice_venue, "SIM-BETA") == 0
    assert not resting(practice_venue, "stop")
    assert not resting(practice_venue, "limit")
    assert not session.orders.filter(state__in=WORKING).exists()
    assert session.orders.filter(role=OrderRole.STOP).exists()

    # What happened, in words, oldest last.
    page.goto(f"/sessions/{session.pk}/?tab=log")
    log = page.get_by_test_id("log")
    for words in ("adopt", "host"):
        expect(log).to_contain_text(re.compile(words, re.IGNORECASE))
    page.goto(f"/brokers/{account.pk}/?tab=executions")
    page.get_by_role("link", name="External only").click()
    expect(page.get_by_test_id("executions").get_by_role("row")).to_have_count(2)
