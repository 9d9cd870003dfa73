"""The analytics page: figures of a period, lines, bots and symbols compared, the hours of the week."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from bots.models import DailyStats, Position, TradingSession
from bots.selectors import analytics as reads
from bots.views.analytics import heat
from tests.bots.factories import fill_session, make_bot, make_session

ANALYTICS = "/analytics/"


@pytest.fixture
def session(alice: User) -> TradingSession:
    return fill_session(
        make_session(alice, state="STOPPED", bot=make_bot(alice, name="Alpha"), symbols=["SIM-ALPHA", "SIM-BETA"],
                     timeframe="1h"),
        bars=24 * 12,
    )  # fmt: skip


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.mark.row("N5")
def test_an_empty_page_says_what_is_needed(browser: Client) -> None:
    text = browser.get(ANALYTICS).content.decode()
    assert "Nothing to analyse yet" in text
    assert "js/analytics.js" not in text


@pytest.mark.row("N5")
def test_figures_follow_the_days_and_the_round_trips(browser: Client, session: TradingSession) -> None:
    figures = browser.get(f"{ANALYTICS}?period=ALL").context["figures"]
    days = list(session.daily_stats.all())
    closed = list(session.positions.filter(is_open=False))
    wins = sum((row.realised_pnl for row in closed if row.realised_pnl > 0), Decimal(0))
    losses = -sum((row.realised_pnl for row in closed if row.realised_pnl <= 0), Decimal(0))
    assert figures["pnl"] == sum((day.pnl for day in days), Decimal(0))
    assert figures["days"] == len(days)
    assert figures["round_trips"] == len(closed)
    assert figures["profit_factor"] == pytest.approx(float(wins / losses))
    assert figures["sharpe"] is not None


@pytest.mark.row("N5")
def test_the_period_stands_in_the_address(browser: Client, session: TradingSession) -> None:
    for number, day in enumerate(DailyStats.objects.all()):
        day.day = timezone.now().date() - datetime.timedelta(days=60 + number)
        day.save()
    Position.objects.update(closed_at=timezone.now() - datetime.timedelta(days=60))
    assert "No trading day in this period" in browser.get(ANALYTICS).content.decode()
    answer = browser.get(f"{ANALYTICS}?period=3M")
    assert answer.context["figures"]["round_trips"]
    assert '<a href="?period=3M" aria-current="true">3M</a>' in answer.content.decode()
    assert browser.get(f"{ANALYTICS}?period=2Y").context["period"] == "1M"


@pytest.mark.row("N5")
def test_the_lines_add_up(browser: Client, session: TradingSession) -> None:
    found = browser.get("/analytics/data/?period=ALL").json()
    days = found["days"]
    stats = list(session.daily_stats.order_by("day"))
    assert len(days["time"]) == len(stats) > 10
    assert days["pnl"] == pytest.approx([float(day.pnl) for day in stats])
    assert days["cumulative"][-1] == pytest.approx(sum(days["pnl"]))
    assert max(days["drawdown_pct"]) <= 0
    figures = browser.get(f"{ANALYTICS}?period=ALL").context["figures"]
    assert -min(days["drawdown_pct"]) == pytest.approx(figures["max_drawdown_pct"])
    assert len(found["equity"]["time"]) == len(found["equity"]["equity"]) == len(found["equity"]["pnl"])


@pytest.mark.row("N5")
def test_bots_and_symbols_are_compared(browser: Client, alice: User, session: TradingSession) -> None:
    other = fill_session(make_session(alice, state="STOPPED", symbols=["SIM-GAMMA"]), bars=120, seed=4)
    context = browser.get(f"{ANALYTICS}?period=ALL").context
    totals = {row["name"]: row["realised_pnl"] for row in context["bots"]}
    assert totals == {
        "Alpha": session.total_pnl,
        None: other.total_pnl,
    }
    assert {row["name"] for row in context["symbols"]} == {"SIM-ALPHA", "SIM-BETA", "SIM-GAMMA"}
    assert max(abs(row["share"]) for row in context["symbols"]) == 1.0
    assert "Sessions without a bot" in browser.get(f"{ANALYTICS}?period=ALL").content.decode()


@pytest.mark.row("N5")
def test_the_hours_are_the_persons_own(browser: Client, alice: User, session: TradingSession) -> None:
    monday = datetime.datetime(2026, 3, 2, 23, 30, tzinfo=datetime.UTC)
    Position.objects.filter(is_open=False).update(closed_at=monday)
    with timezone.override("Asia/Tokyo"):  # Tuesday, half past eight
        cells = reads.by_hour(alice)
    assert list(cells) == [(2, 8)]
    pnl, count = cells[2, 8]
    assert (float(pnl), count) == (pytest.approx(float(session.total_pnl)), session.total_trades)


def test_the_grid_shows_signs_and_shades() -> None:
    grid = heat({(1, 9): (Decimal(90), 3), (2, 11): (Decimal("-20.5"), 1), (2, 9): (Decimal(0), 1)})
    assert grid["hours"] == [9, 10, 11]
    assert [row["day"] for row in grid["rows"]] == ["Mon", "Tue"]
    first, second = (row["cells"] for row in grid["rows"])
    assert [(cell["text"], cell["shade"]) for cell in first] == [("+90.0", "up3"), ("", ""), ("", "")]
    assert [(cell["text"], cell["shade"]) for cell in second] == [("0.0", ""), ("", ""), ("−20.5", "down1")]
    assert second[2]["title"] == "Tue 11:00 to 11:59: −20.50 from 1 round trip"
    assert heat({}) == {"hours": [], "rows": []}


@pytest.mark.row("N5")
def test_the_number_of_queries_does_not_grow(
    browser: Client, alice: User, session: TradingSession, django_assert_num_queries
) -> None:
    for number in range(3):
        fill_session(make_session(alice, bot=make_bot(alice), state="STOPPED"), bars=40, seed=number)
    with django_assert_num_queries(11):  # login 2, bell, badge, inbox, days, market, round trips, bots, symbols, hours
        browser.get(f"{ANALYTICS}?period=ALL")


@pytest.mark.row("A5")
def test_nobody_sees_anothers_figures(client: Client, bob: User, session: TradingSession) -> None:
    client.force_login(bob)
    assert "Nothing to analyse yet" in client.get(f"{ANALYTICS}?period=ALL").content.decode()
    assert client.get("/analytics/data/?period=ALL").json()["days"]["time"] == []
