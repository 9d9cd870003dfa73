"""An exact rerun: the identical result, or the name of what changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from backtests import job, records, selectors, services
from backtests.models import Backtest
from marketdata.models import Instrument
from tests.backtests.conftest import AAPL
from tradingsite.lib.errors import Conflict

Run = Callable[..., Backtest]


def rerun(user: User, original: Backtest) -> Backtest:
    again = services.rerun(user, original.pk)
    job.run(again.pk)
    again.refresh_from_db()
    return again


@pytest.mark.row("W15")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "symbols": ["IBM", "AAPL"],
            "strategy": "rsi_bollinger",
            "settings": {"stop_loss_pct": 4, "slippage_model": "fixed", "slippage_value": 0.02},
        },
        {"symbols": ["MSFT", "AAPL"], "symbols_alone": True, "preset": "conservative"},
        {"start_date": None, "end_date": None, "benchmark": "IBM", "metrics": ["sharpe"], "seed": 9},
    ],
)  # fmt: skip
def test_a_rerun_is_identical_to_the_last_bit(changes: dict[str, Any], alice: User, run_now: Run) -> None:
    first = run_now(alice, **changes)
    again = rerun(alice, first)
    assert again.rerun_of_id == first.pk
    assert again.config == first.config
    assert again.rerun_report == {
        "original": str(first.pk),
        "identical": True,
        "changed": [],
        "result_hash": {"before": first.result_hash, "now": first.result_hash},
    }
    assert "".join(selectors.export(again)) == "".join(selectors.export(first))


@pytest.mark.row("W15")
def test_everything_needed_to_run_it_again_is_stored(alice: User, run_now: Run) -> None:
    done = run_now(alice, seed=3)
    assert len(done.strategy_version) == 12
    assert len(done.engine_version) == 12
    assert {"numpy", "numba", "TA-Lib"} <= set(done.library_versions)
    assert len(done.data_hash) == 64
    assert done.seed == 3
    assert done.parameters["slow_window"] == 30
    assert done.settings["max_position_size_pct"] == 25


@pytest.mark.row("W15")
def test_changed_prices_are_named(alice: User, run_now: Run) -> None:
    first = run_now(alice, adjustment="split")
    # A coarser tick is other data, though it changes no fill.
    Instrument.objects.filter(symbol="AAPL").update(tick_size="0.05")
    again = rerun(alice, first)
    report = again.rerun_report
    assert report is not None
    assert [change["what"] for change in report["changed"]] == ["data_hash"]
    assert report["changed"][0]["before"] == first.data_hash
    assert report["identical"] is (again.result_hash == first.result_hash)


@pytest.mark.row("W15")
def test_each_thing_that_can_change_is_named(alice: User, run_now: Run) -> None:
    original = run_now(alice)
    now = {
        "strategy_version": "0" * 12,
        "engine_version": original.engine_version,
        "library_versions": {**original.library_versions, "numpy": "99"},
        "data_hash": original.data_hash,
        "result_hash": "other",
    }
    report = records.compared(original, now)
    assert report["identical"] is False
    assert [change["what"] for change in report["changed"]] == ["strategy_version", "library_versions"]


def test_what_is_not_over_yet_is_not_run_again(
    alice: User, sample_data: None, api: Callable[[User], APIClient]
) -> None:
    waiting = services.submit(alice, AAPL)
    answer = api(alice).post(f"/api/backtests/{waiting.pk}/rerun", format="json")
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    assert Backtest.objects.count() == 1


def test_a_rerun_of_what_never_finished_has_nothing_to_compare(alice: User, run_now: Run) -> None:
    original = run_now(alice)
    Backtest.objects.filter(pk=original.pk).update(state="CANCELED", result_hash="")
    again = rerun(alice, original)
    assert again.rerun_report is not None
    assert again.rerun_report["identical"] is None


def test_what_the_platform_no_longer_takes_is_refused_with_the_reason(
    alice: User, run_now: Run, api: Callable[[User], APIClient]
) -> None:
    original = run_now(alice)
    config = {**original.config, "strategy": "gone"}
    Backtest.objects.filter(pk=original.pk).update(config=config)
    with pytest.raises(Conflict) as caught:
        services.rerun(alice, original.pk)
    assert caught.value.faults[0].path == "strategy"
    answer = api(alice).post(f"/api/backtests/{original.pk}/rerun", format="json")
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_repeatable"


def test_a_rerun_by_api_can_be_repeated_under_one_key(
    alice: User, run_now: Run, api: Callable[[User], APIClient]
) -> None:
    original = run_now(alice)
    headers = {"Idempotency-Key": "again"}
    path = f"/api/backtests/{original.pk}/rerun"
    first = api(alice).post(path, format="json", headers=headers)
    second = api(alice).post(path, format="json", headers=headers)
    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["rerun_of"] == str(original.pk)
