"""The best of 200 tries on noise fails, a planted edge passes; and the same seed says the same to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtests.proof.examining import Stopped, examine
from backtests.proof.findings import FAIL, NOT_APPLICABLE, PASS
from backtests.proof.study import Study
from backtests.runner import execute
from engine import Bars
from tests.backtests.proof.markets import KNOWN, TRIED, luckiest, noise, planted, study
from tests.strategies.series import FIRST_DAY_NS

pytestmark = pytest.mark.row("W7")
NAMES = [
    "deflated_sharpe",
    "probabilistic_sharpe",
    "walk_forward_rolling",
    "walk_forward_anchored",
    "neighbourhood",
    "entries",
    "cost_stress",
    "bootstrap",
    "trade_order",
]


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {finding["name"]: finding["verdict"] for finding in document["findings"]}


@pytest.mark.parametrize("seed", range(500, 510))
def test_the_best_of_200_noise_strategies_fails(seed):
    market = noise(seed)
    assert len(TRIED) == 200
    document = examine(study(market, luckiest(market)), trials=200, seed=1)
    assert document["verdict"] == FAIL
    assert verdicts(document)["deflated_sharpe"] == FAIL


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_a_planted_edge_passes(seed):
    document = examine(study(planted(seed), KNOWN), trials=200, seed=1)
    assert verdicts(document) == dict.fromkeys(NAMES, PASS)
    assert document["verdict"] == PASS


@pytest.mark.row("W15")
def test_the_same_seed_gives_the_same_document_and_another_one_does_not():
    market = planted(3)
    first, again, other = (examine(study(market, KNOWN), trials=5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["hash"] == again["hash"]
    assert other["hash"] != first["hash"]
    assert [finding["name"] for finding in first["findings"]] == NAMES


def test_more_tries_on_the_same_data_make_the_same_run_less_convincing():
    market = noise(505)
    lucky = luckiest(market)
    few, many = (
        next(f for f in examine(study(market, lucky), trials=trials, seed=1)["findings"] if f["name"] == NAMES[0])
        for trials in (1, 200)
    )
    assert few["figure"] > 0.9 > many["figure"]
    assert many["details"]["hurdle_sharpe"] > few["details"]["hurdle_sharpe"] == 0


def test_a_strategy_without_numbers_has_no_neighbours_and_too_few_trades_are_no_pass():
    one = study(planted(1), KNOWN)
    held = Study(replace(one.config, strategy="buy_and_hold", strategy_parameters={}), one.bars)
    seen = verdicts(examine(held, trials=1, seed=1))
    assert seen["neighbourhood"] == NOT_APPLICABLE
    assert seen["entries"] == seen["trade_order"] == "doubt"


def test_it_stops_when_told():
    told = []

    def stop(done: int, total: int) -> bool:
        told.append((done, total))
        return done < 3

    with pytest.raises(Stopped):
        examine(study(planted(1), KNOWN), trials=1, seed=1, on_progress=stop)
    assert [done for done, _ in told] == [0, 1, 2, 3]


def test_a_cancel_is_heard_within_a_run():
    asked = []

    def stop(done: int, total: int) -> bool:
        asked.append((done, total))
        return False

    close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.001, 150_000)))
    ts = FIRST_DAY_NS + np.arange(len(close)) * 60_000_000_000
    minutes = Bars.from_arrays("TEST", "1m", ts, *[close] * 4, np.full(len(close), 1e6), calendar="24/7")
    held = Study(study(noise(1), KNOWN).config, {"TEST": minutes}, on_bars=stop)
    with pytest.raises(execute.Cancelled):
        held.run(KNOWN, held.signals(KNOWN))
    assert len(asked) == 1
    assert 0 < asked[0][0] < asked[0][1], "before the run was through"
