"""The page of positions: what is held, what was, one with its chart, and the button that closes one."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bots.models import Position, SessionCommand, TradingSession
from tests.bots.factories import fill_session, make_bot, make_session

POSITIONS = "/positions/"


@pytest.fixture
def session(alice: User) -> TradingSession:
    return fill_session(make_session(alice, bot=make_bot(alice), symbols=["SIM-ALPHA", "SIM-BETA"]), bars=90)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def rows(client: Client, query: str = "") -> list[Position]:
    answer = client.get(f"{POSITIONS}{query}")
    assert answer.status_code == 200
    return answer.context["rows"]


def held(session: TradingSession) -> Position:
    return session.positions.get(is_open=True)


@pytest.mark.row("N4")
def test_an_empty_page_says_what_it_is_for(browser: Client) -> None:
    assert "No position yet" in browser.get(POSITIONS).content.decode()


@pytest.mark.row("N4")
def test_open_and_closed_ones(browser: Client, session: TradingSession) -> None:
    assert rows(browser) == [held(session)]
    closed = rows(browser, "?state=closed")
    assert set(closed) == set(session.positions.filter(is_open=False))
    assert {row.symbol for row in rows(browser, "?state=closed&symbol=sim-beta")} == {"SIM-BETA"}
    assert rows(browser, "?side=SELL") == []
    by_result = [row.realised_pnl for row in rows(browser, "?state=closed&sort=-pnl")]
    assert by_result == sorted(by_result, reverse=True)


@pytest.mark.row("N4")
def test_the_summary_adds_up(browser: Client, session: TradingSession) -> None:
    answer = browser.get(POSITIONS)
    figures, position = answer.context["figures"], held(session)
    assert figures["open"] == 1
    assert figures["gross_value"] == pytest.approx(position.qty * position.current_px)
    assert figures["unrealised_pnl"] == position.unrealised_pnl
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    fills = session.trades.filter(executed_at__gte=midnight, realised_pnl__isnull=False)
    assert answer.context["realised_today"] == sum((fill.realised_pnl for fill in fills), Decimal(0))
    row = answer.context["rows"][0]
    assert row.change_pct == pytest.approx(100 * position.unrealised_pnl / (position.entry_px * position.qty))


@pytest.mark.row("N4")
def test_a_mark_that_is_too_old_says_its_age(browser: Client, session: TradingSession) -> None:
    assert not rows(browser)[0].is_old
    Position.objects.filter(is_open=True).update(updated_at=timezone.now() - datetime.timedelta(hours=2))
    assert rows(browser)[0].is_old
    assert "2\xa0hours old" in browser.get(POSITIONS).content.decode()


@pytest.mark.row("N4")
def test_close_asks_the_session_once_however_often_it_is_pressed(browser: Client, session: TradingSession) -> None:
    address = reverse("position-close", args=[held(session).pk])
    for _ in range(2):
        assert browser.post(address, {"query": "symbol=SIM-ALPHA"}).url == f"{POSITIONS}?symbol=SIM-ALPHA"
    command = SessionCommand.objects.get()
    assert (command.kind, command.symbol, command.done_at) == ("close_position", "SIM-ALPHA", None)
    page = browser.get(POSITIONS).content.decode()
    assert "Closing…</span>" in page
    assert address not in page
    assert held(session).is_open, "the session closes it, no web request does"


@pytest.mark.row("N4")
def test_what_cannot_be_closed_says_why(browser: Client, alice: User) -> None:
    ended = fill_session(make_session(alice, state="STOPPED"), bars=60)
    address = reverse("position-close", args=[ended.positions.filter(is_open=False).first().pk])
    answer = browser.post(address)
    assert answer.url == POSITIONS
    assert [message.level_tag for message in get_messages(answer.wsgi_request)] == ["error"]
    assert not SessionCommand.objects.exists()
    assert browser.get(address).status_code == 405


@pytest.mark.row("N4")
def test_the_chart_shows_bars_fills_and_levels(browser: Client, session: TradingSession) -> None:
    position = session.positions.filter(is_open=False, opened_at__gt=session.started_at).order_by("opened_at")[1]
    found = browser.get(reverse("position-chart", args=[position.pk])).json()
    assert {len(found[name]) for name in ("time", "open", "high", "low", "close", "volume")} == {len(found["time"])}
    assert found["time"] == sorted(found["time"])
    assert [fill["qty"] for fill in found["trades"]] == [float(position.entered_qty), -float(position.entered_qty)]
    assert found["trades"][0]["time"] == int(position.opened_at.timestamp())
    assert found["time"][0] < found["trades"][0]["time"] < found["trades"][1]["time"] < found["time"][-1]
    assert found["lines"] == {
        "entry": float(position.entry_px),
        "stop": float(position.stop_px),
        "target": float(position.target_px),
        "trailing": None,
    }


def test_a_position_without_bars_has_an_empty_chart(browser: Client, session: TradingSession) -> None:
    session.decisions.all().delete()
    found = browser.get(reverse("position-chart", args=[held(session).pk])).json()
    assert (found["time"], found["trades"]) == ([], [])


@pytest.mark.row("N4")
def test_one_position_in_detail(browser: Client, session: TradingSession) -> None:
    page = browser.get(reverse("position", args=[held(session).pk])).content.decode()
    assert "Version 1 of the settings" in page
    assert reverse("position-chart", args=[held(session).pk]) in page


@pytest.mark.row("N4")
def test_the_number_of_queries_does_not_grow_with_the_rows(
    browser: Client, alice: User, session: TradingSession, django_assert_num_queries
) -> None:
    for number in range(3):
        fill_session(make_session(alice, bot=make_bot(alice)), bars=40, seed=number)
    with django_assert_num_queries(13):  # login 3, badge, inbox, filters 2, list 2, closing, sums 2, topics
        assert len(rows(browser)) == 4


@pytest.mark.row("A5")
def test_nobody_sees_or_closes_anothers(client: Client, bob: User, session: TradingSession) -> None:
    client.force_login(bob)
    pk = held(session).pk
    assert client.get(reverse("position", args=[pk])).status_code == 404
    assert client.get(reverse("position-chart", args=[pk])).status_code == 404
    assert client.post(reverse("position-close", args=[pk])).status_code == 404
    assert not SessionCommand.objects.exists()
