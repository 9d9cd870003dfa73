"""The REST routes of orders, trades, positions and figures: their numbers against the rows they are made of."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import risk
from bots import selectors
from bots.models import Cycle, DailyStats, Decision, TradingSession
from bots.orders import WORKING
from bots.states import SessionState
from engine import metrics
from tests.bots.factories import closed_positions, fill_session, make_bot, make_session

Api = Callable[[User | None], APIClient]


@pytest.fixture
def session(alice: User) -> TradingSession:
    """90 minutes on two symbols, running; one position is open."""
    bot = make_bot(alice, name="=cmd|' /C calc'!A0")
    return fill_session(make_session(alice, symbols=["SIM-ALPHA", "SIM-BETA"], bot=bot, name="＝1+1"), bars=90)


@pytest.fixture
def over(alice: User) -> TradingSession:
    """A stopped session of yesterday, without a bot."""
    until = timezone.now().replace(second=0, microsecond=0) - datetime.timedelta(days=1)
    return fill_session(
        make_session(alice, state=SessionState.STOPPED, symbols=["SIM-GAMMA"]), bars=60, seed=5, until=until
    )


def rows(client: APIClient, path: str) -> list[dict[str, Any]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


@pytest.mark.row("B5", "B23", "M2")
def test_trades_are_filtered_sorted_and_paged(
    alice: User, api: Api, session: TradingSession, over: TradingSession
) -> None:
    client = api(alice)
    everything = rows(client, "/api/trades?limit=200")
    assert len(everything) == session.trades.count() + over.trades.count()
    assert [row["executed_at"] for row in everything] == sorted((r["executed_at"] for r in everything), reverse=True)
    assert len(rows(client, f"/api/trades?session_id={over.pk}&limit=200")) == over.trades.count()
    assert len(rows(client, f"/api/trading/sessions/{over.pk}/trades?limit=200")) == over.trades.count()
    assert len(rows(client, f"/api/trades?bot_id={session.bot_id}&limit=200")) == session.trades.count()
    assert {row["symbol"] for row in rows(client, "/api/trades?symbol=sim-beta")} == {"SIM-BETA"}
    assert {row["side"] for row in rows(client, "/api/trades?side=SELL")} == {"SELL"}
    assert all(Decimal(row["realised_pnl"]) > 0 for row in rows(client, "/api/trades?result=win"))
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    cut = (today - datetime.timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    early, late = rows(client, f"/api/trades?until={cut}&limit=200"), rows(client, f"/api/trades?since={cut}&limit=200")
    assert len(early) + len(late) == len(everything)
    prices = [Decimal(row["px"]) for row in rows(client, "/api/trades?sort=px&limit=200")]
    assert prices == sorted(prices)
    first = client.get(f"/api/trades/{everything[0]['id']}").json()
    assert first == everything[0]
    assert set(first["indicators_snapshot"]) == {"fast", "slow"}
    for nonsense in ("sort=session__owner", "side=HOLD", "since=yesterday", "bot_id=0", f"bot_id={2**70}", "x=1"):
        assert client.get(f"/api/trades?{nonsense}").status_code == 400


@pytest.mark.row("B23")
def test_statistics_add_up(alice: User, api: Api, session: TradingSession, over: TradingSession) -> None:
    stats = api(alice).get("/api/trades/stats").json()
    closed = [row.realised_pnl for row in (*closed_positions(session), *closed_positions(over))]
    won, lost = [pnl for pnl in closed if pnl > 0], [pnl for pnl in closed if pnl < 0]
    assert (stats["closing"], stats["wins"], stats["losses"]) == (len(closed), len(won), len(lost))
    assert Decimal(stats["total_pnl"]) == sum(closed)
    assert stats["win_rate_pct"] == pytest.approx(100 * len(won) / len(closed))
    assert stats["profit_factor"] == pytest.approx(float(sum(won) / -sum(lost)))
    assert Decimal(stats["average_win"]) == pytest.approx(sum(won) / len(won))
    assert (Decimal(stats["best"]), Decimal(stats["worst"])) == (max(closed), min(closed))
    assert Decimal(stats["fees"]) == stats["count"]
    nothing = api(alice).get("/api/trades/stats?symbol=NONE").json()
    assert (nothing["count"], nothing["win_rate_pct"], nothing["profit_factor"], nothing["best"]) == (
        0,
        None,
        None,
        None,
    )


@pytest.mark.row("B23", "N3")
def test_the_csv_has_every_trade_and_no_formula(alice: User, api: Api, session: TradingSession) -> None:
    answer = api(alice).get("/api/trades.csv?symbol=SIM-ALPHA")
    assert answer["Content-Type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(table) == session.trades.filter(symbol="SIM-ALPHA").count()
    assert {row["bot"] for row in table} == {"'=cmd|' /C calc'!A0"}
    assert {row["session"] for row in table} == {"'＝1+1"}
    assert any(row["realised_pnl"].startswith("-") for row in table), "a loss is a number and stays one"


@pytest.mark.row("B24")
def test_positions_and_closing_one(alice: User, api: Api, session: TradingSession, over: TradingSession) -> None:
    client = api(alice)
    held = rows(client, "/api/positions?is_open=true")
    assert [(row["symbol"], row["side"], row["closing"]) for row in held] == [("SIM-ALPHA", "BUY", False)]
    assert rows(client, "/api/trading/positions") == held
    assert len(rows(client, "/api/positions?is_open=false&limit=200")) == session.total_trades + over.total_trades
    assert {row["bot"] for row in rows(client, f"/api/positions?bot_id={session.bot_id}")} == {session.bot_id}
    path = f"/api/positions/{held[0]['id']}"
    assert client.get(path).json() == held[0]
    first, second = client.post(f"{path}/close"), client.post(f"{path}/close")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert client.get(path).json()["closing"] is True
    shut = rows(client, "/api/positions?is_open=false")[0]
    assert client.post(f"/api/positions/{shut['id']}/close").json()["code"] == "not_open"


@pytest.mark.row("B24", "N4")
def test_the_summary_of_positions(alice: User, api: Api, session: TradingSession) -> None:
    summary = api(alice).get("/api/positions/summary").json()
    session.refresh_from_db()
    assert Decimal(summary["gross_value"]) == Decimal(summary["net_value"]) == session.exposure
    assert Decimal(summary["unrealised_pnl"]) == session.unrealised_pnl
    assert Decimal(summary["realised_pnl"]) == session.total_pnl
    assert (summary["open"], summary["wins"]) == (1, session.winning_trades)


@pytest.mark.row("B28", "M3")
@pytest.mark.parametrize("group", ["pending", "active", "closed"])
def test_orders_by_group(alice: User, api: Api, session: TradingSession, group: str) -> None:
    client = api(alice)
    found = rows(client, f"/api/orders?group={group}&limit=200")
    assert {row["group"] for row in found} == {group}
    assert len(found) == sum(order.group == group for order in session.orders.all())
    assert client.get(f"/api/orders/{found[0]['id']}").json() == found[0]
    states = {row["state"] for row in found}
    assert (states <= {state.value for state in WORKING}) == (group != "closed")


@pytest.mark.row("A5")
def test_nothing_of_alice_is_shown_to_bob(bob: User, api: Api, session: TradingSession, over: TradingSession) -> None:
    client = api(bob)
    for path in ("/api/trades", "/api/orders", "/api/positions", "/api/trading/sessions", "/api/bots"):
        assert client.get(path).json()["count"] == 0
        assert client.get(f"{path}?session_id={session.pk}").json().get("count", 0) == 0
    for path in ("/api/stats/bots", "/api/stats/symbols", "/api/risk/limits"):
        assert client.get(path).json() == []
    assert client.get("/api/stats").json()["total_trades"] == 0
    assert client.get("/api/stats/pnl").json() == {"days": [], "time": [], "pnl": [], "equity": []}
    assert client.get("/api/risk/exposure").json()["symbols"] == []
    assert client.get(f"/api/stats/performance?session_id={session.pk}").json()["round_trips"] == 0
    assert b"".join(client.get("/api/trades.csv").streaming_content).count(b"\n") == 1


@pytest.mark.row("B20", "B29", "N5")
def test_performance_of_a_period_agrees_with_the_engines_metrics(alice: User, api: Api) -> None:
    session = fill_session(make_session(alice, timeframe="1h"), bars=24 * 20)
    client = api(alice)
    found = client.get("/api/stats/performance?period=ALL").json()
    assert client.get("/api/trading/performance?period=ALL").json() == found
    days = DailyStats.objects.order_by("day")
    returns = [float(day.end_equity / day.start_equity - 1) for day in days]
    expected = metrics.from_returns(returns, periods_per_year=365)
    for name in ("total_return_pct", "sharpe", "sortino", "max_drawdown_pct", "volatility_pct", "best_day_pct"):
        assert found[name] == pytest.approx(expected[name]), name
    assert found["days"] == len(days)
    assert Decimal(found["pnl"]) == sum(day.pnl for day in days)
    assert found["round_trips"] == session.total_trades
    week = client.get("/api/stats/performance?period=1W").json()
    assert 7 <= week["days"] <= 8
    assert week["round_trips"] < found["round_trips"]
    assert client.get("/api/stats/performance?period=2W").status_code == 400


@pytest.mark.row("B29", "N5")
def test_pnl_by_day_bot_and_symbol(alice: User, api: Api, session: TradingSession, over: TradingSession) -> None:
    client = api(alice)
    body = client.get("/api/stats/pnl").json()
    session.refresh_from_db()
    over.refresh_from_db()
    everything = session.equity - session.initial_cash + over.equity - over.initial_cash
    assert sum(Decimal(day["pnl"]) for day in body["days"]) == pytest.approx(everything)
    assert body["pnl"][-1] == pytest.approx(float(everything))
    assert body["time"] == sorted(set(body["time"]))
    bots = {row["bot_id"]: row for row in client.get("/api/stats/bots").json()}
    assert set(bots) == {session.bot_id, None}
    assert Decimal(bots[session.bot_id]["realised_pnl"]) == session.total_pnl
    symbols = {row["name"]: row for row in client.get("/api/stats/symbols").json()}
    assert set(symbols) == {"SIM-ALPHA", "SIM-BETA", "SIM-GAMMA"}
    assert Decimal(symbols["SIM-GAMMA"]["realised_pnl"]) == over.total_pnl
    week = client.get("/api/stats/pnl?period=1W&bot_id=" + str(session.bot_id)).json()
    assert week["pnl"][-1] == pytest.approx(float(session.equity - session.initial_cash))
    assert client.get(f"/api/stats/pnl?session_id={session.pk}").json() == week


@pytest.mark.row("B25", "C11")
def test_the_summary(alice: User, api: Api, session: TradingSession, over: TradingSession) -> None:
    body = api(alice).get("/api/summary").json()
    session.refresh_from_db()
    assert (body["active_sessions"], body["open_positions"], body["working_orders"]) == (1, 1, 2)
    assert Decimal(body["equity"]) == session.equity, "of the active ones"
    assert Decimal(body["total_pnl"]) == session.total_pnl + over.total_pnl, "of all"
    assert Decimal(body["day_pnl"]) == session.equity - session.day_start_equity
    assert body["total_trades"] == session.total_trades + over.total_trades


def test_long_curves_are_thinned_and_keep_their_extremes(alice: User) -> None:
    session = make_session(alice)
    now = timezone.now()
    Cycle.objects.bulk_create(
        Cycle(
            session=session, ts_ns=10**18 + n * 60 * 10**9, closed_at=now, equity=10_000 + n % 977, cash=1, exposure=0,
            received_at=now, decided_at=now,
        )
        for n in range(7_001)
    )  # fmt: skip
    curve = selectors.session_equity(session)
    assert 1_500 < len(curve["time"]) <= 2_000
    assert (curve["points"], curve["decimated"]) == (7_001, True)
    assert (min(curve["low"]), max(curve["high"])) == (10_000, 10_976)
    assert curve["time"][-1] == (10**18 + 7_000 * 60 * 10**9) // 10**9
    assert curve["equity"][-1] == 10_000 + 7_000 % 977
    assert len(selectors.user_pnl(alice)["time"]) <= 500


@pytest.mark.row("J20", "N10")
def test_exposure_limits_and_correlation(alice: User, api: Api, session: TradingSession) -> None:
    second = fill_session(
        make_session(
            alice, symbols=["SIM-BETA"], settings={"max_open_positions": 4, "max_drawdown_pct": 50, "stop_loss_pct": 2}
        ),
        bars=60,
        seed=3,
    )
    risk.set_envelope(alice, {"groups": {"greek": {"symbols": ["SIM-ALPHA", "SIM-BETA"], "cap": Decimal(9_000)}}})
    client = api(alice)
    session.refresh_from_db()
    second.refresh_from_db()
    exposure = client.get("/api/risk/exposure").json()
    assert Decimal(exposure["gross"]) == Decimal(exposure["net"]) == session.exposure + second.exposure
    assert Decimal(exposure["groups"][0]["gross"]) == Decimal(exposure["gross"])
    assert exposure["gross_pct"] == pytest.approx(float(100 * Decimal(exposure["gross"]) / Decimal(exposure["equity"])))
    limits = client.get("/api/risk/limits").json()
    mine = {row["limit"]: row for row in limits if row["session"] == second.pk}
    assert set(mine) == {"max_open_positions", "max_position_size_pct", "max_drawdown_pct"}
    assert (mine["max_open_positions"]["value"], mine["max_open_positions"]["used_pct"]) == (1, 25)
    assert [row["used_pct"] for row in limits] == sorted((row["used_pct"] for row in limits), reverse=True)
    found = client.get("/api/risk/correlation").json()
    assert found["symbols"] == ["SIM-ALPHA", "SIM-BETA"]
    assert found["matrix"][0][0] == pytest.approx(1)
    assert found["matrix"][0][1] == found["matrix"][1][0]
    assert -1 <= found["matrix"][0][1] <= 1
    assert found["observations"][0][1] > 20
    Decision.objects.filter(symbol="SIM-BETA").delete()
    assert client.get("/api/risk/correlation").json()["matrix"][0][1] is None


@pytest.mark.row("I7")
@pytest.mark.parametrize(
    ("state", "group"),
    [
        ("INTENT", "pending"),
        ("SUBMITTED", "pending"),
        ("ACCEPTED", "active"),
        ("PARTIALLY_FILLED", "active"),
        ("FILLED", "closed"),
        ("CANCELED", "closed"),
        ("REJECTED", "closed"),
        ("EXPIRED", "closed"),
        ("DENIED", "closed"),
    ],
)
def test_each_status_of_an_order_by_its_word(
    alice: User, api: Api, session: TradingSession, state: str, group: str
) -> None:
    order = session.orders.earliest("pk")
    session.orders.filter(pk=order.pk).update(state=state)
    row = api(alice).get(f"/api/orders/{order.pk}").json()
    assert (row["state"], row["group"]) == (state, group)
    assert order.pk in {found["id"] for found in rows(api(alice), f"/api/orders?group={group}&limit=200")}
