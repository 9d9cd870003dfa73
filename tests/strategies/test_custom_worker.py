"""What workers do for custom strategies: the causality check of each saved tree, and looks at trees over bars."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Tier, User
from marketdata.services import load_bars
from strategies import catalogue, causality, conditions, selectors, tasks
from strategies.models import ConditionTest, CustomStrategy
from strategies.services import checking, trials
from strategies.services import custom as services
from tests.servers import wait_until
from tests.strategies.trees import ABOVE_SMA, BODY, DOWN_CROSS, RSI_HIGH, RSI_LOW, UP_CROSS, compare, make_custom

pytestmark = pytest.mark.django_db(transaction=True)
Api = Callable[[User | None], APIClient]
TEST = "/api/custom-strategies/test"
ASKED = {"symbol": "aapl", "start_date": "2004-01-01", "end_date": "2008-12-31"}
DAILY_TREND = compare(
    {"price": "close"}, "above", {"indicator": "sma", "period": 20, "source": "close", "timeframe": "1d"}
)


@pytest.fixture
def alice(alice: User) -> User:
    """A user of tier PREMIUM."""
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    return User.objects.get(pk=alice.pk)


@pytest.fixture(autouse=True)
def own_queue(request: pytest.FixtureRequest, settings: Any) -> None:
    """What a test sends goes to a queue that nobody listens on, unless it shares the worker."""
    if "backtest_worker" not in request.fixturenames:
        settings.CELERY_TASK_DEFAULT_QUEUE = f"own-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def prices(transactional_db: None, sample_prices: None) -> None:
    """Real daily prices of AAPL, IBM, MSFT and GOOG."""


def checked(row: CustomStrategy) -> CustomStrategy:
    row.refresh_from_db()
    return row


@pytest.mark.row("W8", "B17")
@pytest.mark.slow
def test_a_worker_checks_what_is_saved(api: Api, alice: User, backtest_worker: subprocess.Popen[bytes]) -> None:
    caller = api(alice)
    made = caller.post("/api/custom-strategies", BODY, format="json").json()
    row = CustomStrategy.objects.get(pk=made["id"])
    wait_until(lambda: checked(row).check_state != "pending", "the check", 60)
    told = caller.get(f"/api/custom-strategies/{row.pk}").json()
    assert told["check"]["state"] == "ok", told["check"]
    assert told["warmup"] == conditions.warmup([RSI_LOW, RSI_HIGH])
    assert told["measured_warmup"] >= told["warmup"]
    report = told["check"]["report"]
    assert report["ok"] is True
    assert report["bars"] >= 3_000
    assert report["true_bars"]["buy"] > 0


@pytest.mark.row("W8")
def test_the_check_runs_on_the_same_prices_each_time_and_as_fine_as_the_trees_are(alice: User) -> None:
    hourly = make_custom(alice, "hourly", check_state="pending", buy_conditions=[DAILY_TREND, RSI_LOW])
    fine = make_custom(
        alice, "fine", check_state="pending", buy_conditions=compare(
            {"price": "close", "timeframe": "5m"}, "above", {"indicator": "sma", "period": 5, "timeframe": "5m"}
        )
    )  # fmt: skip
    for row in (hourly, fine):
        checking.run(row.pk, row.revision)
        assert checked(row).check_state == "ok", row.check_reason
    assert hourly.check_report["timeframe"] == "1h"
    assert fine.check_report["timeframe"] == "5m"
    first = hourly.check_report
    checking.series.cache_clear()
    checking.run(hourly.pk, hourly.revision)
    assert checked(hourly).check_report == first


@pytest.mark.row("W8", "B17")
def test_trees_that_look_ahead_are_not_run(alice: User, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tree can look ahead; an indicator that somebody adds to the registry could."""
    row = make_custom(alice, check_state="pending")
    strategy = catalogue.get("conditions")
    honest = strategy.lines

    def scaled(self: Any, bars: Any) -> dict[str, Any]:
        return {name: values / np.nanmax(values) for name, values in honest(self, bars).items() if len(values)}

    monkeypatch.setattr(strategy, "lines", scaled)
    checking.run(row.pk, row.revision)
    monkeypatch.undo()
    assert checked(row).check_state == "failed"
    assert "looks ahead" in row.check_reason
    for path, more in (
        ("/api/backtest/run", {"symbols": ["AAPL"]}),
        ("/api/trading/sessions/start", {"symbols": ["SIM-ALPHA"]}),
        ("/api/bots", {"name": "b", "symbols": ["SIM-ALPHA"]}),
    ):
        answer = api(alice).post(path, {"custom_strategy_id": row.pk, **more}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (422, "custom_failed_check"), path
        assert "looks ahead" in answer.json()["message"]
    services.update(alice, row.pk, {"buy_conditions": ABOVE_SMA})
    assert checked(row).check_state == "pending", "another tree is another question"


@pytest.mark.row("W8")
def test_a_check_that_was_overtaken_writes_nothing(alice: User) -> None:
    row = make_custom(alice, check_state="pending")
    services.update(alice, row.pk, {"buy_conditions": ABOVE_SMA})
    checking.run(row.pk, row.revision)
    assert checked(row).check_state == "pending"
    checking.run(row.pk, row.revision)
    assert checked(row).check_state == "ok"
    checking.run(987_654, 1)


@pytest.mark.row("W8", "Q7")
def test_checks_that_were_lost_are_sent_again(alice: User) -> None:
    row = make_custom(alice, check_state="pending")
    assert checking.due() == [], "it is just being sent by the request that made it"
    long_ago = timezone.now() - timedelta(minutes=10)
    CustomStrategy.objects.update(updated_at=long_ago)
    assert checking.due() == [(row.pk, 1)]
    assert tasks.send_check(row.pk, 1)
    assert checking.due() == [], "it is on its way"
    CustomStrategy.objects.update(check_sent_at=long_ago)
    assert checking.due() == [(row.pk, 1)]
    checking.run(row.pk, 1)
    assert checking.due() == []
    CustomStrategy.objects.update(check_version="0" * 12)
    assert checking.due() == [(row.pk, 1)], "another release may evaluate otherwise"


@pytest.mark.row("B6", "W8")
def test_trees_that_are_always_true_have_to_be_confirmed(alice: User, api: Api) -> None:
    positive = compare({"price": "close"}, "above", {"value": 0})
    row = make_custom(alice, buy_conditions=positive, check_state="pending")
    checking.run(row.pk, row.revision)
    assert checked(row).check_report["always"] == ["buy"]
    body = {"custom_strategy_id": row.pk, "symbols": ["SIM-ALPHA"]}
    asked = api(alice).post("/api/trading/sessions/start", body, format="json")
    assert (asked.status_code, asked.json()["code"]) == (422, "needs_confirmation")
    assert [fault["code"] for fault in asked.json()["errors"]] == ["always_true"]
    assert api(alice).post(
        "/api/trading/sessions/start", {**body, "confirm_cautions": True}, format="json"
    ).status_code == 201  # fmt: skip


@pytest.mark.row("B19", "E4")
@pytest.mark.slow
@pytest.mark.parametrize("path", [TEST, "/api/strategies/custom/test"])
def test_a_worker_says_where_trees_are_true_and_why(
    path: str, api: Api, alice: User, prices: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    bars = load_bars(["AAPL"], "1d", "2004-01-01", "2008-12-31").bars["AAPL"]
    tree = conditions.clean([RSI_LOW, {"type": "not", "children": [ABOVE_SMA]}])
    true = np.flatnonzero(conditions.evaluate(tree, bars))
    start = f"{str(bars.ts[true[0]].astype('datetime64[ns]'))[:19]}Z"
    asked = {**ASKED, "buy_conditions": tree, "sell_conditions": DOWN_CROSS, "explain_at": [0, int(true[3]), start]}
    caller = api(alice)
    answer = caller.post(path, asked, format="json")
    assert answer.status_code in (200, 202), answer.json()
    address = answer["Location"]
    wait_until(lambda: caller.get(address).json()["state"] in ("done", "failed"), "the look", 60)
    told = caller.get(address).json()
    assert told["state"] == "done", told
    seen = told["result"]
    assert seen["signals"]["buy"]["count"] == len(true) > 20
    assert seen["signals"]["buy"]["indexes"] == true.tolist()
    assert seen["signals"]["buy"]["times"][0] == start
    assert set(seen["signals"]) == {"buy", "sell"}
    assert seen["sentences"]["sell"] == "Sell when the close crosses below SMA(20)"
    assert seen["warmup"] == conditions.warmup([tree, DOWN_CROSS])
    chart = seen["chart"]
    assert len(chart["time"]) == len(chart["close"]) == len(bars)
    assert {line["label"] for line in chart["overlays"]} == {"RSI(14)", "SMA(20)"}
    assert [entry["index"] for entry in seen["explained"]] == [0, int(true[3]), int(true[0])]
    for entry in seen["explained"]:
        assert entry["trees"]["buy"] == conditions.explain(tree, bars, [entry["index"]])[0]
    assert seen["explained"][1]["trees"]["buy"]["is"] is True
    assert seen["explained"][0]["trees"]["buy"]["is"] is not True


@pytest.mark.row("B19")
@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"symbol": None}, "symbol", "required"),
        ({"symbol": "NOSUCH"}, "symbol", "not_found"),
        ({"symbol": 5}, "symbol", "wrong_type"),
        ({"timeframe": "3d"}, "timeframe", "unknown_choice"),
        ({"buy_conditions": DAILY_TREND | {"left": {"price": "close", "timeframe": "1h"}}}, "timeframe", None),
        ({"start_date": "2009-01-01"}, "end_date", "out_of_range"),
        ({"start_date": "2004-01-01T00:00"}, "start_date", "bad_date"),
        ({"end_date": "2999-01-01"}, "end_date", "out_of_range"),
        ({"source": "moon"}, "source", "unknown_choice"),
        ({"source": "synthetic", "symbol": "SYN-AAPL", "start_date": None}, "start_date", "required"),
        ({"explain_at": 5}, "explain_at", "wrong_type"),
        ({"explain_at": list(range(21))}, "explain_at", "out_of_range"),
        ({"explain_at": [-1]}, "explain_at[0]", "out_of_range"),
        ({"explain_at": [True]}, "explain_at[0]", "not_a_number"),
        ({"explain_at": ["2004-01-05"]}, "explain_at[0]", "bad_date"),
        ({"buy_conditions": None}, "buy_conditions", "required"),
        ({"custom_strategy_id": 1}, "custom_strategy_id", "conflict"),
        ({"wait": 1}, "wait", "unknown_field"),
    ],
    ids=str,
)
def test_a_wrong_test_is_refused_with_the_place(
    api: Api, alice: User, prices: None, change: dict[str, Any], path: str, code: str | None
) -> None:
    if "custom_strategy_id" in change:
        change = {"custom_strategy_id": make_custom(alice).pk}
    answer = api(alice).post(TEST, {**ASKED, "buy_conditions": RSI_LOW, **change}, format="json")
    assert answer.status_code == 400, answer.json()
    found = {(fault["path"], fault["code"]) for fault in answer.json()["errors"]}
    assert (path, code) in found or (code is None and path in {place for place, _ in found}), found
    assert not ConditionTest.objects.exists()


@pytest.mark.row("B19")
def test_a_look_by_id_of_ones_own_and_of_a_public_one(alice: User, bob: User, prices: None) -> None:
    row = make_custom(alice, buy_conditions=UP_CROSS, is_public=True)
    for user in (alice, bob):
        test = trials.submit(user, {**ASKED, "custom_strategy_id": row.pk, "explain_at": [99_999]})
        trials.run(test.pk)
        test.refresh_from_db()
        assert (test.state, test.failure_code) == ("failed", "invalid_input")
        assert test.failure_faults[0]["path"] == "explain_at[0]"
        test = trials.submit(user, {**ASKED, "custom_strategy_id": row.pk})
        trials.run(test.pk)
        trials.run(test.pk)
        test.refresh_from_db()
        assert test.state == "done"
        assert test.result["signals"]["buy"]["count"] > 10


@pytest.mark.row("B19", "A7")
def test_looks_are_few_at_once_and_not_kept(api: Api, alice: User, prices: None) -> None:
    body = {**ASKED, "buy_conditions": RSI_LOW}
    for _ in range(trials.MOST_AT_ONCE):
        trials.submit(alice, body)
    refused = api(alice).post(TEST, body, format="json")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    ConditionTest.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    trials.tidy()
    assert set(ConditionTest.objects.values_list("state", "failure_code")) == {("failed", "lost")}
    test = trials.submit(alice, body)
    ConditionTest.objects.exclude(pk=test.pk).update(created_at=timezone.now() - timedelta(hours=2))
    trials.tidy()
    assert list(ConditionTest.objects.all()) == [test]


@pytest.mark.row("G15", "B19", "W8")
def test_a_look_over_many_bars_draws_few_candles(alice: User) -> None:
    from strategies import looking

    bars = checking.series("1h", 9_000)
    trees = dict.fromkeys(("buy", "sell", "short", "cover")) | {"buy": conditions.clean([DAILY_TREND, RSI_LOW])}
    seen = looking.look(trees, bars)
    assert len(seen["chart"]["time"]) <= looking.MOST_CANDLES
    assert (seen["chart"]["bars"], seen["chart"]["bars_per_candle"]) == (9_000, 5)
    assert max(seen["chart"]["high"]) == pytest.approx(bars.high.max())
    assert seen["actions"]["BUY"] == seen["signals"]["buy"]["count"] > 0
    assert causality.check(catalogue.get("conditions")(**trees), bars).ok
    assert selectors.count(alice) == 0
