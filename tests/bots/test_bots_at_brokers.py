"""Bots that name a broker account: what may be named, where their sessions trade, and what real money asks for."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import BrokerAccount, User
from accounts.services import brokers
from bots.models import Bot, TradingSession
from bots.services import bots, windows
from tests.accounts.factories import PASSWORD, BrokerAccountFactory
from tradingsite.lib.errors import Conflict, NotFound

pytestmark = pytest.mark.django_db(transaction=True)

BOTS = "/api/bots"
BODY: dict[str, Any] = {
    "name": "First", "symbols": ["SIM-ALPHA"], "strategy": "ma_crossover", "timeframe": "1m", "capital": 5_000,
    "feed": "synthetic",
}  # fmt: skip
WHY = "Play money of a test, nothing else"
REAL, SECRET = "AKCANARY0000000000007QXZ", "canary-secret-of-an-account-0000"


@pytest.fixture
def practice(alice: User, practice_venue: Any) -> BrokerAccount:
    """A practice account with 100,000 at a venue that answers."""
    return brokers.add_practice(alice)


@pytest.fixture
def real_money(alice: User, practice_venue: Any, settings: Any) -> BrokerAccount:
    """An account of real money as far as the platform knows; the venue behind it is the practice venue."""
    settings.LIVE_TRADING, settings.ALPACA_LIVE_URL = True, practice_venue.url
    practice_venue.open_account(REAL, SECRET)
    values = {"name": "My savings", "kind": "alpaca", "environment": "LIVE", "api_key": REAL, "api_secret": SECRET}
    return brokers.add(alice, values)


@pytest.fixture
def real_body(real_money: BrokerAccount) -> dict[str, Any]:
    return {**BODY, "mode": "LIVE", "broker_account_id": real_money.pk}


@pytest.mark.row("A9", "B21")
def test_a_bot_starts_where_it_says(alice: User, api: Any, practice: BrokerAccount) -> None:
    client = api(alice)
    made = client.post(BOTS, {**BODY, "mode": "LIVE", "broker_account_id": practice.pk}, format="json")
    assert (made.status_code, made.json()["mode"], made.json()["broker_account"]) == (201, "LIVE", practice.pk)
    bot = Bot.objects.get()
    assert client.post(f"{BOTS}/{bot.pk}/start", {}, format="json").status_code == 201
    session = TradingSession.objects.get()
    assert (session.mode, session.broker_account) == ("LIVE", practice)
    TradingSession.objects.update(state="STOPPED")
    on_paper = client.post(f"{BOTS}/{bot.pk}/start", {"mode": "PAPER"}, format="json")
    assert (on_paper.status_code, on_paper.json()["mode"]) == (201, "PAPER")


@pytest.mark.row("A9")
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"mode": "LIVE", "broker_account_id": None}, 400, "required"),
        ({"mode": "PAPER"}, 400, "conflict"),
        ({"broker_account_id": 999_999}, 404, "not_found"),
        ({"settings": {"size_at": "fill"}}, 400, "needs_matching"),
        ({"feed_options": {"accelerate": 60}}, 400, "conflict"),
        ({"mode": "REAL"}, 400, "unknown_choice"),
    ],
)
def test_what_no_session_could_be_is_no_bot(
    changes: dict[str, Any], status: int, code: str, alice: User, api: Any, practice: BrokerAccount
) -> None:
    answer = api(alice).post(BOTS, {**BODY, "mode": "LIVE", "broker_account_id": practice.pk, **changes}, format="json")
    said = answer.json()
    assert answer.status_code == status, said
    assert code in (said["code"], *(fault["code"] for fault in said.get("errors", []))), said
    assert not Bot.objects.exists()


@pytest.mark.row("A9")
def test_another_users_account_and_a_closed_one_are_refused(alice: User, bob: User, practice: BrokerAccount) -> None:
    live = {**BODY, "mode": "LIVE", "broker_account_id": practice.pk}
    with pytest.raises(NotFound):
        bots.create(bob, live)
    bot = bots.create(alice, live)
    BrokerAccount.objects.filter(pk=practice.pk).update(state="CLOSED", closed_at=timezone.now())
    for act in (
        lambda: bots.create(alice, {**live, "name": "Second"}), lambda: bots.start(alice, bot.pk),
        lambda: bots.update(alice, bot.pk, {"capital": 6_000}),
    ):  # fmt: skip
        with pytest.raises(Conflict) as refused:
            act()
        assert refused.value.code == "not_active"
    paper = bots.update(alice, bot.pk, {"mode": "PAPER"})
    assert (paper.mode, paper.broker_account) == ("PAPER", None)


@pytest.mark.row("A9", "C13")
def test_an_account_stays_with_its_owner(alice: User, bob: User, practice: BrokerAccount) -> None:
    bot = bots.create(alice, {**BODY, "mode": "LIVE", "broker_account_id": practice.pk})
    twin = bots.clone(alice, bot.pk)
    assert (twin.mode, twin.broker_account) == ("LIVE", practice)
    assert bots.update(alice, bot.pk, {"capital": 6_000}).broker_account == practice
    document = bots.export_config(alice, bot.pk)
    assert not {"mode", "broker_account_id"} & set(document["bot"])
    given = bots.import_config(bob, document)
    assert (given.mode, given.broker_account) == ("PAPER", None)


@pytest.mark.row("A9", "N8", "S17", "W7")
@pytest.mark.parametrize("through", ["bot", "session"])
def test_real_money_of_a_bot_asks_for_the_password_and_a_passport(
    through: str, alice: User, api: Any, real_body: dict[str, Any]
) -> None:
    bot, program = bots.create(alice, real_body), api(alice)
    url = f"{BOTS}/{bot.pk}/start" if through == "bot" else "/api/trading/sessions/start"
    body = {} if through == "bot" else {"bot_id": bot.pk}
    missing = program.post(url, body, format="json")
    assert (missing.status_code, missing.json()["code"]) == (403, "step_up_required")
    assert program.post(url, {**body, "password": "guess"}, format="json").status_code == 400
    unproven = program.post(url, {**body, "password": PASSWORD}, format="json")
    assert (unproven.status_code, unproven.json()["code"]) == (422, "needs_passport")
    meant = {**body, "password": PASSWORD, "passport_override": WHY}
    assert program.post(url, meant, format="json").status_code == 201
    assert TradingSession.objects.get().mode == "LIVE"


@pytest.mark.row("A9", "W20")
def test_real_money_is_started_by_hand_and_only_where_it_is_on(
    alice: User, api: Any, real_body: dict[str, Any], settings: Any
) -> None:
    by_window = api(alice).post(BOTS, {**real_body, "run": "window"}, format="json")
    assert (by_window.status_code, by_window.json()["errors"][0]["path"]) == (400, "run")
    bot = bots.create(alice, real_body)
    Bot.objects.filter(pk=bot.pk).update(run="window")
    assert windows.open_due(datetime.datetime(2026, 11, 25, 16, tzinfo=datetime.UTC)) == []
    settings.LIVE_TRADING = False
    off = api(alice).post(f"{BOTS}/{bot.pk}/start", {"password": PASSWORD, "passport_override": WHY}, format="json")
    assert (off.status_code, off.json()["code"]) == (422, "live_trading_off")
    assert not TradingSession.objects.exists()


@pytest.mark.row("A9", "O1")
def test_the_form_names_the_account_and_the_page_shows_it(alice: User, client: Any, practice: BrokerAccount) -> None:
    client.force_login(alice)
    assert practice.name in client.get(reverse("bots:new")).content.decode()
    typed = {
        "name": "Night owl", "strategy": "ma_crossover", "parameters_of": "ma_crossover", "symbols": "SIM-ALPHA",
        "timeframe": "1m", "preset": "standard", "capital": "5000", "trading_frequency": "60", "run": "manual",
        "stop_policy": "keep", "feed": "synthetic", "broker_account_id": str(practice.pk), "confirm_cautions": "true",
        "strategy_parameters.fast_window": "7", "strategy_parameters.slow_window": "21",
        "strategy_parameters.ma_type": "SMA", "strategy_parameters.min_strength_threshold": "0.001",
    }  # fmt: skip
    saved = client.post(reverse("bots:new"), typed)
    bot = Bot.objects.get()
    assert saved.status_code == 302
    assert (bot.mode, bot.broker_account) == ("LIVE", practice)
    shown = client.get(reverse("bots:bot", args=[bot.pk])).content.decode()
    assert practice.name in shown
    assert "LIVE" in shown
    client.post(reverse("bots:start", args=[bot.pk]), {"key": "once"})
    assert TradingSession.objects.get().broker_account == practice
    TradingSession.objects.update(state="STOPPED")
    foreign = BrokerAccountFactory()
    gone = client.post(reverse("bots:edit", args=[bot.pk]), {**typed, "broker_account_id": str(foreign.pk)})
    assert (gone.status_code, "not in use" in gone.content.decode()) == (400, True)
    client.post(reverse("bots:edit", args=[bot.pk]), {**typed, "broker_account_id": ""})
    bot.refresh_from_db()
    assert (bot.mode, bot.broker_account) == ("PAPER", None)


@pytest.mark.row("A9", "N8", "S17", "W7")
def test_the_page_asks_for_the_accounts_name_before_real_money(
    alice: User, client: Any, real_body: dict[str, Any], real_money: BrokerAccount
) -> None:
    client.force_login(alice)
    bot = bots.create(alice, real_body)
    url = reverse("bots:start", args=[bot.pk])
    assert f'href="{url}"' in client.get(reverse("bots:bot", args=[bot.pk])).content.decode()
    page = client.get(url)
    assert "REAL MONEY" in page.content.decode()
    named = {"confirm_account": real_money.name}
    for sent, status, field, words in (
        ({"confirm_account": "Another"}, 400, "confirm_account", "type the account’s name"),
        (named, 403, "password", "Your password, once more"),
        (named | {"password": "guess"}, 400, "password", "not your password"),
        (named | {"password": PASSWORD}, 422, "passport_override", "passing robustness passport"),
    ):
        refused = client.post(url, sent)
        assert refused.status_code == status, sent
        shown = refused.content.decode()
        beside = shown.partition(f'id="f-{field}-error">')[2].partition("<")[0]
        assert words in beside, "what is wrong stands beside its field"
        assert f'value="{sent["confirm_account"]}"' in shown, "what was typed is kept"
        assert "guess" not in shown
    assert not TradingSession.objects.exists()
    meant = {"confirm_account": real_money.name, "password": PASSWORD, "passport_override": WHY}
    assert client.post(url, meant).status_code == 302
    assert TradingSession.objects.get().broker_account == real_money
