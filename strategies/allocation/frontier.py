"""The efficient frontier: of all weights that the limits allow, those with the least variance for their mean return.

Markowitz, "Portfolio Selection", Journal of Finance 7 (1952). Under linear limits the least deviation is a convex
function of the mean return, so points that are evenly apart in return draw it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from strategies.allocation import solving
from strategies.allocation.feasible import refuse_infeasible
from strategies.allocation.problem import Array, Problem, refuse_bad

POINTS = 20
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Point:
    """weights: one a symbol. mean: return per bar after costs. deviation: of the return per bar."""

    weights: Array
    mean: float
    deviation: float


def point(problem: Problem, weights: Array, mu: Array, cov: Array) -> Point:
    """Where weights lie, whether the limits allow them or not."""
    cost = problem.cost * float(np.abs(weights - problem.held).sum())
    return Point(weights, float(mu @ weights) - cost, float(np.sqrt(max(float(weights @ cov @ weights), 0.0))))


def frontier(
    problem: Problem,
    mu: Array,
    cov: Array,
    *,
    invested: bool,
    points: int = POINTS,
    on_point: Callable[[int, int], None] | None = None,
) -> list[Point]:
    """From the least variance to the highest mean return, under the problem's limits but turnover and target.

    mu, cov: per bar. invested: the weights add up to 1, else to 0..1. on_point(done, points) before each. One point
    only where the least variance has the highest return. Raises InputError for bad data and limits in conflict.
    """
    asked = replace(problem, target_return=None, max_turnover=None)
    refuse_bad(asked, needs_covariance=True)
    refuse_infeasible(asked, invested=invested)

    def tell(done: int) -> None:
        if on_point is not None:
            on_point(done, points)

    def least(target: float | None) -> Point:
        found = solving.mean_risk(asked, mu, cov, objective="MINIMIZE_RISK", invested=invested, min_return=target)
        return point(asked, found, mu, cov)

    tell(0)
    calmest = least(None)
    highest = point(asked, solving.highest_return(asked, mu, invested=invested), mu, cov)
    if highest.mean - calmest.mean <= _SAME:
        return [calmest]
    between = []
    for done, target in enumerate(np.linspace(calmest.mean, highest.mean, points)[1:-1], start=2):
        tell(done)
        between.append(least(float(target)))
    return [calmest, *between, highest]
