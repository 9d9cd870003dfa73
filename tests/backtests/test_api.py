"""The REST routes of backtests, with real prices, through HTTP."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from backtests import job
from backtests.models import Backtest, PerformanceRecord
from tests.backtests.conftest import AAPL

Run = Callable[..., Backtest]
Api = Callable[[User | None], APIClient]
RUN = "/api/backtest/run"


def post(client: APIClient, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body, format="json", headers=headers)


@pytest.mark.row("B9", "H1", "H6", "H7")
def test_a_run_is_queued_then_done_and_answers_with_its_figures(alice: User, api: Api, sample_data: None) -> None:
    client = api(alice)
    answer = post(client, RUN, {**AAPL, "settings": {"stop_loss_pct": 5}})
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert body["state"] == "QUEUED"
    assert answer["Location"] == f"/api/backtests/{body['id']}"

    job.run(uuid.UUID(body["id"]))
    done = client.get(answer["Location"]).json()
    assert done["state"] == "DONE", done["failure_reason"]
    assert done["settings"]["stop_loss_pct"] == 5
    assert done["config"]["strategy_parameters"] == {
        "fast_window": 10,
        "slow_window": 30,
        "ma_type": "SMA",
        "min_strength_threshold": 0.001,
    }
    metrics = done["result"]["metrics"]
    assert done["final_equity"] == pytest.approx(metrics["final_equity"], abs=0.01)
    assert done["total_return_pct"] == pytest.approx((metrics["final_equity"] / 100_000 - 1) * 100)
    assert done["trade_count"] == metrics["trade_count"] > 20
    assert 0 < done["win_rate_pct"] < 100
    assert 0 < done["max_drawdown_pct"] < 100
    assert len(done["data_hash"]) == len(done["result_hash"]) == 64

    trades = client.get(f"{answer['Location']}/trades?limit=200").json()
    assert trades["count"] == done["trade_count"]
    assert sum(row["pnl_net"] for row in trades["results"]) == pytest.approx(
        metrics["expectancy"] * metrics["trade_count"]
    )
    equity = client.get(f"{answer['Location']}/equity").json()
    assert equity["points"] == 2_517
    assert equity["equity"][-1] == pytest.approx(metrics["final_equity"])

    record = PerformanceRecord.objects.get(backtest_id=body["id"])
    assert record.total_trades == done["trade_count"]
    assert len(record.equity_history) == 2_517


@pytest.mark.row("B9", "A8", "P10")
def test_a_wrong_request_is_refused_with_the_place_of_every_fault(alice: User, api: Api, sample_data: None) -> None:
    answer = post(
        api(alice),
        RUN,
        {**AAPL, "symbols": ["AAPL", "NOPE"], "strategy_parameters": {"fast_window": 0}, "initial_capital": "1"},
    )
    assert answer.status_code == 400
    body = answer.json()
    assert body["request_id"]
    assert {(f["path"], f["code"]) for f in body["errors"]} == {
        ("strategy_parameters.fast_window", "out_of_range"),
        ("initial_capital", "not_a_number"),
    }
    answer = post(api(alice), RUN, {**AAPL, "symbols": ["AAPL", "NOPE"], "benchmark": "SPY"})
    assert {(f["path"], f["code"]) for f in answer.json()["errors"]} == {
        ("symbols[1]", "not_found"),
        ("benchmark", "not_found"),
    }
    assert not Backtest.objects.exists()


@pytest.mark.parametrize("body", [[], "x", 5, None, {"symbols": {"a": 1}}, {"strategy": {"$ne": 1}}])
def test_bodies_of_another_shape_are_refused(body: Any, alice: User, api: Api) -> None:
    assert post(api(alice), RUN, body).status_code == 400


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    "raw",
    [
        b'{"initial_capital": NaN}',
        b'{"initial_capital": 1e999}',
        b'{"symbols": ["\\ud800"]}',
        b'{"name": "a\\u0000b"}',
        b'{"seed": 1, "seed": 2}',
        b"[" * 100_000,
        b'{"initial_capital": ' + b"9" * 4_000 + b"}",
    ],
)
def test_poisoned_json_is_refused(raw: bytes, alice: User, api: Api) -> None:
    answer = api(alice).post(RUN, raw, content_type="application/json")
    assert answer.status_code == 400, answer.content[:200]
    assert answer.json()["errors"]


def test_unusual_settings_must_be_confirmed(alice: User, api: Api, sample_data: None) -> None:
    body = {**AAPL, "settings": {"position_size_value": 150}}
    answer = post(api(alice), RUN, body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "needs_confirmation"
    assert answer.json()["errors"][0]["path"] == "settings.position_size_value"
    assert post(api(alice), RUN, {**body, "confirm_cautions": True}).status_code == 202
    assert post(api(alice), RUN, {**body, "confirm_cautions": "yes"}).status_code == 400


def test_the_same_idempotency_key_starts_nothing_twice(alice: User, bob: User, api: Api, sample_data: None) -> None:
    first = post(api(alice), RUN, AAPL, **{"Idempotency-Key": "k1"})
    again = post(api(alice), RUN, AAPL, **{"Idempotency-Key": "k1"})
    assert first.json()["id"] == again.json()["id"]
    assert post(api(alice), RUN, {**AAPL, "seed": 1}, **{"Idempotency-Key": "k1"}).status_code == 409
    theirs = post(api(bob), RUN, AAPL, **{"Idempotency-Key": "k1"})
    assert theirs.status_code == 202
    assert theirs.json()["id"] != first.json()["id"]
    assert post(api(alice), RUN, AAPL, **{"Idempotency-Key": "x" * 201}).status_code == 400
    assert Backtest.objects.count() == 2


@pytest.mark.row("A2")
def test_the_tier_limits_how_many_run_and_deleting_frees_no_daily_quota(
    alice: User, api: Api, sample_data: None
) -> None:
    client = api(alice)
    for _ in range(2):
        assert post(client, RUN, AAPL).status_code == 202
    refused = post(client, RUN, AAPL)
    assert refused.status_code == 403
    body = refused.json()
    assert (body["code"], body["current"], body["maximum"], body["tier"]) == ("quota_exceeded", 2, 2, "FREE")
    type(alice.tier).objects.filter(pk="FREE").update(max_backtests_per_day=3)
    for row in client.get("/api/backtests").json()["results"]:
        assert client.delete(f"/api/backtests/{row['id']}").status_code == 204
    assert post(client, RUN, AAPL).status_code == 202
    for row in client.get("/api/backtests").json()["results"]:
        client.delete(f"/api/backtests/{row['id']}")
    assert post(client, RUN, AAPL).json()["limit"] == "max_backtests_per_day"


@pytest.mark.row("A2")
@pytest.mark.parametrize(
    ("body", "least", "most"),
    [
        ({}, 2_200, 2_517),
        ({"start_date": None, "end_date": None, "symbols": ["AAPL", "IBM"]}, 5_800, 6_546),
        ({"source": "synthetic", "symbols": ["SYN-AAPL"], "timeframe": "1m"}, 870_000, 985_000),
        ({"source": "synthetic", "symbols": ["SYN-COIN"], "timeframe": "1h"}, 78_000, 87_700),
        ({"source": "synthetic", "symbols": ["SYN-AAPL"], "match_timeframe": "5m"}, 174_000, 197_000),
    ],
)
def test_a_run_over_the_tiers_bars_is_refused_before_anything_is_loaded(
    body: dict[str, Any], least: int, most: int, alice: User, api: Api, sample_data: None
) -> None:
    tier = type(alice.tier).objects.filter(pk="FREE")
    tier.update(max_backtest_bars=least)
    refused = post(api(alice), RUN, {**AAPL, **body})
    assert refused.status_code == 403
    assert refused.json()["limit"] == "max_backtest_bars"
    tier.update(max_backtest_bars=most)
    assert post(api(alice), RUN, {**AAPL, **body}).status_code == 202, "what fits is never refused"


@pytest.mark.row("A2")
def test_a_run_over_the_tiers_bars_fails_with_a_plain_reason(alice: User, run_now: Run) -> None:
    # Between the cautious estimate and the exact count.
    type(alice.tier).objects.filter(pk="FREE").update(max_backtest_bars=2_500)
    failed = run_now(alice)
    assert failed.state == "FAILED"
    assert failed.failure_code == "quota_exceeded"
    assert "2,500 bars" in failed.failure_reason


ROUTES = [
    ("get", ""),
    ("delete", ""),
    ("post", "/cancel"),
    ("post", "/rerun"),
    ("post", "/save-as-strategy"),
    ("get", "/trades"),
    ("get", "/trades.csv"),
    ("get", "/equity"),
    ("get", "/result"),
]


@pytest.mark.row("A5")
@pytest.mark.parametrize(("method", "tail"), ROUTES)
def test_another_users_backtest_answers_as_if_it_did_not_exist(
    method: str, tail: str, alice: User, bob: User, api: Api, run_now: Run
) -> None:
    mine = run_now(alice)
    body = {"name": "x"} if tail == "/save-as-strategy" else None
    theirs = getattr(api(bob), method)(f"/api/backtests/{mine.pk}{tail}", body, format="json")
    missing = getattr(api(bob), method)(f"/api/backtests/{uuid.uuid4()}{tail}", body, format="json")
    anonymous = getattr(api(None), method)(f"/api/backtests/{mine.pk}{tail}", body, format="json")
    assert theirs.status_code == missing.status_code == 404
    assert anonymous.status_code == 401
    drop = "request_id"
    assert {k: v for k, v in theirs.json().items() if k != drop} == {
        k: v for k, v in missing.json().items() if k != drop
    }
    mine.refresh_from_db()
    assert mine.state == "DONE"


@pytest.mark.row("A5")
def test_lists_and_comparisons_hold_ones_own_only(alice: User, bob: User, api: Api, run_now: Run) -> None:
    mine, theirs = run_now(alice), run_now(bob)
    assert [row["id"] for row in api(bob).get("/api/backtests").json()["results"]] == [str(theirs.pk)]
    assert api(bob).get(f"/api/backtests/compare?ids={mine.pk},{theirs.pk}").status_code == 404
    assert api(bob).get("/api/performance/overview").json()["records"] == 1


def test_the_list_is_filtered_sorted_and_paged(alice: User, api: Api, run_now: Run) -> None:
    a = run_now(alice, name="first")
    b = run_now(alice, strategy="buy_and_hold", symbols=["IBM", "MSFT"], name="second")
    client = api(alice)

    def ids(query: str) -> list[str]:
        answer = client.get(f"/api/backtests?{query}")
        assert answer.status_code == 200, answer.content
        return [row["name"] for row in answer.json()["results"]]

    assert ids("") == ["second", "first"]
    assert ids("symbol=msft") == ["second"]
    assert ids("symbol=MSF") == []
    assert ids("search=SECO+ibm") == ids("search=hold+msf") == ["second"]
    assert ids("search=second+aapl") == []
    browser = Client()
    browser.force_login(alice)
    listed = browser.get("/backtests/?q=SECO+ibm&symbol=msft&strategy=buy_and_hold&state=DONE&sort=return")
    assert [row.name for row in listed.context["page"].object_list] == ["second"]
    assert [row.name for row in browser.get("/backtests/?sort=name").context["page"].object_list] == ["first", "second"]
    assert ids("strategy=ma_crossover") == ["first"]
    assert ids("state=DONE&search=SEC") == ["second"]
    assert ids("limit=1&page=2") == ["first"]
    by_return = sorted([a, b], key=lambda row: row.total_return_pct or 0)
    assert ids("sort=total_return_pct") == [row.name for row in by_return]
    assert ids("sort=-total_return_pct") == [row.name for row in reversed(by_return)]
    for bad in ("sort=owner__password", "state=x", "nope=1", "page=0", "page=-1", "limit=x", "sort=name&sort=name"):
        assert client.get(f"/api/backtests?{bad}").status_code == 400, bad


def test_trades_sort_filter_and_download(alice: User, api: Api, run_now: Run) -> None:
    mine = run_now(alice)
    client, path = api(alice), f"/api/backtests/{mine.pk}/trades"
    rows = client.get(f"{path}?sort=-pnl_net&limit=200").json()["results"]
    assert [row["pnl_net"] for row in rows] == sorted((row["pnl_net"] for row in rows), reverse=True)
    wins = client.get(f"{path}?result=win&limit=1").json()
    assert wins["count"] == sum(row["pnl_net"] > 0 for row in rows)
    assert len(wins["results"]) == 1
    assert client.get(f"{path}?sort=nope").status_code == 400

    download = client.get(f"{path}.csv?sort=-pnl_net", headers={"Accept": "text/csv"})
    assert download["Content-Type"].startswith("text/csv")
    assert "attachment" in download["Content-Disposition"]
    table = list(csv.DictReader(io.StringIO(b"".join(download.streaming_content).decode())))
    assert [float(row["pnl_net"]) for row in table] == [row["pnl_net"] for row in rows]
    texts = [value for row in table for key, value in row.items() if key not in ("pnl_net", "return_pct")]
    assert not [text for text in texts if text[:1] in "=+-@\t\r"]


@pytest.mark.row("H6")
def test_the_whole_result_is_what_the_command_line_writes(alice: User, api: Api, run_now: Run) -> None:
    mine = run_now(alice)
    answer = api(alice).get(f"/api/backtests/{mine.pk}/result")
    assert answer.status_code == 200
    whole = json.loads(b"".join(answer.streaming_content))
    assert len(whole["trades"]) == mine.trade_count
    assert len(whole["equity"]) == 2_517
    assert whole["equity"][-1][1] == whole["final_equity"]
    assert whole["metrics"]["trade_count"] == mine.trade_count
    assert set(whole["trades"][0]) >= {
        "symbol", "side", "entry_time", "entry_price", "exit_time", "exit_price", "size", "pnl_net", "exit_reason",
    }  # fmt: skip
