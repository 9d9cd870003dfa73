"""The REST routes of backtests that are there: canceled, deleted, saved, compared; health and the catalogue."""

from __future__ import annotations

import time
import uuid

import pytest

from accounts.models import User
from backtests import health, job, tasks
from backtests.models import Backtest, PerformanceRecord, ResultPart
from tests.backtests.conftest import AAPL
from tests.backtests.test_api import RUN, Api, Run, post
from tradingsite import heartbeat


def test_what_is_not_done_has_no_result(alice: User, api: Api, sample_data: None) -> None:
    client = api(alice)
    path = post(client, RUN, AAPL)["Location"]
    assert client.get(path).json()["result"] is None
    assert client.get(f"{path}/trades").json()["count"] == 0
    assert client.get(f"{path}/equity").status_code == 409
    assert client.get(f"{path}/result").status_code == 409
    assert post(client, f"{path}/save-as-strategy", {"name": "x"}).status_code == 409


def test_canceling_what_waits_is_immediate_and_can_be_repeated(alice: User, api: Api, sample_data: None) -> None:
    client = api(alice)
    path = post(client, RUN, AAPL)["Location"]
    for _ in range(2):
        answer = post(client, f"{path}/cancel")
        assert answer.status_code == 200
        assert answer.json()["state"] == "CANCELED"
    backtest = Backtest.objects.get()
    job.run(backtest.pk)
    backtest.refresh_from_db()
    assert backtest.state == "CANCELED", "a message that comes late runs nothing"


def test_deleting_removes_everything(alice: User, api: Api, run_now: Run) -> None:
    mine = run_now(alice)
    assert ResultPart.objects.filter(backtest=mine).count() >= 6
    client = api(alice)
    assert client.delete(f"/api/backtests/{mine.pk}").status_code == 204
    assert client.delete(f"/api/backtests/{mine.pk}").status_code == 404
    assert not ResultPart.objects.exists()
    assert not PerformanceRecord.objects.exists()


@pytest.mark.row("D19")
def test_a_finished_backtest_is_saved_as_a_strategy_and_run_again_from_it(alice: User, api: Api, run_now: Run) -> None:
    mine = run_now(alice, strategy_parameters={"fast_window": 7}, settings={"stop_loss_pct": 4})
    client = api(alice)
    saved = post(client, f"/api/backtests/{mine.pk}/save-as-strategy", {"name": "My crossover"})
    assert saved.status_code == 201, saved.content
    assert saved.json()["parameters"]["fast_window"] == 7
    assert post(client, f"/api/backtests/{mine.pk}/save-as-strategy", {"name": "My crossover"}).status_code == 409
    assert post(client, f"/api/backtests/{mine.pk}/save-as-strategy", {"name": "", "owner": 1}).status_code == 400

    body = {key: value for key, value in AAPL.items() if key != "strategy"} | {"saved_strategy_id": saved.json()["id"]}
    started = post(client, RUN, body)
    assert started.status_code == 202, started.content
    again = Backtest.objects.get(pk=started.json()["id"])
    job.run(again.pk)
    again.refresh_from_db()
    assert again.result_hash == mine.result_hash
    assert again.strategy_label == "My crossover"


@pytest.mark.row("A5")
def test_another_users_saved_strategy_is_not_found(alice: User, bob: User, api: Api, run_now: Run) -> None:
    mine = run_now(alice)
    saved = post(api(alice), f"/api/backtests/{mine.pk}/save-as-strategy", {"name": "mine"}).json()["id"]
    body = {"symbols": ["AAPL"], "saved_strategy_id": saved}
    assert post(api(bob), RUN, body).status_code == 404
    assert post(api(bob), RUN, {**body, "saved_strategy_id": True}).status_code == 400


@pytest.mark.row("B10")
def test_health_says_how_many_wait(alice: User, api: Api, sample_data: None) -> None:
    post(api(alice), RUN, AAPL)
    body = api(alice).get("/api/backtest/health").json()
    assert body["queued"] == 1
    assert body["running"] == 0
    assert body["oldest_queued_s"] >= 0
    assert api(None).get("/api/backtest/health").status_code == 401


@pytest.mark.row("B10")
def test_health_goes_by_the_worker_that_runs_backtests_not_by_the_one_that_reaps(
    alice: User, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A queue of this test's own: the worker that other tests share may speak at any moment.
    queue = f"backtests-{uuid.uuid4().hex}"
    monkeypatch.setattr(health, "QUEUE", queue)
    tasks.reap()  # housekeeping, which another worker does
    body = api(alice).get("/api/backtest/health").json()
    assert (body["status"], body["worker_seen_s"]) == ("degraded", None)
    heartbeat.write_pulse([queue], "one@rig", idle_since=time.time())
    body = api(alice).get("/api/backtest/health").json()
    assert body["status"] == "ok"
    assert 0 <= body["worker_seen_s"] < 30


@pytest.mark.row("B11", "H13")
def test_the_catalogue_declares_strategies_settings_presets_and_metrics(alice: User, api: Api) -> None:
    body = api(alice).get("/api/backtest/strategies").json()
    slugs = [entry["slug"] for entry in body["strategies"]]
    assert {"mean_reversion", "ma_crossover", "momentum", "bollinger", "breakout", "buy_and_hold"} <= set(slugs)
    crossover = body["strategies"][slugs.index("ma_crossover")]
    assert crossover["parameters"][0].keys() >= {"name", "type", "default", "min", "max", "label", "help"}
    assert body["presets"]["conservative"]["stop_loss_pct"] == 2
    assert {"sharpe", "sortino", "calmar", "var_95_pct", "profit_factor"} <= {m["name"] for m in body["metrics"]}
    assert all(entry["convention"] for entry in body["metrics"])


def test_up_to_six_are_compared_side_by_side(alice: User, api: Api, run_now: Run) -> None:
    ids = [str(run_now(alice, seed=i).pk) for i in range(2)]
    rows = api(alice).get(f"/api/backtests/compare?ids={','.join(reversed(ids))}").json()
    assert [row["backtest"]["id"] for row in rows] == ids[::-1]
    assert rows[0]["equity"]["value"][0] == pytest.approx(100, rel=0.01)
    assert rows[0]["metrics"]["trade_count"] == rows[0]["backtest"]["trade_count"]
    client = api(alice)
    assert client.get("/api/backtests/compare").status_code == 400
    assert client.get("/api/backtests/compare?ids=").status_code == 400
    assert client.get(f"/api/backtests/compare?ids={','.join(str(uuid.uuid4()) for _ in range(7))}").status_code == 400
    assert client.get("/api/backtests/compare?ids=x").status_code == 404
