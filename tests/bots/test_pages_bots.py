"""Pages that start a session and that keep bots: the forms, their checks, the tier's limit, and what the buttons do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Tier, User
from bots.models import Bot, TradingSession
from tests.bots.factories import fill_session, make_bot, make_session

pytestmark = pytest.mark.django_db

SESSION = {
    "key": "drawn",
    "strategy": "ma_crossover",
    "parameters_of": "ma_crossover",
    "strategy_parameters.fast_window": "7",
    "strategy_parameters.slow_window": "21",
    "strategy_parameters.ma_type": "SMA",
    "strategy_parameters.min_strength_threshold": "0.001",
    "feed": "synthetic",
    "feed_options.accelerate": "10",
    "feed_options.ticks_per_s": "2",
    "symbols": ["SIM-ALPHA", "sim-beta, SIM-GAMMA"],
    "timeframe": "1m",
    "preset": "conservative",
    "initial_cash": "25,000",
    "name": "From the form",
}
BOT = {
    **SESSION,
    "name": "Night owl",
    "capital": "5000",
    "trading_frequency": "30",
    "run": "window",
    "stop_policy": "keep",
    "description": "While others sleep",
}


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def start(browser: Client, **changes: Any) -> Any:
    return browser.post(reverse("bots:new-session"), {**SESSION, **changes})


@pytest.mark.row("C1", "O1")
def test_the_form_starts_a_session_as_it_says(browser: Client, alice: User) -> None:
    assert browser.get(reverse("bots:new-session")).status_code == 200
    answer = start(browser)
    session = TradingSession.objects.get()
    assert answer["Location"] == reverse("bots:session", args=[session.pk])
    assert (session.owner, session.name, session.state) == (alice, "From the form", "SCHEDULED")
    assert session.symbols == ["SIM-ALPHA", "SIM-BETA", "SIM-GAMMA"]
    assert session.initial_cash == Decimal(25_000)
    assert session.strategy_parameters["fast_window"] == 7
    assert session.feed_options["accelerate"] == 10
    assert session.settings.stop_loss_pct == 2
    # the same form sent twice is one session
    assert start(browser)["Location"] == answer["Location"]
    assert TradingSession.objects.count() == 1


def test_a_scheduled_end_is_typed_in_the_own_zone(browser: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(timezone="America/New_York")
    start(browser, scheduled_end_time="2027-07-01T16:00")
    assert TradingSession.objects.get().scheduled_end_time.isoformat() == "2027-07-01T20:00:00+00:00"


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"initial_cash": "a lot"}, "initial_cash", "not a number"),
        ({"initial_cash": "-5"}, "initial_cash", ""),
        ({"symbols": []}, "symbols", "Choose at least one symbol."),
        ({"symbols": ["AAPL"]}, "symbols", "SIM-"),
        ({"strategy_parameters.fast_window": "0"}, "strategy_parameters-fast_window", "1 to 1000"),
        ({"feed_options.ticks_per_s": "many"}, "feed_options-ticks_per_s", "not a number"),
        ({"scheduled_end_time": "soon"}, "scheduled_end_time", "Choose a day and a time."),
        ({"scheduled_end_time": "2001-01-01T00:00"}, "scheduled_end_time", ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_stands_at_its_field_and_is_kept(
    browser: Client, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = start(browser, **changes)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert f'href="#f-{field}"' in text
    assert words in text
    assert "From the form" in text
    assert not TradingSession.objects.exists()


@pytest.mark.row("A3")
def test_at_the_tiers_limit_it_shows_current_maximum_and_the_active_sessions(browser: Client, alice: User) -> None:
    running = make_session(alice, name="Already there")
    answer = start(browser)
    text = answer.content.decode()
    assert answer.status_code == 403
    assert 'data-testid="limit-current">1<' in text
    assert 'data-testid="limit-maximum">1<' in text
    assert reverse("bots:session", args=[running.pk]) in text.split('data-testid="active-sessions"')[1]
    assert "From the form" in text
    assert TradingSession.objects.count() == 1


def test_unusual_settings_ask_for_a_confirmation(browser: Client) -> None:
    odd = {"settings_of": "conservative", "settings.position_size_value": "60", "settings.trading_days": ["MON"]}
    answer = start(browser, **odd)
    assert answer.status_code == 422
    assert "I mean it" in answer.content.decode()
    assert start(browser, **odd, confirm_cautions="true").status_code == 302
    assert TradingSession.objects.get().settings.position_size_value == 60


def test_the_live_check_says_what_is_wrong_and_writes_nothing(browser: Client) -> None:
    for name, fields in (("check-session", SESSION), ("check-bot", BOT)):
        sent = {**fields, "strategy_parameters.fast_window": "0", "symbols": []}
        text = browser.post(reverse(f"bots:{name}"), sent).content.decode()
        assert 'id="f-strategy_parameters-fast_window-error" hx-swap-oob="true">' in text
        assert "1 to 1000" in text
        assert "Choose at least one symbol" not in text, "an empty field is no error while somebody types"
    assert not TradingSession.objects.exists()
    assert not Bot.objects.exists()


def test_the_parts_of_the_form(browser: Client) -> None:
    part = reverse("bots:form-part")
    assert "Lookback window" in browser.get(part, {"strategy": "breakout"}).content.decode()
    assert 'value="2"' in browser.get(part, {"part": "settings", "preset": "conservative"}).content.decode()
    assert "First day" in browser.get(part, {"part": "feed", "feed": "replay"}).content.decode()
    assert "made up from a seed" in browser.get(part, {"part": "feed", "feed": "synthetic"}).content.decode()


def test_symbols_are_suggested_made_ones_first(browser: Client) -> None:
    found = browser.get(reverse("bots:symbols"), {"q": "alph"}).json()["results"]
    assert [item["symbol"] for item in found] == ["SIM-ALPHA"]
    assert found[0]["note"] == "synthetic feed"


def test_a_session_is_started_again_with_what_it_had(browser: Client, alice: User) -> None:
    over = make_session(
        alice, name="Done", state="STOPPED", symbols=["SIM-DELTA"], settings={"stop_loss_pct": 3.5}, timeframe="5m"
    )
    text = browser.get(reverse("bots:new-session"), {"from": over.pk}).content.decode()
    assert 'data-symbol="SIM-DELTA"' in text
    assert '<option value="5m" selected>' in text
    assert 'name="settings.stop_loss_pct" value="3.5"' in text
    assert 'name="strategy_parameters.slow_window" value="20"' in text


# --- bots


@pytest.mark.row("N9", "C13")
def test_a_bot_is_made_edited_cloned_and_deleted(browser: Client, alice: User) -> None:
    assert browser.get(reverse("bots:new")).status_code == 200
    made = browser.post(reverse("bots:new"), BOT)
    bot = Bot.objects.get()
    assert made["Location"] == reverse("bots:bot", args=[bot.pk])
    assert (bot.name, bot.capital, bot.trading_frequency, bot.run) == ("Night owl", 5_000, 30, "window")
    assert (bot.stop_policy, bot.symbols) == ("keep", ["SIM-ALPHA", "SIM-BETA", "SIM-GAMMA"])
    assert bot.settings["stop_loss_pct"] == 2
    text = browser.get(reverse("bots:bot", args=[bot.pk])).content.decode()
    for words in ("While others sleep", "Each trading day, in its window", "Stop loss", "It was not started yet."):
        assert words in text, words

    edit = reverse("bots:edit", args=[bot.pk])
    assert 'value="5000"' in browser.get(edit).content.decode()
    assert browser.post(edit, {**BOT, "capital": "7500", "name": "Day owl"}).status_code == 302
    bot.refresh_from_db()
    assert (bot.capital, bot.name) == (7_500, "Day owl")

    answer = browser.post(reverse("bots:clone", args=[bot.pk]))
    copy = Bot.objects.exclude(pk=bot.pk).get()
    assert answer["Location"] == reverse("bots:edit", args=[copy.pk])
    assert copy.strategy_parameters == bot.strategy_parameters
    browser.post(reverse("bots:delete", args=[copy.pk]))
    assert list(Bot.objects.all()) == [bot]


def test_a_refused_bot_comes_back_as_typed(browser: Client, alice: User) -> None:
    make_bot(alice, name="Night owl")
    answer = browser.post(reverse("bots:new"), {**BOT, "capital": "nothing", "trading_frequency": "0"})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="nothing"' in text
    assert 'href="#f-capital"' in text
    taken = browser.post(reverse("bots:new"), BOT)
    assert taken.status_code in (400, 409)
    assert "While others sleep" in taken.content.decode()
    assert Bot.objects.count() == 1


@pytest.mark.row("N8", "O1")
def test_a_bot_is_started_once_and_its_session_is_shown(browser: Client, alice: User) -> None:
    bot = make_bot(alice, name="Night owl")
    answer = browser.post(reverse("bots:start", args=[bot.pk]))
    session = bot.sessions.get()
    assert answer["Location"] == reverse("bots:session", args=[session.pk])
    assert browser.post(reverse("bots:start", args=[bot.pk]))["Location"] == answer["Location"]
    fill_session(session, bars=20)
    text = browser.get(reverse("bots:list")).content.decode()
    assert 'data-testid="bot-card"' in text
    assert "Starting" in text
    page = browser.get(reverse("bots:bot", args=[bot.pk])).content.decode()
    assert "Runs now" in page
    # it cannot be deleted while it runs
    browser.post(reverse("bots:delete", args=[bot.pk]))
    assert Bot.objects.filter(pk=bot.pk).exists()


def test_at_the_limit_a_bot_says_so_and_shows_what_runs(browser: Client, alice: User) -> None:
    make_session(alice, name="Already there")
    bot = make_bot(alice)
    answer = browser.post(reverse("bots:start", args=[bot.pk]), follow=True)
    text = answer.content.decode()
    assert "Stop one of the sessions below first." in text
    assert "Already there" in text


@pytest.mark.row("N8")
def test_lists_cost_the_same_however_long(browser: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(tier=Tier.objects.get(code=Tier.ENTERPRISE))

    def cost(name: str, *args: object) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(reverse(name, args=args)).status_code == 200
        return len(caught)

    bot = make_bot(alice)
    fill_session(make_session(alice, bot=bot), bars=20)
    few = [cost("bots:list"), cost("bots:sessions"), cost("bots:bot", bot.pk)]
    for _ in range(5):
        fill_session(make_session(alice, bot=make_bot(alice)), bars=20)
    for _ in range(5):
        make_session(alice, bot=bot, state="STOPPED")
    assert [cost("bots:list"), cost("bots:sessions"), cost("bots:bot", bot.pk)] == few
    assert max(few) <= 16
