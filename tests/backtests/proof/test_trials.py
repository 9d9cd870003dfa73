"""What is counted as tried: every variant once, whoever runs it, and nothing that only examines."""

from __future__ import annotations

import threading

import pytest

from accounts.models import User
from backtests import job as backtest_job
from backtests import services as backtest_services
from backtests.models import Backtest, TrialCount
from backtests.proof import trials
from backtests.sweeps import services as sweep_services
from tests.backtests.proof.rig import made
from tests.backtests.sweeps.rig import BODY, run_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("W7")]


def counted(user: User, *symbols: str) -> int:
    return trials.counted(user, trials.key_of("sample", symbols or ["AAPL"]))


@pytest.mark.row("W15")
def test_every_variant_counts_once_and_deleting_frees_nothing(alice, bob, run_now, tested):
    assert counted(alice) == 1
    run_now(alice, name="again", metrics=["sharpe"], benchmark="IBM")  # nothing else is traded
    assert counted(alice) == 1
    run_now(alice, strategy_parameters={"fast_window": 7}).delete()
    run_now(alice, start_date="2005-01-01")  # other dates are another look
    assert counted(alice) == 3
    run_now(alice, symbols=["IBM"])
    assert (counted(alice), counted(bob)) == (3, 0)
    assert made(alice, tested).trials == 3
    with pytest.raises(ValueError, match="stays tried"):
        trials.count(alice, "x", -1)


def test_tries_are_counted_exactly_in_parallel(alice):
    def work() -> None:
        from django.db import connection

        for _ in range(10):
            trials.count(alice, "k", 5)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert TrialCount.objects.get(owner=alice).variants == 200


def test_a_passport_tries_nothing_and_examines_the_same_again(alice, run_now, tested):
    """Its neighbours and draws are looked at, not chosen from: were they counted, making it again would undo it."""
    first, again = made(alice, tested), made(alice, tested)
    assert first.runs_total > 10
    assert (first.trials, again.trials, counted(alice)) == (1, 1, 1)
    assert again.result_hash == first.result_hash
    run_now(alice, strategy_parameters={"fast_window": 11})  # a neighbour that was taken for a run is tried
    assert counted(alice) == 2
    assert made(alice, tested).trials == 2


@pytest.mark.parametrize(("method", "count"), [("grid", 30), ("random", 12), ("bayesian", 20)])
def test_every_method_of_a_sweep_counts_what_it_ran_and_the_same_sweep_once(alice, sample_data, method, count):
    """Of the grid's 36 six are no crossover: what is refused is not tried."""
    asked = BODY if method == "grid" else {**BODY, "method": method, "trials": count}
    sweep_services.submit(alice, asked)
    run_all()
    first = counted(alice)
    assert 0 < first <= count
    assert method != "grid" or first == count
    sweep_services.submit(alice, {**asked, "name": "once more"})
    run_all()
    assert counted(alice) == first
    sweep_services.submit(alice, {**asked, "backtest": {**BODY["backtest"], "start_date": "2004-01-01"}})
    run_all()
    assert counted(alice) > first


def test_a_combination_that_is_opened_was_counted_by_its_sweep(alice, sample_data):
    sweep = sweep_services.submit(alice, BODY)
    early = sweep_services.open_cell(alice, sweep.pk, 1)
    backtest_job.run(early.pk)
    assert counted(alice) == 1, "no sweep has run it yet"
    run_all()
    before = counted(alice)
    opened = sweep_services.open_cell(alice, sweep.pk, 2)
    backtest_job.run(opened.pk)
    assert Backtest.objects.get(pk=opened.pk).state == "DONE"
    assert counted(alice) == before
    forged = (f"sweep-{sweep.pk}-3", f"sweep-{sweep.pk}-99", f"sweep-{'-' * 36}-3")
    for window, key in enumerate(forged, 3):  # a key is whatever a client sends
        body = {**BODY["backtest"], "strategy_parameters": {"fast_window": window}}
        backtest_job.run(backtest_services.submit(alice, body, key).pk)
    assert {row.state for row in Backtest.objects.all()} == {"DONE"}
    assert counted(alice) == before + 3


@pytest.mark.row("K7")
def test_weights_count_as_any_other_strategy(alice, run_now):
    rules = {"rebalance_frequency": "on_signal", "max_position_size_pct": 60}
    both = {"strategy": "allocation", "symbols": ["AAPL", "IBM"], "settings": rules}
    for method in ("equal_weight", "inverse_volatility", "inverse_volatility"):
        done = run_now(alice, **both, strategy_parameters={"method": method, "max_weight_pct": 60})
        assert done.state == "DONE", done.failure_reason
    assert counted(alice, "AAPL", "IBM") == 2
    assert counted(alice, "AAPL") == 0
