"""Performance records: what a finished backtest leaves, and who may read it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from backtests.models import Backtest, PerformanceRecord

Run = Callable[..., Backtest]
Api = Callable[[User | None], APIClient]


@pytest.fixture
def records(alice: User, run_now: Run) -> list[PerformanceRecord]:
    """Alice's: a crossover on AAPL, and IBM and MSFT held."""
    run_now(alice, name="a")
    run_now(alice, strategy="buy_and_hold", symbols=["IBM", "MSFT"], initial_capital=5_000)
    return list(PerformanceRecord.objects.order_by("pk"))


@pytest.mark.row("M1", "H7", "A6")
def test_a_record_tells_the_whole_story(alice: User, api: Api, records: list[PerformanceRecord]) -> None:
    record, backtest = records[0], records[0].backtest
    body = api(alice).get(f"/api/performance/{record.pk}").json()
    assert PerformanceRecord._meta.db_table == "strategy_performance"
    assert body["strategy_type"] == "ma_crossover"
    assert body["execution_type"] == "backtest"
    assert body["backtest"] == str(backtest.pk)
    assert (body["start"], body["end"]) == ("2003-01-02T00:00:00Z", "2012-12-31T00:00:00Z")
    assert body["symbols"] == ["AAPL"]
    assert body["initial_capital"] == 100_000
    assert body["final_capital"] == float(backtest.final_equity)
    assert body["total_trades"] == len(body["trades"]) == backtest.trade_count
    assert body["sharpe_ratio"] == body["metrics"]["sharpe"]
    assert {"sortino", "calmar", "var_95_pct", "skew", "kurtosis", "profit_factor", "alpha_pct", "beta"} <= set(
        body["metrics"]
    )
    assert body["config"]["strategy"] == "ma_crossover"
    assert body["equity_history"][0][0] == "2003-01-02"
    assert body["equity_history"][-1][1] == pytest.approx(body["final_capital"], abs=0.01)


@pytest.mark.row("B12", "A6")
def test_overview_and_analytics_sum_up_ones_own(
    alice: User, bob: User, api: Api, records: list[PerformanceRecord]
) -> None:
    overview = api(alice).get("/api/performance/overview").json()
    returns = [record.total_return_pct for record in records]
    assert overview["records"] == overview["strategies"] == 2
    assert overview["average_return_pct"] == pytest.approx(sum(returns) / 2)
    assert overview["best"]["total_return_pct"] == max(returns)
    assert overview["worst"]["total_return_pct"] == min(returns)
    assert overview["worst_drawdown_pct"] == max(record.max_drawdown_pct for record in records)
    assert overview["total_trades"] == sum(record.total_trades for record in records)
    assert [row["id"] for row in overview["latest"]] == [records[1].pk, records[0].pk]

    rows = api(alice).get("/api/performance/analytics").json()["strategies"]
    assert {row["strategy_type"] for row in rows} == {"ma_crossover", "buy_and_hold"}
    assert rows[0]["average_return_pct"] >= rows[1]["average_return_pct"]
    assert api(alice).get("/api/performance/overview?symbol=MSFT").json()["records"] == 1
    assert api(alice).get("/api/performance/overview?execution_type=live").json() == {
        "records": 0, "strategies": 0, "total_trades": 0, "average_return_pct": None, "average_sharpe_ratio": None,
        "worst_drawdown_pct": None, "profitable": 0, "best": None, "worst": None, "latest": [],
    }  # fmt: skip
    assert api(alice).get("/api/performance/overview?execution_type=x").status_code == 400
    assert api(bob).get("/api/performance/overview").json()["records"] == 0
    assert api(bob).get("/api/performance/analytics").json() == {"strategies": []}
    assert api(None).get("/api/performance/overview").status_code == 401


@pytest.mark.row("B13")
def test_records_by_strategy_name_and_by_saved_strategy(alice: User, bob: User, api: Api, run_now: Run) -> None:
    mine = run_now(alice)
    saved = api(alice).post(f"/api/backtests/{mine.pk}/save-as-strategy", {"name": "Mine ü/1"}, format="json").json()
    run_now(alice, strategy=None, saved_strategy_id=saved["id"], seed=1)
    client = api(alice)
    assert client.get("/api/performance/strategy/ma_crossover").json()["count"] == 2
    assert client.get("/api/performance/strategy/Moving-average crossover").json()["count"] >= 0
    assert client.get("/api/performance/strategy/nothing").json()["count"] == 0
    assert client.get(f"/api/performance/strategy-id/{saved['id']}").json()["count"] == 1
    assert api(bob).get("/api/performance/strategy/ma_crossover").json()["count"] == 0
    theirs = api(bob).get(f"/api/performance/strategy-id/{saved['id']}")
    missing = api(bob).get("/api/performance/strategy-id/999999")
    assert theirs.status_code == missing.status_code
    assert client.get(f"/api/performance/strategy-id/{10**30}").status_code in (200, 404)


@pytest.mark.row("B14", "A5")
def test_a_record_is_read_and_deleted_by_its_owner_only(
    alice: User, bob: User, api: Api, records: list[PerformanceRecord]
) -> None:
    path = f"/api/performance/{records[0].pk}"
    assert api(bob).get(path).status_code == api(bob).delete(path).status_code == 404
    assert api(alice).get(path).status_code == 200
    assert api(alice).delete(path).status_code == 204
    assert api(alice).get(path).status_code == 404
    assert api(alice).delete(path).status_code == 404
    assert Backtest.objects.filter(pk=records[0].backtest_id).exists(), "the backtest stays"
    assert api(alice).get(f"/api/performance/{10**30}").status_code == 404
