"""Pages of the dashboard, sessions and bots: what they say in each state, what they cost, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.services.notifications import notify
from bots.models import Bot, ParityReport, SessionCommand, TradingSession
from bots.presenters.session_tabs import TABS
from tests.bots.factories import fill_session, make_bot, make_session

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def page(client: Client, alice: User) -> Callable[..., str]:
    """`page("bots:session", 3, tab="orders")`: the text of a page as alice gets it."""
    client.force_login(alice)

    def get(name: str, *args: object, status: int = 200, htmx: bool = False, **query: str) -> str:
        answer = client.get(reverse(name, args=args), query, **(HTMX if htmx else {}))
        assert answer.status_code == status, answer.content[:2000]
        return answer.content.decode()

    return get


def queries(get: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as caught:
        get()
    return len(caught)


@pytest.mark.row("N1")
def test_the_dashboard_adds_up_all_live_sessions(alice: User, page: Callable[..., str]) -> None:
    first = fill_session(make_session(alice, name="Gold"), bars=40)
    second = fill_session(make_session(alice, name="Silver", symbols=["SIM-BETA"]), bars=40)
    make_session(alice, name="Long over", state="STOPPED", equity=Decimal(1_000_000))
    text = page("home")
    for words in ("Gold", "Silver", "SYNTHETIC", "PAPER", "SIM-ALPHA", f"{first.equity + second.equity:,.2f}"):
        assert words in text, words
    assert "Long over" not in text.split("Latest trades")[0]
    assert text.count('data-testid="session-card"') == 2
    assert "<polyline" in text


@pytest.mark.row("N1")
def test_the_dashboard_costs_the_same_however_many_sessions(client: Client, alice: User) -> None:
    client.force_login(alice)
    for _ in range(2):
        fill_session(make_session(alice), bars=20)
    few = queries(lambda: client.get("/"))
    for place in range(6):
        fill_session(make_session(alice, name=f"More {place}"), bars=20)
    assert queries(lambda: client.get("/")) == few
    assert few <= 16


@pytest.mark.parametrize("part", ["tiles", "sessions", "lists"])
def test_a_part_of_the_dashboard_comes_alone_to_htmx_only(alice: User, page: Callable[..., str], part: str) -> None:
    fill_session(make_session(alice, name="Gold"), bars=20)
    assert "<html" not in page("home", part=part, htmx=True)
    assert "<html" in page("home", part=part)


def test_a_newcomer_sees_three_steps_and_the_third_starts_a_session(
    client: Client, alice: User, page: Callable[..., str]
) -> None:
    text = page("home")
    assert "Three steps to start with" in text
    assert "No session runs" in text
    answer = client.post(reverse("bots:first"))
    session = TradingSession.objects.get()
    assert answer["Location"] == reverse("bots:session", args=[session.pk])
    assert (session.owner, session.state, session.feed) == (alice, "SCHEDULED", "synthetic")
    assert session.bot == Bot.objects.get(owner=alice)
    client.post(reverse("bots:first"))
    assert TradingSession.objects.count() == 1
    client.post(reverse("backtests:end-welcome"))
    assert "Three steps to start with" not in page("home")


SAYS = {
    "SCHEDULED": "Starting",
    "WARMING": "Loading history",
    "RUNNING": "Running",
    "DEGRADED": "No new entries for now.",
    "PAUSED": "Paused",
    "STOPPING": "Stopping",
    "STOPPED": "Stopped",
    "HALTED": "Halted: a person has to look at it.",
    "FAILED": "It cannot run as it is.",
    "ORPHANED": "Its host was lost",
}


@pytest.mark.row("O1")
@pytest.mark.parametrize("state", SAYS)
def test_every_state_says_what_it_means(alice: User, page: Callable[..., str], state: str) -> None:
    wanted = {"wanted": "STOP"} if state == "STOPPING" else {}
    session = make_session(alice, state=state, state_reason="because of this & that", **wanted)
    text = page("bots:session", session.pk)
    assert SAYS[state] in text
    assert f'data-state="{state}"' in text
    assert "These prices are made up." in text
    if state in ("DEGRADED", "HALTED", "FAILED", "ORPHANED"):
        assert "Because of this &amp; that." in text


@pytest.mark.parametrize("tab", [name for name, _ in TABS])
def test_every_tab_shows_what_it_is_for_empty_and_full(alice: User, page: Callable[..., str], tab: str) -> None:
    empty = make_session(alice, name="Empty")
    page("bots:session", empty.pk, tab=tab)
    full = fill_session(make_session(alice, name="Full", symbols=["SIM-ALPHA", "SIM-BETA"]), bars=80)
    ParityReport.objects.create(session=full, up_to_ns=1, cycles=80, identical=True, orders_compared=4)
    says = {
        "overview": "Latest trades",
        "positions": "Closed by",
        "orders": "At the venue",
        "decisions": "The averages did not cross",
        "settings": "Save as version 2",
        "parity": "Identical",
        "log": "The synthetic market is live",
    }[tab]
    assert says in page("bots:session", full.pk, tab=tab)
    part = page("bots:session", full.pk, tab=tab, part="body", htmx=True)
    assert "<html" not in part
    assert 'id="tab-body"' in part


@pytest.mark.parametrize("tab", [name for name, _ in TABS])
def test_a_tab_costs_the_same_however_much_there_is(client: Client, alice: User, tab: str) -> None:
    client.force_login(alice)
    address = {
        bars: reverse("bots:session", args=[fill_session(make_session(alice), bars=bars).pk]) + f"?tab={tab}"
        for bars in (30, 120)
    }
    costs = {bars: queries(lambda at=at: client.get(at)) for bars, at in address.items()}
    assert costs[30] == costs[120]
    assert costs[30] <= 14


@pytest.mark.row("W5")
def test_decisions_are_filtered_by_symbol_and_outcome_and_show_each_gate(alice: User, page: Callable[..., str]) -> None:
    session = fill_session(make_session(alice, symbols=["SIM-ALPHA", "SIM-BETA"]), bars=30)
    text = page("bots:session", session.pk, tab="decisions", symbol="SIM-BETA", outcome="min_confidence")
    body = text.split('data-testid="decisions"')[1]
    assert "SIM-ALPHA" not in body
    assert "Confidence 0.20 is below 0.40" in body
    assert "The averages did not cross" not in body
    assert "Min confidence" in body
    assert "✕ no" in body
    assert "No decision passes" not in text
    assert "decisions" in page("bots:session", session.pk, tab="decisions", symbol="NOPE", outcome="nope")


def test_orders_are_grouped(alice: User, page: Callable[..., str]) -> None:
    session = fill_session(make_session(alice), bars=30)
    assert "Denied by our risk check" in page("bots:session", session.pk, tab="orders", group="closed")
    active = page("bots:session", session.pk, tab="orders", group="active")
    assert "Accepted" in active
    assert "Filled</span>" not in active


@pytest.mark.row("W20")
def test_settings_are_changed_as_a_new_version_and_rolled_back(
    client: Client, alice: User, page: Callable[..., str]
) -> None:
    session = fill_session(make_session(alice), bars=20)
    change = reverse("bots:settings", args=[session.pk])
    fields = form_fields(page("bots:session", session.pk, tab="settings"))
    answer = client.post(change, {**fields, "settings.stop_loss_pct": "3", "settings.trading_days": ["MON", "TUE"]})
    assert answer.status_code == 302, answer.content.decode()
    assert session.settings.version == 2
    assert (session.settings.stop_loss_pct, session.settings.trading_days) == (3, ["MON", "TUE"])
    text = page("bots:session", session.pk, tab="settings")
    assert "Stop loss: off → <strong>3</strong>" in text
    assert "SIM-ALPHA was opened with version 1 and keeps it" in text
    client.post(reverse("bots:rollback", args=[session.pk, 1]))
    assert session.settings.version == 3
    assert session.settings.stop_loss_pct is None
    assert "Back to version 1" in page("bots:session", session.pk, tab="settings")


def test_a_refused_setting_comes_back_as_it_was_typed(client: Client, alice: User, page: Callable[..., str]) -> None:
    session = make_session(alice)
    fields = form_fields(page("bots:session", session.pk, tab="settings"))
    answer = client.post(reverse("bots:settings", args=[session.pk]), {**fields, "settings.stop_loss_pct": "-7"})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="-7"' in text
    assert 'href="#f-settings-stop_loss_pct"' in text
    # legal but unusual: it asks first
    unusual = {**fields, "settings.position_size_value": "60"}
    asked = client.post(reverse("bots:settings", args=[session.pk]), unusual)
    assert asked.status_code == 422
    assert "I mean it" in asked.content.decode()
    assert session.settings.version == 1
    confirmed = client.post(reverse("bots:settings", args=[session.pk]), {**unusual, "confirm_cautions": "true"})
    assert confirmed.status_code == 302
    assert session.settings.version == 2


def form_fields(text: str) -> dict[str, Any]:
    """What a browser would send of the settings form as it stands."""
    from html.parser import HTMLParser

    found: dict[str, Any] = {}

    class Reader(HTMLParser):
        select = ""

        def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
            attributes = dict(pairs)
            name = attributes.get("name") or ""
            if tag == "select":
                self.select = name
            elif tag == "option" and "selected" in attributes and self.select.startswith("settings."):
                found[self.select] = attributes["value"]
            elif tag == "input" and name.startswith("settings."):
                if attributes.get("type") == "checkbox":
                    if "checked" in attributes:
                        found.setdefault(name, []).append(attributes["value"])
                else:
                    found[name] = attributes.get("value") or ""

    Reader().feed(text)
    return found


@pytest.mark.row("O2")
def test_pause_resume_and_stop_are_asked_of_the_host(client: Client, alice: User, page: Callable[..., str]) -> None:
    session = fill_session(make_session(alice), bars=20)

    def press(name: str, **sent: str) -> TradingSession:
        answer = client.post(reverse(f"bots:{name}", args=[session.pk]), sent)
        assert answer["Location"] == reverse("bots:session", args=[session.pk])
        session.refresh_from_db()
        return session

    text = page("bots:session", session.pk)
    assert 'data-testid="pause"' in text
    assert press("pause").wanted == "PAUSE"
    assert 'data-testid="resume"' in page("bots:session", session.pk)
    assert press("resume").wanted == "RUN"
    stopped = press("stop", policy="flatten")
    assert (stopped.wanted, stopped.stop_policy, stopped.state) == ("STOP", "flatten", "RUNNING")
    text = page("bots:session", session.pk)
    assert "1 position being closed, 2 working orders left." in text
    assert 'data-testid="pause"' not in text
    client.post(reverse("bots:resume", args=[session.pk]))
    assert "being stopped" in page("bots:session", session.pk)


def test_a_position_is_closed_once_however_often_one_clicks(
    client: Client, alice: User, page: Callable[..., str]
) -> None:
    session = fill_session(make_session(alice), bars=20)
    close = reverse("bots:close-position", args=[session.pk, "SIM-ALPHA"])
    for _ in range(2):
        assert client.post(f"{close}?tab=positions")["Location"].endswith("?tab=positions")
    assert SessionCommand.objects.filter(kind="close_position", symbol="SIM-ALPHA").count() == 1
    text = page("bots:session", session.pk, tab="positions")
    assert 'data-testid="closing"' in text
    assert 'data-testid="close"' not in text
    client.post(reverse("bots:close-position", args=[session.pk, "SIM-GAMMA"]))
    assert "There is no open position in SIM-GAMMA." in page("home")


def test_stop_everything_reaches_every_session_of_the_user_and_no_other(
    client: Client, alice: User, bob: User, page: Callable[..., str]
) -> None:
    hers = [fill_session(make_session(alice, name=name), bars=20) for name in ("One", "Two")]
    his = make_session(bob)
    page("home")
    client.post(reverse("bots:stop-everything"), {"level": "flatten"})
    for session in hers:
        session.refresh_from_db()
        assert (session.wanted, session.stop_policy) == ("STOP", "flatten")
    his.refresh_from_db()
    assert his.wanted == "RUN"
    text = page("home")
    assert "Asked 2 sessions." in text
    assert text.count("1 position being closed, 2 working orders left.") == 2


def test_charts_get_candles_lines_trades_and_levels(client: Client, alice: User) -> None:
    session = fill_session(make_session(alice), bars=60)
    client.force_login(alice)
    address = reverse("bots:session-price", args=[session.pk, "SIM-ALPHA"])
    data = client.get(address).json()
    assert len(data["time"]) == len(data["close"]) == 60
    assert data["time"] == sorted(set(data["time"]))
    assert {trade["time"] for trade in data["trades"]} <= set(data["time"])
    assert len(data["trades"]) == session.trades.count()
    assert [line["name"] for line in data["overlays"]] == ["fast", "slow"]
    assert {line["pane"] for line in data["overlays"]} == {"price"}
    held = session.positions.get(is_open=True)
    assert data["lines"] == {
        "entry": float(held.entry_px), "stop": float(held.stop_px), "target": float(held.target_px), "trailing": None,
    }  # fmt: skip
    more = client.get(address, {"since": data["time"][-2]}).json()
    assert more["time"] == data["time"][-2:]
    assert client.get(address, {"since": "nonsense"}).json()["time"] == data["time"]
    assert client.get(reverse("bots:session-price", args=[session.pk, "AAPL"])).status_code == 404
    assert queries(lambda: client.get(address)) <= 6
    equity = client.get(reverse("bots:session-equity", args=[session.pk])).json()
    assert equity["equity"][-1] == pytest.approx(float(session.equity))
    together = client.get(reverse("bots:equity")).json()
    assert together["pnl"][-1] == pytest.approx(float(session.equity - session.initial_cash))


@pytest.mark.row("A5")
def test_what_belongs_to_another_does_not_exist(client: Client, alice: User, bob: User) -> None:
    session = fill_session(make_session(bob), bars=20)
    bot = make_bot(bob)
    client.force_login(alice)
    for name in ("session", "session-equity"):
        assert client.get(reverse(f"bots:{name}", args=[session.pk])).status_code == 404
    assert client.get(reverse("bots:session-price", args=[session.pk, "SIM-ALPHA"])).status_code == 404
    for name in ("pause", "resume", "stop", "settings", "parity"):
        assert client.post(reverse(f"bots:{name}", args=[session.pk])).status_code == 404
    assert client.post(reverse("bots:close-position", args=[session.pk, "SIM-ALPHA"])).status_code == 404
    assert client.post(reverse("bots:rollback", args=[session.pk, 1])).status_code == 404
    for name in ("bot", "edit"):
        assert client.get(reverse(f"bots:{name}", args=[bot.pk])).status_code == 404
    for name in ("edit", "clone", "delete", "start"):
        assert client.post(reverse(f"bots:{name}", args=[bot.pk])).status_code == 404
    assert Bot.objects.count() == 1
    session.refresh_from_db()
    assert session.wanted == "RUN"


def test_the_list_filters_sorts_and_finds(alice: User, page: Callable[..., str]) -> None:
    bot = make_bot(alice, name="Night owl")
    make_session(alice, name="Runs now", bot=bot)
    make_session(alice, name="Was stopped", state="STOPPED")
    make_session(alice, name="Has halted", state="HALTED")

    def names(**query: str) -> set[str]:
        text = page("bots:sessions", **query)
        return {name for name in ("Runs now", "Was stopped", "Has halted") if name in text}

    assert len(names()) == 3
    assert names(group="active") == {"Runs now"}
    assert names(group="attention") == {"Has halted"}
    assert names(group="over") == {"Was stopped"}
    assert names(bot=str(bot.pk)) == {"Runs now"}
    assert names(q="halt") == {"Has halted"}
    assert names(group="nonsense", bot="x", sort="password") == names()
    assert names(q="nothing like it") == set()
    assert "Nothing matches" in page("bots:sessions", q="nothing like it")


def test_the_search_finds_sessions_and_what_can_be_done_with_them(client: Client, alice: User) -> None:
    session = make_session(alice, name="Golden goose")
    make_bot(alice, name="Goose keeper")
    client.force_login(alice)
    found = client.get(reverse("bots:palette"), {"q": "goose"}).json()["results"]
    assert [item["label"] for item in found] == [
        "Golden goose", "Pause Golden goose", "Stop Golden goose …", "Goose keeper",
    ]  # fmt: skip
    assert found[1]["post"] is True
    by_verb = client.get(reverse("bots:palette"), {"q": "pause goose"}).json()["results"]
    assert by_verb[1]["url"] == reverse("bots:pause", args=[session.pk])


def test_whatever_becomes_of_a_signal_has_words() -> None:
    from bots import words
    from bots.host import outcomes
    from engine.types import REASON_NAMES

    assert {*outcomes.WORDS, *outcomes.REFUSALS} - set(words.OUTCOMES) == set()
    assert set(REASON_NAMES) - set(words.REASONS) == set()


@pytest.mark.row("N1")
def test_unread_alerts_stand_on_the_dashboard(alice: User, bob: User, page: Callable[..., str]) -> None:
    notify(alice, "session_halted", level="error", title="Gold halted", text="The venue disagrees.", link="/sessions/")
    notify(bob, "session_halted", level="error", title="Not hers")
    text = page("home")
    assert "Gold halted" in text
    assert "The venue disagrees." in text
    assert "Not hers" not in text
