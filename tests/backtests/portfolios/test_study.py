"""What a study finds: weights and risk that add up, promises against the formulas, backtests that are plain runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtests.portfolios.request import equal_weight
from backtests.runner import execute
from engine.errors import InputError
from strategies import catalogue
from strategies.allocation import Problem, allocate
from strategies.panel import Panel
from tests.backtests.portfolios.made import NAMES, examined, of_made
from tests.strategies.panels import bars_of, basket

pytestmark = pytest.mark.row("K7")


@pytest.mark.row("K1", "K2")
@pytest.mark.parametrize("method", ["min_variance", "risk_parity", "kelly", "equal_weight"])
def test_weights_and_risk_add_up_and_promises_follow_from_them(method: str) -> None:
    bars = basket(300)
    found = examined(of_made(parameters={"method": method, "covariance": "sample"}), bars)
    closes = np.stack([bars[name].close for name in NAMES], axis=1)[-61:]
    returns = closes[1:] / closes[:-1] - 1
    weights = np.array([row["weight_pct"] for row in found["weights"]]) / 100
    assert [row["symbol"] for row in found["weights"]] == NAMES
    assert weights == pytest.approx(allocate(method, Problem(tuple(NAMES), returns, max_weight=0.5)).values, abs=1e-7)
    assert weights.sum() + found["cash_pct"] / 100 == pytest.approx(1, abs=1e-6)
    if weights.sum():
        assert sum(row["risk_pct"] for row in found["weights"]) == pytest.approx(100, abs=1e-4)
    a_year = 365.25
    assert found["bars_a_year"] == pytest.approx(a_year)
    cov = np.cov(returns.T)
    mean, deviation = returns.mean(axis=0) @ weights, math.sqrt(weights @ cov @ weights)
    chosen = found["chosen"]
    assert chosen["return_pct"] == pytest.approx(mean * a_year * 100, abs=1e-4)
    assert chosen["volatility_pct"] == pytest.approx(deviation * math.sqrt(a_year) * 100, abs=1e-4)
    if deviation:
        assert chosen["sharpe"] == pytest.approx(mean / deviation * math.sqrt(a_year), abs=1e-4)
    assert chosen["var_pct"] == pytest.approx(max(1.6448536269514722 * deviation - mean, 0) * 100, abs=1e-4)
    assert np.array(found["correlation"]) == pytest.approx(np.corrcoef(returns.T), abs=1e-5)


@pytest.mark.row("K1")
def test_its_frontier_rises_and_has_the_chosen_weights_at_its_beginning() -> None:
    found = examined(of_made())
    means, moves = ([point[name] for point in found["frontier"]] for name in ("return_pct", "volatility_pct"))
    assert len(means) == 20
    assert means == sorted(means)
    assert moves == sorted(moves)
    assert found["frontier"][0]["volatility_pct"] == pytest.approx(found["chosen"]["volatility_pct"], abs=1e-4)
    for point in found["frontier"]:
        assert sum(point["weights_pct"]) == pytest.approx(100, abs=1e-3)
        assert max(point["weights_pct"]) <= 50 + 1e-3
    assert found["equal"]["volatility_pct"] >= found["chosen"]["volatility_pct"]


def test_both_backtests_are_plain_runs_on_the_same_bars() -> None:
    bars, config = basket(300), of_made(settings={"commission_rate": 0.001})
    found = examined(config, bars)["backtest"]
    chosen, equal = execute.run(config.run, bars), execute.run(equal_weight(config), bars)
    assert (found["result_hash"], found["equal_hash"]) == (chosen.fingerprint(), equal.fingerprint())
    figures = {row["name"]: row for row in found["metrics"]}
    assert figures["final_equity"]["chosen"] == chosen.engine.final_equity
    assert figures["final_equity"]["equal"] == equal.engine.final_equity
    assert figures["total_costs"]["chosen"] > 0
    assert found["chart"]["equity"][-1] == pytest.approx(chosen.engine.final_equity)
    assert found["chart"]["benchmark"][-1] == pytest.approx(equal.engine.final_equity)
    assert len(found["chart"]["equity"]) == len(found["chart"]["benchmark"]) == 300
    first = chosen.engine.fills["ts"][0]
    assert first == equal.engine.fills["ts"][0], "both begin on the same bar"


@pytest.mark.row("J9")
@pytest.mark.parametrize("rebalance", ["never", "weekly", "on_signal", "drift"])
def test_weights_over_time_are_those_of_the_strategy(rebalance: str) -> None:
    bars, config = basket(200), of_made(rebalance=rebalance, parameters={"drift_pct": 1.0})
    history = examined(config, bars)["history"]
    decisions = config.strategy.decisions(Panel(bars))
    assert history["computed"] == len(decisions) >= 1
    assert history["unanswered"] == 0
    table = np.array([decision.weights for decision in decisions])
    shown = np.array(history["weights_pct"]).T
    assert shown[: len(table)] == pytest.approx(table * 100, abs=1e-3)
    assert shown[-1] == pytest.approx(table[-1] * 100, abs=1e-3), "they stand to the end"
    assert len(history["time"]) == len(shown) <= len(table) + 1
    assert history["time"][-1] == bars["S0"].ts[-1] // 1_000_000_000
    if rebalance == "never":
        assert len(decisions) == 1


def test_a_session_that_begins_now_has_the_same_weights() -> None:
    """The strategy, asked on the last bar as on a session's first one, says what the study says."""
    bars = basket(300)
    config = of_made(parameters={"max_turnover_pct": 10, "cost_bps": 5}, rebalance="on_signal")
    found = examined(config, bars)
    kept = catalogue.get("allocation")(**config.parameters)
    late = Panel(bars)[300 - kept.warmup() :]
    (decision,) = kept.decisions(late)
    assert decision.weights == pytest.approx([row["weight_pct"] / 100 for row in found["weights"]], abs=1e-9)


@pytest.mark.row("K4")
def test_views_bend_what_is_promised() -> None:
    view = {"symbol": "S1", "return_pct": 40, "confidence": 0.9}
    found = {
        confident: examined(of_made(parameters={"method": "black_litterman", "views": [view] if confident else []}))
        for confident in (False, True)
    }
    plain, bent = ({row["symbol"]: row for row in found[k]["weights"]} for k in (False, True))
    assert bent["S1"]["return_pct"] > plain["S1"]["return_pct"] + 5
    assert bent["S1"]["weight_pct"] > plain["S1"]["weight_pct"]


@pytest.mark.row("K5")
def test_a_target_out_of_reach_says_what_is_in_reach() -> None:
    aim = {"method": "target_return", "target_return_pct": 900.0}
    with pytest.raises(InputError) as caught:
        examined(of_made(parameters=aim))
    (fault,) = caught.value.faults
    assert (fault.path, fault.code) == ("parameters.target_return_pct", "infeasible")
    highest = float(fault.hint.removeprefix("The highest is ").split(" %")[0])
    assert examined(of_made(parameters={**aim, "target_return_pct": highest}))["chosen"]["return_pct"] >= highest - 1e-3


@pytest.mark.row("K5")
def test_too_few_bars_and_prices_that_stand_still_are_named() -> None:
    with pytest.raises(InputError) as caught:
        examined(of_made(), basket(60))
    (fault,) = caught.value.faults
    assert (fault.path, fault.code) == ("parameters.lookback", "too_few")
    assert "59 at most" in fault.hint
    still = basket(300) | {"S3": bars_of("S3", np.full(300, 50.0))}
    with pytest.raises(InputError, match="The price of S3 moves alike"):
        examined(of_made(), still)


def test_what_stops_it_ends_it() -> None:
    from backtests.portfolios.study import examine

    seen: list[str] = []

    def stop(phase: str, done: int, total: int) -> None:
        seen.append(phase)
        if phase == "history":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        examine(of_made(), basket(200), on_step=stop)
    assert set(seen) == {"weights", "frontier", "history"}
