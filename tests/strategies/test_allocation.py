"""The allocation strategy: when it computes, from which bars, and what it says where it cannot."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Bars
from engine.errors import InputError
from strategies import catalogue, reading
from strategies.allocation import Problem, allocate
from strategies.allocation.schedule import drifted, period_starts
from strategies.base import BUY, EXIT_LONG
from strategies.causality import check_panel
from strategies.panel import Panel
from tests.strategies.panels import bars_of, basket, real_closes
from tests.strategies.series import DAY_NS, FIRST_DAY_NS

ALLOCATION = catalogue.get("allocation")
FREE = {"max_weight_pct": 100}


def said(bars: Mapping[str, Bars], **parameters: Any) -> tuple[list[int], np.ndarray]:
    """(rows on which weights were computed, the weights said on every row in order of names)."""
    strategy = ALLOCATION(**{"lookback": 60, **parameters})
    answers = strategy.read(bars)
    weights = np.stack([answers[symbol]["target_weight"] for symbol in sorted(bars)], axis=1)
    return [decision.row for decision in strategy.decisions(Panel(bars))], weights


def shifted(bars: Mapping[str, Bars], drift: float) -> dict[str, Bars]:
    """The same with S0 growing by so much more each day."""
    found = dict(bars)
    close = found["S0"].close * np.exp(drift * np.arange(len(found["S0"])))
    found["S0"] = bars_of("S0", close)
    return found


@pytest.mark.row("K1", "K7")
@pytest.mark.parametrize("method", ["min_variance", "risk_parity", "hierarchical_risk_parity", "kelly", "max_sharpe"])
def test_weights_are_those_of_the_bars_looked_back_on(method: str) -> None:
    bars = basket(200)
    rows, weights = said(bars, method=method, covariance="sample", **FREE)
    closes = np.stack([bars[symbol].close for symbol in sorted(bars)], axis=1)
    assert np.isnan(weights[:60]).all(), "not before there are enough"
    held = None
    for row in range(60, 200):
        if row in rows:
            part = closes[row - 60 : row + 1]
            problem = Problem(tuple(sorted(bars)), part[1:] / part[:-1] - 1)
            try:
                held = allocate(method, problem).values
            except InputError:
                assert method == "max_sharpe", "nothing rises; it keeps what it has"
        if held is not None:
            assert weights[row].tolist() == held.tolist()
    assert held is not None


@pytest.mark.row("J9")
def test_it_computes_at_the_first_bar_of_a_period() -> None:
    bars = basket(200)
    months = np.array([ts.astype("datetime64[M]").astype(int) for ts in bars["S0"].ts.view("datetime64[ns]")])
    rows, _ = said(bars, compute="monthly")
    assert rows == [60, *(np.flatnonzero(months[1:] != months[:-1]) + 1)[(np.flatnonzero(np.diff(months)) + 1) > 60]]
    assert said(bars, compute="daily")[0] == list(range(60, 200))
    assert said(bars, compute="once")[0] == [60]
    weeks = said(bars, compute="weekly")[0]
    assert weeks[0] == 60
    assert {(int(bars["S0"].ts[row]) // DAY_NS + 3) % 7 for row in weeks[1:]} == {0}, "Mondays"
    minutes = FIRST_DAY_NS + np.arange(5) * 12 * 3_600_000_000_000
    assert period_starts(minutes, "daily").tolist() == [False, False, True, False, True]


@pytest.mark.row("J9")
def test_it_computes_when_a_weight_has_drifted() -> None:
    moved = drifted(np.array([0.5, 0.3]), np.array([10.0, 10.0]), np.array([20.0, 10.0]))
    assert moved == pytest.approx([2 / 3, 0.2]), "the rest is cash"
    bars = shifted(basket(300), 0.004)
    rows, weights = said(bars, compute="drift", drift_pct=2.0, method="equal_weight")
    closes = np.stack([bars[symbol].close for symbol in sorted(bars)], axis=1)
    assert len(rows) > 5
    for first, second in itertools.pairwise(rows):
        gap = [
            np.abs(drifted(weights[first], closes[first], closes[row]) - weights[first]).max()
            for row in range(first + 1, second + 1)
        ]
        assert max(gap[:-1], default=0.0) < 0.02 <= gap[-1]
    assert len(said(bars, compute="drift", drift_pct=10.0, method="equal_weight")[0]) < len(rows)


@pytest.mark.row("K7")
def test_it_says_weights_on_every_bar_or_when_they_are_new() -> None:
    bars = basket(200)
    rows, weights = said(bars)
    assert np.isfinite(weights[60:]).all()
    _, new = said(bars, only_new=True)
    assert np.flatnonzero(np.isfinite(new[:, 0])).tolist() == rows
    assert new[rows].tolist() == weights[rows].tolist()


def test_a_symbol_without_weight_is_left() -> None:
    bars = shifted(basket(200), 0.01)
    strategy = ALLOCATION(lookback=60, method="max_sharpe", **FREE)
    answers = strategy.read(bars)
    for symbol, answer in answers.items():
        weight, action = answer["target_weight"][60:], answer["action"][60:]
        assert (action == np.where(weight > 0, BUY, EXIT_LONG)).all(), symbol
    assert answers["S0"]["target_weight"][-1] > 0.5
    assert any((answer["action"] == EXIT_LONG).any() for answer in answers.values())
    told = strategy.explain_latest(bars, ["S0"])["S0"]
    assert "Maximum Sharpe ratio gives it" in told.reasoning


@pytest.mark.row("K5")
def test_groups_and_turnover_hold() -> None:
    bars = basket(300)
    group = {"name": "first", "symbols": ["S0", "S1"], "min_pct": None, "max_pct": 20}
    rows, weights = said(bars, groups=[group], max_weight_pct=40, max_turnover_pct=10, method="min_variance")
    assert (weights[60:, 0] + weights[60:, 1] <= 0.2 + 1e-6).all()
    assert weights[60:].max() <= 0.4 + 1e-6
    closes = np.stack([bars[symbol].close for symbol in sorted(bars)], axis=1)
    for first, second in itertools.pairwise(rows):
        now = drifted(weights[first], closes[first], closes[second])
        assert np.abs(weights[second] - now).sum() <= 0.1 + 1e-6
    free = said(bars, groups=[group], max_weight_pct=40, method="min_variance")[1]
    assert np.abs(free - weights)[60:].max() > 0.01, "the limit bound somewhere"


@pytest.mark.row("K5")
def test_single_bounds_hold_in_the_place_of_those_of_all() -> None:
    bounds = [{"symbol": "S0", "min_pct": 30, "max_pct": 60}, {"symbol": "S1", "max_pct": 5}]
    _, weights = said(basket(200), bounds=bounds, method="min_variance", max_weight_pct=20)
    computed = weights[60:]
    assert computed[:, 0].min() >= 0.3 - 1e-6
    assert computed[:, 1].max() <= 0.05 + 1e-6
    assert computed[:, 2:].max() <= 0.2 + 1e-6
    assert computed.sum(axis=1) == pytest.approx(np.ones(140), abs=1e-6)


@pytest.mark.row("W14")
def test_what_is_invested_is_kept_within_its_limit() -> None:
    _, free = said(basket(200), method="min_variance", max_weight_pct=50)
    _, cut = said(basket(200), method="min_variance", max_weight_pct=50, max_invested_pct=40)
    assert cut[60:] == pytest.approx(free[60:] * 0.4, abs=1e-7), "all weights are cut alike"


@pytest.mark.row("K5")
def test_turnover_gives_way_where_the_other_limits_leave_no_choice() -> None:
    bars = shifted(basket(300), 0.03)
    _, weights = said(bars, method="equal_weight", max_weight_pct=18, max_turnover_pct=1)
    assert weights[60:].max() <= 0.18 + 1e-6


@pytest.mark.row("J21")
def test_value_at_risk_is_kept_within_its_limit() -> None:
    bars = basket(200)
    rows, free = said(bars, method="equal_weight", covariance="sample", max_weight_pct=50)
    _, cut = said(bars, method="equal_weight", covariance="sample", max_weight_pct=50, max_var_pct=1.2)
    closes = np.stack([bars[symbol].close for symbol in sorted(bars)], axis=1)
    bound = 0
    for row in rows:
        part = closes[row - 60 : row + 1]
        returns = part[1:] / part[:-1] - 1

        def risk(weights: np.ndarray, returns: np.ndarray = returns) -> float:
            held = returns @ weights
            return float(1.6448536269514722 * held.std(ddof=1) - held.mean())

        if risk(free[row]) > 0.012:
            bound += 1
            assert risk(cut[row]) == pytest.approx(0.012, abs=1e-9)
            assert cut[row] / cut[row].sum() == pytest.approx(free[row], abs=1e-7), "all weights are cut alike"
        else:
            assert cut[row].tolist() == free[row].tolist()
    assert bound > 0


@pytest.mark.row("K2")
def test_the_chart_shows_each_symbol_s_share_of_the_risk() -> None:
    bars = basket(150)
    panel = Panel(bars)
    strategy = ALLOCATION(lookback=60, max_weight_pct=50)
    shares = np.stack([strategy.panel_lines(panel, symbol)["risk_pct"] for symbol in bars])
    assert np.isnan(shares[:, :60]).all()
    assert shares[:, 60:] == pytest.approx(np.full((6, 90), 100 / 6), abs=1e-4), "risk parity: all the same"


def test_bad_data_keep_the_weights_that_there_are() -> None:
    bars = basket(300)
    close = bars["S3"].close.copy()
    close[150:260] = close[150]
    bars["S3"] = bars_of("S3", close)
    strategy = ALLOCATION(lookback=60, compute="weekly")
    found = strategy.decisions(Panel(bars))
    stuck = [decision for decision in found if decision.weights is None]
    assert stuck
    assert all("The price of S3 moves alike" in decision.fault for decision in stuck)
    weights = strategy.panel_lines(Panel(bars), "S3")["weight_pct"]
    assert np.isfinite(weights[60:]).all()


@pytest.mark.row("W8")
@pytest.mark.parametrize(
    "parameters",
    [
        {"method": "min_variance", "compute": "weekly", "max_turnover_pct": 20.0, "cost_bps": 10.0, **FREE},
        {"method": "equal_weight", "compute": "drift", "drift_pct": 1.0, "only_new": True},
        {
            "method": "black_litterman",
            "views": [{"symbol": "S1", "over": "S2", "return_pct": 5, "confidence": 0.6}],
            **FREE,
        },
    ],
)
def test_no_look_ahead_whatever_its_parameters(parameters: dict[str, Any]) -> None:
    report = check_panel(ALLOCATION(lookback=40, **parameters), basket(220), points=60)
    assert report.ok, report.problems


@pytest.mark.row("K1")
def test_ten_years_of_ten_symbols_take_a_few_seconds() -> None:
    bars = basket(2520, 10, seed=8)
    ALLOCATION(lookback=60, method="min_variance", **FREE).read(basket(70, 10))  # loads the solver
    began = time.perf_counter()
    rows, weights = said(bars, lookback=252, method="min_variance", **FREE)
    took = time.perf_counter() - began
    assert len(rows) > 70
    assert np.isfinite(weights[252:]).all()
    assert took < 20, "a few seconds on a machine that does nothing else"
    again = time.perf_counter()
    said(bars, lookback=252, method="min_variance", **FREE)
    assert time.perf_counter() - again < took / 3 + 0.5, "what was computed is kept"


REFUSED = [
    ({"max_weight_pct": 25.0}, 3, "max_weight_pct", "At least 33.34 %"),
    ({"min_weight_pct": 24.0}, 5, "min_weight_pct", "At most 20 %"),
    ({"groups": [{"name": "g", "symbols": ["S0", "X"]}]}, 5, "groups[0].symbols", "One of: S0"),
    ({"groups": [{"name": "g", "symbols": ["S0"], "min_pct": 50}]}, 5, "groups[0].min_pct", "At most 25"),
    (
        {"groups": [{"name": "g", "symbols": ["S0", "S1", "S2"], "max_pct": 30}]},
        5,
        "groups",
        "Let groups have 20 % more",
    ),
    ({"covariance": "sample", "lookback": 20}, 20, "lookback", "At least 21"),
    ({"bounds": [{"symbol": "S0", "max_pct": 10}]}, 4, "bounds", "Let symbols have 15 % more"),
    ({"bounds": [{"symbol": "X", "max_pct": 10}]}, 5, "bounds[0].symbol", "One of: S0"),
    (
        {"max_weight_pct": 100, "bounds": [{"symbol": s, "min_pct": 40} for s in ("S0", "S1", "S2")]},
        5,
        "bounds",
        "Let symbols need 20 % less",
    ),
]


@pytest.mark.row("K5")
@pytest.mark.parametrize(("parameters", "count", "path", "hint"), REFUSED)
def test_limits_that_no_weights_meet_are_refused_before_a_run(
    parameters: dict[str, Any], count: int, path: str, hint: str
) -> None:
    cleaned = ALLOCATION.clean(parameters)
    with pytest.raises(InputError) as caught:
        reading.refuse_together(ALLOCATION, cleaned, [f"S{k}" for k in range(count)])
    assert [fault.path for fault in caught.value.faults] == [f"strategy_parameters.{path}"]
    assert hint in caught.value.faults[0].hint
    reading.refuse_together(ALLOCATION, ALLOCATION.clean({}), ["A", "B", "C", "D"])


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"method": "target_return"}, "target_return_pct"),
        ({"min_weight_pct": 50.0}, "min_weight_pct"),
        ({"views": [{"symbol": "A", "return_pct": 5}]}, "views"),
        ({"method": "black_litterman", "views": [{"symbol": "A", "over": "A"}]}, "views[0].over"),
        ({"method": "black_litterman", "views": [{"symbol": "A", "confidence": 2}]}, "views[0].confidence"),
        ({"groups": [{"name": "", "symbols": ["A"]}]}, "groups[0].name"),
        ({"groups": [{"name": "g", "symbols": []}]}, "groups[0].symbols"),
        ({"groups": [{"name": "g", "symbols": ["A", "a"]}]}, "groups[0].symbols"),
        ({"groups": [{"name": "g", "symbols": [7]}]}, "groups[0].symbols[0]"),
        ({"groups": [{"name": "g", "symbols": ["A"], "min_pct": 9, "max_pct": 8}]}, "groups[0].min_pct"),
        ({"groups": [{"name": "g", "symbols": ["A"]}, {"name": "h", "symbols": ["A"]}]}, "groups[1].symbols"),
        ({"groups": [{"name": "g", "symbols": ["A"], "most": 1}]}, "groups[0].most"),
        ({"groups": "A"}, "groups"),
        ({"bounds": [{"symbol": "A"}, {"symbol": "a"}]}, "bounds[1].symbol"),
        ({"bounds": [{"symbol": "A", "min_pct": 9, "max_pct": 8}]}, "bounds[0].min_pct"),
        ({"bounds": [{"symbol": "A", "min_pct": 30}]}, "bounds[0].min_pct"),
        ({"bounds": [{"symbol": "A", "least": 30}]}, "bounds[0].least"),
    ],
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError) as caught:
        ALLOCATION.clean(parameters)
    assert [fault.path for fault in caught.value.faults] == [path]


def test_the_settings_cap_must_leave_room_for_the_weights() -> None:
    settings = {"allow_short": False, "max_position_size_pct": 10.0}
    with pytest.raises(InputError, match="may weigh 25 %"):
        reading.refuse_settings(ALLOCATION, ALLOCATION.clean({}), settings)
    reading.refuse_settings(ALLOCATION, ALLOCATION.clean({"max_weight_pct": 10}), settings)
    alone = {"max_weight_pct": 10, "bounds": [{"symbol": "A", "max_pct": 30}]}
    with pytest.raises(InputError, match="may weigh 30 %"):
        reading.refuse_settings(ALLOCATION, ALLOCATION.clean(alone), settings)


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.row("K1", "K2", "K3", "K4", "W8")
def test_real_stocks_get_weights_by_every_method(shared_data: Path) -> None:
    bars = real_closes(shared_data, "JPM", "GE", "XOM", "WMT", "GOOG", "AAPL")
    panel = Panel(bars)[:500]
    for method in ALLOCATION.params["method"].choices:
        aim = {"target_return_pct": 5.0} if method == "target_return" else {}
        strategy = ALLOCATION(method=method, lookback=120, max_weight_pct=40, max_turnover_pct=50, cost_bps=5, **aim)
        found = strategy.decisions(panel)
        assert len(found) > 10
        known = [decision.weights for decision in found if decision.weights is not None]
        assert len(known) == len(found) or method in ("max_sharpe", "target_return"), method
        for weights in known:
            assert weights.min() >= -1e-6
            assert weights.max() <= 0.4 + 1e-6
            assert weights.sum() <= 1 + 1e-6
    report = check_panel(ALLOCATION(lookback=60, max_weight_pct=40), Panel(bars)[:300].bars, points=20)
    assert report.ok, report.problems
