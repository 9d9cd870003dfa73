"""In a browser: from no account to a LIVE session that trades on the practice venue; what stands before real money."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import BrokerAccount, User
from accounts.services import brokers
from bots.models import BrokerExecution, Mode, TradingSession
from tests.accounts.factories import PASSWORD, BrokerAccountFactory
from tests.accounts.venue import PracticeVenue
from tests.bots.factories import make_session
from tests.bots.host.hosting import host, wait_for
from tests.e2e.test_every_page import look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
REAL, SECRET = "AKCANARY0000000000007QXZ", "canary-secret-of-an-account-0000"


@pytest.mark.row("N8", "A9")
@pytest.mark.timeout(180)
def test_from_no_account_to_a_session_that_trades(
    visit: Callable[..., Page], alice: User, practice_venue: PracticeVenue
) -> None:
    page = visit(alice)
    page.goto("/accounts/settings/")
    page.get_by_role("link", name="Broker accounts").click()
    expect(page.get_by_text("You have no account yet")).to_be_visible()
    page.get_by_label("Play money").fill("50000")
    page.get_by_role("button", name="Open a practice account").click()
    expect(page.get_by_text("“Practice” is open.")).to_be_visible()
    page.get_by_role("link", name="Start a live session").click()
    page.wait_for_load_state()

    mode = page.locator("#mode")
    expect(mode.get_by_text("LIVE · PRACTICE")).to_be_visible()
    expect(mode).to_contain_text("Free there: 50,000.00 USD")
    page.get_by_role("radio", name=re.compile("^Paper Simulated")).check()
    expect(mode.get_by_label("Broker account", exact=True)).to_have_count(0)
    page.get_by_role("radio", name=re.compile("^Live Orders")).check()
    expect(page.locator("#f-mode-live")).to_be_focused()  # the part was drawn anew, the keyboard stays where it was
    mode.get_by_label("Broker account", exact=True).select_option(label="Practice: 50,000.00 free")
    expect(mode).to_contain_text("Free there: 50,000.00 USD")

    page.get_by_label("Buy and hold").check()
    page.get_by_label("Synthetic market").check()
    page.get_by_label("Decides on bars of").select_option("1s")
    page.get_by_label("Starting cash").fill("60000")
    page.watcher.expect(422)  # type: ignore[attr-defined]
    page.get_by_test_id("start").click()
    expect(page.locator("#form-refused")).to_contain_text("50,000.00 USD that no session uses")
    page.get_by_label("Starting cash").fill("20000")
    page.get_by_test_id("start").click()

    expect(page.locator("#session-head").get_by_text("LIVE · PRACTICE")).to_be_visible()
    session = wait_for(lambda: TradingSession.objects.filter(owner=alice).first())
    assert (session.mode, session.initial_cash, session.broker_account.name) == ("LIVE", 20_000, "Practice")
    with host():
        wait_for(lambda: session.trades.exists(), 90)
        expect(page.get_by_test_id("trades")).to_contain_text("Buy")
        expect(page.locator(".topbar").get_by_text("LIVE · PRACTICE")).to_be_visible()
    bought = session.trades.get()
    execution = BrokerExecution.objects.get(session=session)
    assert (execution.qty, execution.px) == (bought.qty, bought.px)
    account = BrokerAccount.objects.get()
    held = practice_venue.ledger()[account.api_key.reveal()]["positions"]
    assert {symbol: Decimal(qty) for symbol, qty in held.items()} == {"SIM-ALPHA": bought.qty}

    page.goto(f"/brokers/{account.pk}/?tab=sessions")
    expect(page.get_by_test_id("sessions")).to_contain_text("LIVE · PRACTICE")
    expect(page.get_by_role("button", name="Close")).to_be_disabled()


@pytest.mark.row("A9", "S17", "N8", "W7")
def test_real_money_is_asked_for_by_name_and_password(
    visit: Callable[..., Page], alice: User, practice_venue: PracticeVenue, settings: Any
) -> None:
    settings.LIVE_TRADING, settings.ALPACA_LIVE_URL = True, practice_venue.url
    practice_venue.open_account(REAL, SECRET)
    page = visit(alice)
    page.goto("/brokers/")
    page.get_by_role("link", name="Add an account: Alpaca").click()
    expect(page.get_by_role("heading", name="Your password, once more")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Your name for it").fill("My savings")
    page.get_by_role("radio", name=re.compile("^Real money")).check()
    page.get_by_label("API key").fill(REAL)
    page.get_by_label("API secret").fill("wrong-secret-of-it")
    page.watcher.expect(422)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Try the keys and add").click()
    expect(page.get_by_role("alert")).to_contain_text("The venue refuses these keys.")
    expect(page.get_by_label("API secret")).to_have_value("")
    page.get_by_label("API key").fill(REAL)
    page.get_by_label("API secret").fill(SECRET)
    page.get_by_role("button", name="Try the keys and add").click()
    expect(page.locator(".page-note").get_by_text("REAL MONEY")).to_be_visible()

    page.get_by_role("link", name="Start a live session").click()
    page.get_by_label("Symbols", exact=True).fill("SIM-ALPHA")
    page.keyboard.press("Enter")
    page.get_by_label("Synthetic market").check()
    page.get_by_label("Starting cash").fill("1000")
    page.get_by_test_id("start").click()
    dialog = page.get_by_role("dialog", name="Start on “My savings”?")
    expect(dialog).to_be_visible()
    meant = dialog.get_by_role("button", name="Start with real money")
    expect(meant).to_be_disabled()
    dialog.get_by_label("Type the account’s name").fill("my saving")
    expect(meant).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert not TradingSession.objects.exists()
    page.get_by_test_id("start").click()
    dialog.get_by_label("Type the account’s name").fill("my savings")
    page.watcher.expect(422)  # type: ignore[attr-defined]
    meant.click()
    expect(page.get_by_text("asks for a passing robustness passport").first).to_be_visible()
    assert not TradingSession.objects.exists()
    page.get_by_test_id("start").click()
    dialog.get_by_label("Type the account’s name").fill("my savings")
    dialog.get_by_text("If it has no passing robustness passport").click()
    dialog.get_by_label("Why it may trade real money all the same").fill("Play money of a test, nothing else")
    meant.click()
    expect(page.locator(".topbar").get_by_text("LIVE · REAL MONEY")).to_be_visible()
    assert TradingSession.objects.get().broker_account.name == "My savings"


@pytest.mark.row("N11", "A9")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_pages_of_accounts_are_readable_and_fit(
    visit: Callable[..., Page], alice: User, practice_venue: PracticeVenue, settings: Any, width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    faults = [f"nothing there: {fault}" for fault in look(page, "/brokers/")]
    settings.LIVE_TRADING = True
    brokers.add_practice(alice, name="A name " + "that goes on and on " * 3)
    refused = BrokerAccountFactory(owner=alice, environment="PAPER", name="Refused")
    brokers.mark_refused(refused, "access key was revoked " * 9)
    real = BrokerAccountFactory(owner=alice, environment="LIVE", name="Savings", kind="ccxt")
    make_session(alice, mode=Mode.LIVE, broker_account=real)
    closed = brokers.close(alice, BrokerAccountFactory(owner=alice).pk)
    for name, address in {
        "the list": "/brokers/",
        "a refused one": f"/brokers/{refused.pk}/",
        "real money": f"/brokers/{real.pk}/",
        "its sessions": f"/brokers/{real.pk}/?tab=sessions",
        "a closed one": f"/brokers/{closed.pk}/",
        "the password": "/accounts/confirm/",
        "a live session": f"/sessions/new/?account={real.pk}",
    }.items():
        faults += [f"{name}: {fault}" for fault in look(page, address)]
    page.goto("/accounts/confirm/?next=/brokers/add/ccxt/")
    page.get_by_label("Your password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Exchange")).to_be_visible()
    for name, address in {"add": "/brokers/add/ccxt/", "replace": f"/brokers/{refused.pk}/keys/"}.items():
        faults += [f"{name}: {fault}" for fault in look(page, address)]
    assert not faults, "\n".join(faults)
