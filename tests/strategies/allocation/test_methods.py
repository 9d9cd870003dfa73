"""Weights against closed forms, against scipy's own optimiser, and by the equations that define a method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.optimize import minimize
from scipy.spatial.distance import squareform
from sklearn.covariance import ledoit_wolf

from engine.errors import InputError
from strategies import allocation
from strategies.allocation import Group, Method, Problem, View, allocate
from strategies.allocation.moments import covariance, mean, risk_contributions, value_at_risk
from tests.strategies.allocation.made import NAMES, Array, problem, returns

WITHIN = 1e-6
FREE = {"min_weight": -20.0, "max_weight": 20.0}


def by_scipy(objective: Callable[[Array], float], n: int, limits: list[dict[str, object]], most: float = 1.0) -> Array:
    """The least of `objective` over weights from 0 to `most`, from several starts."""
    found = [
        minimize(
            objective,
            start,
            method="SLSQP",
            bounds=[(0.0, most)] * n,
            constraints=limits,
            options={"ftol": 1e-16, "maxiter": 2_000},
        )
        for start in (np.full(n, 1.0 / n), *(0.9 * np.eye(n)[:3] + 0.1 / n))
    ]
    return np.asarray(min((one for one in found), key=lambda one: one.fun).x)


FULL = {"type": "eq", "fun": lambda w: w.sum() - 1.0}


# --- moments ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("K1")
def test_moments_are_those_of_numpy_and_scikit_learn() -> None:
    made = returns(60, 6)
    assert np.allclose(mean(made), made.mean(axis=0), rtol=0, atol=1e-17)
    assert np.allclose(covariance(made), np.cov(made.T), rtol=1e-12, atol=0)
    assert np.allclose(covariance(made, "ledoit_wolf"), ledoit_wolf(made)[0], rtol=1e-10, atol=1e-18)
    pair = made[:, [4, 2]]
    assert covariance(pair)[0, 1] == covariance(made)[2, 4], "to the last bit, whatever stands beside it"


@pytest.mark.row("J21")
def test_value_at_risk_is_that_of_a_normal_distribution() -> None:
    cov, mu = np.diag([0.0001, 0.0004]), np.array([0.001, 0.0])
    assert value_at_risk(np.array([1.0, 0.0]), mu, cov) == pytest.approx(1.6448536269514722 * 0.01 - 0.001)
    assert value_at_risk(np.array([0.0, 1.0]), mu, cov, 0.99) == pytest.approx(2.3263478740408408 * 0.02)
    assert value_at_risk(np.zeros(2), mu, cov) == 0.0


# --- closed forms -----------------------------------------------------------------------------------------------------


@pytest.mark.row("K1")
def test_two_symbols_of_least_variance() -> None:
    asked = problem(n=2)
    (a, c), (_, b) = covariance(asked.returns)
    first = (b - c) / (a + b - 2 * c)
    assert allocate("min_variance", asked).values == pytest.approx([first, 1 - first], abs=WITHIN)


@pytest.mark.row("K1")
def test_without_bounds_markowitz_is_linear_algebra() -> None:
    asked = problem(**FREE)
    mu, cov, one = mean(asked.returns), covariance(asked.returns), np.ones(6)
    least, tangent = np.linalg.solve(cov, one), np.linalg.solve(cov, mu)
    assert allocate("min_variance", asked).values == pytest.approx(least / least.sum(), abs=WITHIN)
    assert allocate("max_sharpe", asked).values == pytest.approx(tangent / tangent.sum(), abs=WITHIN)
    above = np.linalg.solve(cov, mu - 0.0002)
    found = allocate("max_sharpe", problem(risk_free=0.0002, **FREE)).values
    assert found == pytest.approx(above / above.sum(), abs=WITHIN)
    # Merton's frontier: a target that binds.
    target = 0.002
    a, b, c = one @ least, one @ tangent, mu @ tangent
    expected = ((c - b * target) * least + (a * target - b) * tangent) / (a * c - b * b)
    found = allocate("target_return", problem(target_return=target, **FREE)).values
    assert found == pytest.approx(expected, abs=WITHIN)


@pytest.mark.row("K3")
def test_a_share_of_kelly_is_that_share_of_the_inverse_covariance_times_the_mean() -> None:
    asked = Problem(NAMES[:2], returns(n=2), kelly_ratio=0.01, **FREE)  # type: ignore[arg-type]
    full = np.linalg.solve(covariance(asked.returns), mean(asked.returns))
    assert 0 < 0.01 * full.sum() < 1, "or the limit on the sum would bind"
    found = allocate("kelly", asked)
    assert found.values == pytest.approx(0.01 * full, abs=WITHIN)
    assert found.cash == pytest.approx(1 - 0.01 * full.sum(), abs=1e-6)


@pytest.mark.row("K3")
def test_log_growth_of_a_coin_is_kelly_s_formula() -> None:
    """A stake doubled 55 times of 100 and lost the rest: f = 2p - 1."""
    coin = np.array([1.0] * 55 + [-1.0] * 45)[:, None]
    asked = Problem(("COIN",), coin, max_weight=0.99)
    assert allocate("log_growth", asked).values == pytest.approx([0.1], abs=WITHIN)


def test_inverse_volatility_and_equal_weight() -> None:
    asked = problem()
    calm = 1 / asked.returns.std(axis=0, ddof=1)
    assert allocate("inverse_volatility", asked).values == pytest.approx(calm / calm.sum(), abs=WITHIN)
    assert allocate("equal_weight", asked).values == pytest.approx(np.full(6, 1 / 6), abs=WITHIN)


@pytest.mark.row("K2")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_risk_parity_shares_risk_equally(seed: int) -> None:
    asked = problem(seed=seed)
    found = allocate("risk_parity", asked)
    assert found.covariance is not None
    assert risk_contributions(found.values, found.covariance) == pytest.approx(np.full(6, 1 / 6), abs=WITHIN)
    # The unconstrained log-barrier form of the same equations (Spinu 2013), by another solver.
    cov = found.covariance * 1e4
    slow = minimize(lambda w: 0.5 * w @ cov @ w - np.log(w).sum() / 6, np.ones(6), bounds=[(1e-9, None)] * 6, tol=1e-15)
    assert found.values == pytest.approx(slow.x / slow.x.sum(), abs=1e-5)


@pytest.mark.row("K2")
def test_hierarchical_risk_parity_is_lopez_de_prado_s_recursion() -> None:
    asked = problem()
    cov = covariance(asked.returns)
    distance = np.sqrt(np.clip((1 - np.corrcoef(asked.returns.T)) / 2, 0, 1))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "single")
    weights = np.ones(6)

    def variance(part: list[int]) -> float:
        calm = 1 / np.diag(cov)[part]
        calm = calm / calm.sum()
        return float(calm @ cov[np.ix_(part, part)] @ calm)

    def halve(part: list[int]) -> None:
        if len(part) > 1:
            left, right = part[: len(part) // 2], part[len(part) // 2 :]
            share = 1 - variance(left) / (variance(left) + variance(right))
            weights[left] *= share
            weights[right] *= 1 - share
            halve(left)
            halve(right)

    halve(leaves_list(tree).tolist())
    found = allocate("hierarchical_risk_parity", asked).values
    assert found.sum() == pytest.approx(1, abs=WITHIN)
    assert found == pytest.approx(weights, abs=WITHIN)


@pytest.mark.row("K4")
def test_black_litterman_is_the_master_formula() -> None:
    views = (View("A", 0.002, confidence=0.4), View("F", 0.001, over="B", confidence=0.7))
    asked = problem(views=views, market={"A": 2.0, "B": 1.0, "C": 1.0, "D": 1.0, "E": 1.0, "F": 2.0}, **FREE)
    cov, market = covariance(asked.returns), np.array([2, 1, 1, 1, 1, 2]) / 8
    picks = np.array([[1.0, 0, 0, 0, 0, 0], [0, -1.0, 0, 0, 0, 1]])
    prior, tau = 2.5 * cov @ market, 0.05
    doubt = np.diag([tau * (1 / c - 1) * row @ cov @ row for c, row in zip((0.4, 0.7), picks, strict=True)])
    inverse = np.linalg.inv
    spread = inverse(inverse(tau * cov) + picks.T @ inverse(doubt) @ picks)
    after = spread @ (inverse(tau * cov) @ prior + picks.T @ inverse(doubt) @ np.array([0.002, 0.001]))
    # The most of μ'w - δ/2·w'Σw on Σw = 1.
    whole, one = cov + spread, np.ones(6)
    free, least = np.linalg.solve(whole, after) / 2.5, np.linalg.solve(whole, one)
    expected = free + (1 - free.sum()) * least / least.sum()
    assert allocate("black_litterman", asked).values == pytest.approx(expected, abs=WITHIN)


@pytest.mark.row("K4")
def test_without_views_the_market_s_weights_are_the_best() -> None:
    market = {"A": 3.0, "B": 1.0, "C": 2.0, "D": 1.0, "E": 1.0, "F": 2.0}
    found = allocate("black_litterman", problem(market=market))
    assert found.values == pytest.approx(np.array([3, 1, 2, 1, 1, 2]) / 10, abs=WITHIN)
    seen = allocate("black_litterman", problem(market=market, views=(View("B", 0.01, confidence=0.9),)))
    assert seen.values[1] > 0.1 + 0.05, "a view that it does well buys more of it"


# --- against scipy ----------------------------------------------------------------------------------------------------


@pytest.mark.row("K1", "K5")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_limits_it_is_what_scipy_finds(seed: int) -> None:
    groups = (Group("first", ("A", "B"), most=0.3), Group("last", ("E", "F"), least=0.25))
    asked = problem(seed=seed, max_weight=0.35, groups=groups)
    mu, cov = mean(asked.returns) * 1e3, covariance(asked.returns) * 1e4
    limits = [
        FULL,
        {"type": "ineq", "fun": lambda w: 0.3 - w[0] - w[1]},
        {"type": "ineq", "fun": lambda w: w[4] + w[5] - 0.25},
    ]
    least = by_scipy(lambda w: w @ cov @ w, 6, limits, 0.35)
    assert allocate("min_variance", asked).values == pytest.approx(least, abs=WITHIN)
    best = by_scipy(lambda w: -(mu @ w) / np.sqrt(w @ cov @ w), 6, limits, 0.35)
    assert allocate("max_sharpe", asked).values == pytest.approx(best, abs=5e-6), "as exact as scipy is here"


@pytest.mark.row("K3")
def test_log_growth_is_what_scipy_finds() -> None:
    asked = Problem(NAMES[:3], returns(200, 3) * 8, max_weight=0.6)
    one = {"type": "ineq", "fun": lambda w: 1 - w.sum()}
    best = by_scipy(lambda w: -1e3 * np.mean(np.log(1 + asked.returns @ w)), 3, [one], 0.6)
    assert allocate("log_growth", asked).values == pytest.approx(best, abs=1e-5)


@pytest.mark.row("K5")
def test_turnover_and_costs_hold_weights_where_they_are() -> None:
    held = {"A": 0.5, "B": 0.5}
    free = allocate("max_sharpe", problem()).values
    now = np.array([0.5, 0.5, 0, 0, 0, 0])
    for method in ("min_variance", "max_sharpe", "risk_parity", "black_litterman", "hierarchical_risk_parity"):
        found = allocate(method, problem(current=held, max_turnover=0.4)).values
        assert np.abs(found - now).sum() == pytest.approx(0.4, abs=1e-6), method
        assert found.sum() == pytest.approx(1, abs=WITHIN)
    turned = [
        np.abs(allocate("max_sharpe", problem(current=held, cost_ratio=cost)).values - now).sum()
        for cost in (0.0, 0.005, 0.05)
    ]
    assert turned[0] == pytest.approx(np.abs(free - now).sum(), abs=1e-5)
    assert turned[0] > turned[1] + 0.01 > turned[2] + 0.02, "the dearer, the less is traded"


@pytest.mark.row("K5")
@pytest.mark.parametrize("method", list(allocation.registered()))
def test_every_method_keeps_to_its_limits(method: str) -> None:
    asked = problem(
        min_weight=0.02,
        max_weight=0.3,
        bounds={"C": (0.05, 0.08)},
        groups=(Group("first", ("A", "B"), most=0.25), Group("last", ("D", "E", "F"), least=0.6)),
        target_return=0.0006 if method == "target_return" else None,
    )
    found = allocate(method, asked)
    w = found.values
    assert (w >= np.array([0.02, 0.02, 0.05, 0.02, 0.02, 0.02]) - WITHIN).all()
    assert (w <= np.array([0.3, 0.3, 0.08, 0.3, 0.3, 0.3]) + WITHIN).all()
    assert w[0] + w[1] <= 0.25 + WITHIN
    assert w[3:].sum() >= 0.6 - WITHIN
    assert w.sum() <= 1 + WITHIN
    assert allocation.registered()[method].invested is False or w.sum() == pytest.approx(1, abs=WITHIN)
    assert allocate(method, asked).values.tobytes() == w.tobytes(), "the same answer to the same question"


@pytest.mark.row("K1", "K2")
@pytest.mark.parametrize("method", ["min_variance", "max_sharpe", "risk_parity", "hierarchical_risk_parity"])
def test_two_symbols_that_are_one_share_what_one_would_get(method: str) -> None:
    """Their covariance has no inverse."""
    made = returns()
    made[:, 1] = made[:, 0]
    found = allocate(method, Problem(NAMES, made)).values
    assert found.sum() == pytest.approx(1, abs=WITHIN)
    assert found[0] == pytest.approx(found[1], abs=1e-4)


# --- a method is one more class -------------------------------------------------------------------------------------


@pytest.mark.row("K6")
def test_a_method_is_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.allocation.methods._registry", allocation.registered())

    @allocation.register
    class Mean(Method):
        """Weights in proportion to the mean return."""

        slug, label, fits = "in_proportion", "In proportion", False

        def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
            return np.abs(mu) / np.abs(mu).sum()

    mu = np.abs(mean(problem().returns))
    assert allocate("in_proportion", problem()).values == pytest.approx(mu / mu.sum(), abs=WITHIN)
    capped = allocate("in_proportion", problem(max_weight=0.2)).values
    assert capped.max() == pytest.approx(0.2, abs=WITHIN)
    with pytest.raises(ValueError, match="taken"):

        @allocation.register
        class Other(Method):
            """Another one."""

            slug, label = "in_proportion", "Other"

    with pytest.raises(InputError, match="no method 'nobody'"):
        allocate("nobody", problem())
