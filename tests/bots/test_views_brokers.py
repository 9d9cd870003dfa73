"""Settings → Broker accounts, and LIVE in the pages that start and show sessions."""

from __future__ import annotations

import datetime
import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, BrokerAccount
from accounts.services import brokers, stepup
from backtests.models import Passport
from backtests.proof import VERSION
from backtests.proof.selectors import choice_of
from backtests.runner import config as run_config
from bots.models import Mode, TradingSession
from bots.services import sessions
from strategies import catalogue
from tests.accounts.factories import PASSWORD, BrokerAccountFactory
from tests.bots.factories import make_session
from tests.bots.live.made import live_session

KEY, SECRET = "PKCANARY0000000000007QXZ", "canary-secret-of-an-account-0000"
REAL = "AKCANARY0000000000007QXZ"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(alice, client) -> Client:
    client.force_login(alice)
    return client


def text_of(page) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def confirm(browser: Client) -> None:
    assert browser.post("/accounts/confirm/", {"password": PASSWORD}).status_code == 302


@pytest.fixture
def paper_network(practice_venue, settings):
    settings.ALPACA_PAPER_URL = practice_venue.url
    practice_venue.open_account(KEY, SECRET)
    return practice_venue


@pytest.fixture
def real_money(alice, practice_venue, settings) -> BrokerAccount:
    """An account of real money as far as the platform knows; the venue behind it is the practice venue."""
    settings.LIVE_TRADING, settings.ALPACA_LIVE_URL = True, practice_venue.url
    practice_venue.open_account(REAL, SECRET)
    values = {"name": "My savings", "kind": "alpaca", "environment": "LIVE", "api_key": REAL, "api_secret": SECRET}
    return brokers.add(alice, values)


@pytest.mark.row("A9")
def test_nothing_there_is_explained_and_one_click_opens_a_practice_account(browser, alice, practice_venue):
    page = browser.get("/brokers/")
    assert "You have no account yet" in text_of(page)
    assert "Real money is switched off" in text_of(page)
    assert "Broker accounts" in text_of(browser.get("/accounts/settings/"))
    opened = browser.post("/brokers/practice/", {"cash": "25000"}, follow=True)
    account = BrokerAccount.objects.get(owner=alice)
    assert opened.redirect_chain == [(f"/brokers/{account.pk}/", 302)]
    for words in ("PRACTICE", "Keys accepted", "25,000.00", "Start a live session"):
        assert words in text_of(opened)
    assert account.api_secret.reveal() not in opened.content.decode()
    listed = browser.get("/brokers/")
    assert f"…{account.api_key.ending}" in text_of(listed)


@pytest.mark.row("A9")
def test_a_practice_venue_that_is_down_is_told_and_nothing_is_kept(browser, settings):
    page = browser.post("/brokers/practice/", {"cash": "25000"})
    assert page.status_code == 503
    assert "does not answer" in text_of(page)
    assert browser.post("/brokers/practice/", {"cash": "much"}).status_code == 400
    settings.PRACTICE_VENUE = False
    assert "Open a practice account" not in text_of(browser.get("/brokers/"))


@pytest.mark.row("A9", "W20")
def test_keys_are_typed_after_the_password_and_only_good_ones_are_kept(browser, alice, paper_network):
    sent_on = browser.get("/brokers/add/alpaca/")
    assert (sent_on.status_code, sent_on["Location"]) == (
        302, "/accounts/confirm/?next=%2Fbrokers%2Fadd%2Falpaca%2F",
    )  # fmt: skip
    wrong = browser.post(sent_on["Location"], {"password": "guess"})
    assert "This is not your password." in text_of(wrong)
    back = browser.post("/accounts/confirm/", {"password": PASSWORD, "next": "/brokers/add/alpaca/"})
    assert back["Location"] == "/brokers/add/alpaca/"
    assert "Switched off on this installation." in text_of(browser.get("/brokers/add/alpaca/"))

    typed = {"name": "My paper", "environment": "PAPER", "api_key": KEY, "api_secret": "not-the-secret-of-it"}
    refused = browser.post("/brokers/add/alpaca/", typed)
    assert refused.status_code == 422
    assert "The venue refuses these keys." in text_of(refused)
    assert 'value="My paper"' in refused.content.decode()
    assert KEY not in refused.content.decode()
    assert "not-the-secret-of-it" not in refused.content.decode()
    assert browser.post("/brokers/add/alpaca/", {**typed, "api_secret": SECRET}).status_code == 302
    account = BrokerAccount.objects.get(owner=alice)
    assert (account.environment, account.api_secret.reveal()) == ("PAPER", SECRET)
    assert "PAPER NETWORK" in text_of(browser.get(f"/brokers/{account.pk}/"))


@pytest.mark.row("A9")
def test_five_minutes_later_the_form_asks_for_the_password_itself(browser, alice, paper_network):
    confirm(browser)
    login = browser.session
    login["stepped_up_at"] = (timezone.now() - stepup.LASTS - datetime.timedelta(seconds=1)).timestamp()
    login.save()
    typed = {"name": "My paper", "environment": "PAPER", "api_key": KEY, "api_secret": SECRET}
    late = browser.post("/brokers/add/alpaca/", typed)
    assert (late.status_code, "five minutes have passed" in text_of(late)) == (400, True)
    assert not BrokerAccount.objects.exists()
    assert browser.post("/brokers/add/alpaca/", {**typed, "password": PASSWORD}).status_code == 302
    assert BrokerAccount.objects.filter(owner=alice).count() == 1


def test_the_password_sends_nobody_to_another_site(browser):
    away = browser.post("/accounts/confirm/", {"password": PASSWORD, "next": "https://evil.example/brokers/"})
    assert away["Location"] == "/accounts/settings/"


@pytest.mark.row("A9")
def test_a_refused_account_says_what_the_venue_said_and_what_to_do(browser, alice):
    account = BrokerAccountFactory(owner=alice)
    make_session(alice, mode=Mode.LIVE, broker_account=account)
    brokers.mark_refused(account, "access key was revoked")
    page = text_of(browser.get(f"/brokers/{account.pk}/"))
    for words in ("Keys refused", "access key was revoked", "sessions on other accounts go on", "Replace the keys"):
        assert words in page
    assert "Start a live session" not in page
    assert "access key was revoked" in text_of(browser.get("/brokers/"))


@pytest.mark.row("A9")
def test_an_account_is_renamed_replaced_checked_and_closed_on_its_page(browser, alice, practice_venue):
    account = brokers.add_practice(alice)
    one = f"/brokers/{account.pk}/"
    assert browser.post(f"{one}change/", {"name": "Renamed", "opposite_orders": "net"}).status_code == 302
    assert browser.post(f"{one}change/", {"name": "", "opposite_orders": "net"}).status_code == 400
    assert browser.get(f"{one}keys/").status_code == 302
    confirm(browser)
    assert browser.get(f"{one}keys/").status_code == 200
    assert browser.post(f"{one}keys/", {"api_key": KEY, "api_secret": "wrong-secret-0"}).status_code == 422
    same = {"api_key": account.api_key.reveal(), "api_secret": account.api_secret.reveal()}
    assert browser.post(f"{one}keys/", same).status_code == 302
    assert "The venue takes the keys." in text_of(browser.post(f"{one}check/", follow=True))
    session = make_session(alice, mode=Mode.LIVE, broker_account=account)
    assert str(session) in text_of(browser.get(f"{one}?tab=sessions"))
    assert "Stop them first" in text_of(browser.post(f"{one}close/", follow=True))
    TradingSession.objects.update(state="STOPPED", ended_at=timezone.now())
    assert "its keys are forgotten" in text_of(browser.post(f"{one}close/", follow=True))
    account.refresh_from_db()
    assert (account.name, account.opposite_orders, account.state) == ("Renamed", "net", "CLOSED")
    assert "Closed accounts (1)" in text_of(browser.get("/brokers/"))


FORM = {
    "mode": "LIVE",
    "strategy": "ma_crossover",
    "symbols": "SIM-ALPHA",
    "timeframe": "1m",
    "preset": "standard",
    "feed": "synthetic",
    "initial_cash": "10000",
    "key": "k",
}


@pytest.mark.row("N8", "A9")
def test_a_live_session_on_the_practice_venue_starts_from_the_form(browser, alice, practice_venue):
    account = brokers.add_practice(alice)
    form = browser.get(f"/sessions/new/?account={account.pk}")
    page = text_of(form)
    assert f'<option value="{account.pk}" selected>{account}</option>' in form.content.decode(), "its own prices"
    assert "LIVE · PRACTICE" in page
    assert "Free there: 100,000.00 USD" in page
    assert "Choose one" in text_of(browser.get("/sessions/part/?part=mode&mode=LIVE"))
    started = browser.post("/sessions/new/", {**FORM, "broker_account_id": str(account.pk)})
    session = TradingSession.objects.get()
    assert started["Location"] == f"/sessions/{session.pk}/"
    assert (session.mode, session.broker_account) == ("LIVE", account)
    shown = text_of(browser.get(f"/sessions/{session.pk}/"))
    assert "LIVE · PRACTICE" in shown
    assert f"on {account.name}" in shown
    assert "Free there: 90,000.00 USD" in text_of(browser.get(f"/sessions/new/?from={session.pk}"))
    next_one = browser.get(f"/sessions/new/?account={account.pk}").context["form"]
    assert next_one.values["initial_cash"] == "90000", "what is left, not more than that"


@pytest.mark.row("N8")
def test_live_without_an_account_is_no_session(browser, alice, bob, practice_venue):
    assert "Open a practice account in one click" in text_of(browser.get("/sessions/part/?part=mode&mode=LIVE"))
    nothing = browser.post("/sessions/new/", FORM)
    assert (nothing.status_code, "LIVE session trades at a broker account" in text_of(nothing)) == (400, True)
    his = BrokerAccountFactory(owner=bob)
    foreign = browser.post("/sessions/new/", {**FORM, "broker_account_id": str(his.pk)})
    assert (foreign.status_code, his.name in text_of(foreign)) == (400, False)
    refused = BrokerAccountFactory(owner=alice, state="REFUSED", state_reason="revoked")
    gone = browser.post("/sessions/new/", {**FORM, "broker_account_id": str(refused.pk)})
    assert (gone.status_code, "not in use" in text_of(gone)) == (400, True)
    assert not TradingSession.objects.exists()


@pytest.mark.row("N8", "A9", "S17", "W7")
def test_real_money_needs_the_accounts_name_and_the_password(browser, alice, real_money):
    body = {**FORM, "broker_account_id": str(real_money.pk)}
    page = browser.get(f"/sessions/new/?account={real_money.pk}")
    assert "LIVE · REAL MONEY" in text_of(page)
    assert 'id="real-money"' in page.content.decode()
    for sent, status, words in (
        ({}, 400, "type the account’s name"),
        ({"confirm_account": "My saving"}, 400, "type the account’s name"),
        ({"confirm_account": "My savings"}, 403, "Give your password once more"),
        ({"confirm_account": "My savings", "password": "guess"}, 400, "not your password"),
    ):
        refused = browser.post("/sessions/new/", {**body, **sent})
        assert (refused.status_code, words in text_of(refused)) == (status, True), sent
    assert not TradingSession.objects.exists()
    unproven = browser.post("/sessions/new/", {**body, "confirm_account": "My savings", "password": PASSWORD})
    assert (unproven.status_code, "asks for a passing robustness passport" in text_of(unproven)) == (422, True)
    meant = {"confirm_account": " my  savings ", "passport_override": "Play money of a test, nothing else"}
    assert browser.post("/sessions/new/", {**body, **meant}).status_code == 302
    session = TradingSession.objects.get()
    assert session.broker_account == real_money
    assert "LIVE · REAL MONEY" in text_of(browser.get("/"))  # on every page, in the frame
    assert AuditEvent.objects.filter(chain=alice.pk, action="stepup.confirmed").exists()


@pytest.mark.row("A9", "S17", "W7")
@pytest.mark.parametrize("url", ["/api/trading/sessions/start", "/api/trading/start"])
def test_a_program_gives_the_password_with_real_money(alice, api, real_money, url):
    body = {
        "mode": "LIVE", "broker_account_id": real_money.pk, "strategy": "ma_crossover", "symbols": ["SIM-ALPHA"],
        "feed": "synthetic", "initial_cash": 10_000,
    }  # fmt: skip
    program = api(alice)
    missing = program.post(url, body)
    assert (missing.status_code, missing.json()["code"]) == (403, "step_up_required")
    assert program.post(url, {**body, "password": "guess"}).status_code == 400
    unproven = program.post(url, {**body, "password": PASSWORD})
    assert (unproven.status_code, unproven.json()["code"]) == (422, "needs_passport")
    assert unproven.json()["errors"][0]["path"] == "passport_override"
    short = program.post(url, {**body, "password": PASSWORD, "passport_override": "because"})
    assert (short.status_code, short.json()["errors"][0]["path"]) == (400, "passport_override")
    why = "Ten years of it at another broker"
    started = program.post(url, {**body, "password": PASSWORD, "passport_override": why})
    assert started.status_code == 201
    kept = AuditEvent.objects.get(chain=alice.pk, action="session.passport")
    assert json.loads(kept.detail_text)["reason"] == why


@pytest.mark.row("W7")
def test_what_a_backtest_proved_is_what_a_session_may_trade(alice, api, real_money):
    """The same strategy, symbols, timeframe and settings, as the two apps write them down: one fingerprint."""
    same = {
        "strategy": "ma_crossover", "strategy_parameters": {"fast_window": 7}, "symbols": ["SIM-BETA", "SIM-ALPHA"],
        "timeframe": "1m", "settings": {"stop_loss_pct": 2},
    }  # fmt: skip
    config = run_config.clean({**same, "source": "import"}).as_dict()
    Passport.objects.create(
        owner=alice, state="DONE", verdict="pass", config=config, choice=choice_of(config).fingerprint(),
        document={"findings": []}, data_key="x" * 64, strategy="ma_crossover", symbols=same["symbols"],
        timeframe="1m", strategy_version=catalogue.get("ma_crossover").version(), proof_version=VERSION,
    )  # fmt: skip
    live = {"mode": "LIVE", "broker_account_id": real_money.pk, "feed": "synthetic", "password": PASSWORD}
    body = {**same, **live, "initial_cash": 10_000}
    program = api(alice)
    other = program.post("/api/trading/sessions/start", {**body, "settings": {"stop_loss_pct": 3}})
    assert (other.status_code, other.json()["code"]) == (422, "needs_passport")
    assert program.post("/api/trading/sessions/start", body).status_code == 201
    assert not AuditEvent.objects.filter(chain=alice.pk, action="session.passport").exists()


@pytest.mark.row("A9")
def test_real_money_that_was_switched_off_starts_nothing(browser, alice, real_money, settings):
    settings.LIVE_TRADING = False
    page = browser.get(f"/brokers/{real_money.pk}/")
    assert "Real money is switched off" in text_of(page)
    sent = {**FORM, "broker_account_id": str(real_money.pk), "confirm_account": "My savings", "password": PASSWORD}
    refused = browser.post("/sessions/new/", sent)
    assert (refused.status_code, "off on this installation" in text_of(refused)) == (400, True)
    assert not TradingSession.objects.exists()


@pytest.mark.row("N8")
def test_the_frame_says_what_the_most_dangerous_session_trades_with(browser, alice):
    assert "PAPER" in text_of(browser.get("/"))
    make_session(alice, mode=Mode.LIVE, broker_account=BrokerAccountFactory(owner=alice))
    assert "LIVE · PRACTICE" in text_of(browser.get("/data/"))
    real = BrokerAccountFactory(owner=alice, environment="LIVE")
    live = make_session(alice, mode=Mode.LIVE, broker_account=real, state="HALTED")
    assert "LIVE · REAL MONEY" in text_of(browser.get("/data/"))
    sessions.stop(alice, live.pk)
    assert "LIVE · PRACTICE" in text_of(browser.get("/data/"))


@pytest.mark.row("N1")
def test_the_dashboard_says_where_real_money_is_in_its_sum(alice, browser: Client) -> None:
    make_session(alice)
    assert "1 session, no real money" in text_of(browser.get("/"))
    live_session(alice, BrokerAccountFactory(owner=alice, environment="LIVE"))
    live_session(alice, BrokerAccountFactory(owner=alice, environment="PAPER"))
    assert "3 sessions, 1 with real money" in text_of(browser.get("/"))
