"""The efficient frontier: against its closed form, rising and convex, and every point within the limits."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from strategies.allocation import Group, Problem, View, allocate, registered
from strategies.allocation.frontier import Point, frontier, point
from strategies.allocation.moments import mean, moments
from strategies.allocation.solving import highest_return, mean_risk
from tests.strategies.allocation.made import Array, problem

pytestmark = pytest.mark.row("K1")


def edge_of(asked: Problem, *, invested: bool = True, points: int = 20) -> list[Point]:
    mu, cov = moments(asked)
    return frontier(asked, mu, cov, invested=invested, points=points)


def bent(found: list[Point]) -> Array:
    """Second differences of the variance over the mean, which are evenly apart: convex where none is below 0."""
    variance = np.array([one.deviation**2 for one in found])
    return np.asarray(np.diff(variance, 2) / variance.max())


LIMITED = {
    "max_weight": 0.4,
    "min_weight": 0.02,
    "bounds": {"A": (0.05, 0.3)},
    "groups": (Group("calm", ("A", "B", "C"), least=0.3, most=0.6),),
}


@pytest.mark.row("K5")
@pytest.mark.parametrize("invested", [True, False])
@pytest.mark.parametrize("cost", [0.0, 0.002])
def test_it_rises_is_convex_and_keeps_every_limit(invested: bool, cost: float) -> None:
    asked = problem(cost_ratio=cost, **LIMITED)
    found = edge_of(asked, invested=invested)
    assert len(found) == 20
    means, deviations = (np.array([getattr(one, name) for one in found]) for name in ("mean", "deviation"))
    assert np.diff(means) == pytest.approx(np.full(19, (means[-1] - means[0]) / 19), rel=1e-3)
    assert (np.diff(deviations) > -1e-9).all()
    assert bent(found).min() > -1e-6
    for one in found:
        w = one.weights
        assert w.min() >= 0.02 - 1e-6
        assert w.max() <= 0.4 + 1e-6
        assert 0.05 - 1e-6 <= w[0] <= 0.3 + 1e-6
        assert 0.3 - 1e-6 <= w[:3].sum() <= 0.6 + 1e-6
        assert w.sum() == pytest.approx(1, abs=1e-6) if invested else w.sum() <= 1 + 1e-6


def test_without_bounds_it_is_merton_s_hyperbola() -> None:
    asked = problem(min_weight=-5.0, max_weight=5.0)
    mu, cov = moments(asked)
    one = np.ones(6)
    least, tangent = np.linalg.solve(cov, one), np.linalg.solve(cov, mu)
    a, b, c = one @ least, one @ tangent, mu @ tangent
    for found in edge_of(asked, points=8)[:-3]:  # the last ones reach the bounds
        variance = (a * found.mean**2 - 2 * b * found.mean + c) / (a * c - b * b)
        assert found.deviation**2 == pytest.approx(variance, rel=1e-6)


def test_its_ends_are_the_least_variance_and_the_highest_return() -> None:
    asked = problem(max_weight=0.4)
    found = edge_of(asked)
    assert found[0].weights == pytest.approx(allocate("min_variance", asked).values, abs=1e-6)
    best = np.sort(mean(asked.returns))[::-1]
    assert found[-1].mean == pytest.approx(0.4 * best[0] + 0.4 * best[1] + 0.2 * best[2], abs=1e-12)
    assert highest_return(asked, mean(asked.returns), invested=True) == pytest.approx(found[-1].weights)


@pytest.mark.row("K4")
def test_chosen_weights_lie_on_it_or_beneath_it() -> None:
    view = View("B", 0.002, confidence=0.7)
    for method in ("min_variance", "max_sharpe", "risk_parity", "equal_weight", "black_litterman"):
        asked = problem(max_weight=0.5, views=(view,) if method == "black_litterman" else ())
        mu, cov = registered()[method]().beliefs(asked, *moments(asked))
        found = frontier(asked, mu, cov, invested=True)
        chosen = point(asked, allocate(method, asked).values, mu, cov)
        if chosen.mean >= found[0].mean:
            least = mean_risk(asked, mu, cov, objective="MINIMIZE_RISK", min_return=chosen.mean)
            assert chosen.deviation >= point(asked, least, mu, cov).deviation - 1e-8, method
            # Between two points the chord of a convex line lies above it.
            chord = np.interp(chosen.mean, [one.mean for one in found], [one.deviation for one in found])
            assert point(asked, least, mu, cov).deviation <= chord + 1e-8
        assert chosen.deviation >= found[0].deviation - 1e-9


def test_with_cash_it_begins_at_no_risk() -> None:
    found = edge_of(problem(), invested=False)
    assert found[0].deviation == pytest.approx(0, abs=1e-6)
    assert found[0].weights == pytest.approx(np.zeros(6), abs=1e-5)


def test_one_point_where_the_calmest_earns_most() -> None:
    returns = problem().returns.copy()
    returns[:, 0] = returns[:, 0] * 0.01 + 0.01
    found = edge_of(Problem(("A", "B"), returns[:, :2], max_weight=0.5))
    assert len(found) == 1
    assert found[0].weights == pytest.approx([0.5, 0.5], abs=1e-6)


def test_it_refuses_what_cannot_be_and_hears_a_stop() -> None:
    with pytest.raises(InputError) as caught:
        edge_of(problem(max_weight=0.1))
    assert [fault.code for fault in caught.value.faults] == ["infeasible"]
    asked = problem()

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        frontier(asked, *moments(asked), invested=True, on_point=stop)
