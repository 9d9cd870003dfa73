"""Mean and covariance of returns, and figures of a portfolio that follow from them. Plain NumPy.

Sums are taken column by column and not by a matrix library, so that the same returns give the same bits on every
machine and beside every other column.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from strategies.allocation.problem import Array, Problem


def mean(returns: Array) -> Array:
    """Arithmetic mean return per bar of each column."""
    return np.array([math.fsum(column) / len(returns) for column in returns.T.tolist()])


def covariance(returns: Array, estimator: str = "sample") -> Array:
    """Covariance per bar, shape (n, n). sample: ddof 1. ledoit_wolf: Ledoit and Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", Journal of Multivariate Analysis 88 (2004): (1 - δ)·S + δ·m·I of the
    population covariance S and its mean variance m."""
    rows, n = returns.shape
    centred = np.ascontiguousarray((returns - mean(returns)).T)
    products = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            products[i, j] = products[j, i] = math.fsum((centred[i] * centred[j]).tolist())
    if estimator == "sample":
        return products / (rows - 1)
    population = products / rows
    level = float(np.trace(population)) / n
    apart = _square(population - level * np.eye(n))
    # The mean square of how far each row's own product lies from their mean.
    rowwise = math.fsum(float(np.sum(centred[:, t] ** 2)) ** 2 for t in range(rows)) / rows**2
    noise = min(max(rowwise - _square(population) / rows, 0.0), apart)
    share = noise / apart if apart > 0 else 0.0
    shrunk: Array = (1.0 - share) * population + share * level * np.eye(n)
    return shrunk


def moments(problem: Problem) -> tuple[Array, Array]:
    """(mean, covariance) per bar of the problem's returns, by its estimator."""
    return mean(problem.returns), covariance(problem.returns, problem.covariance)


def risk_contributions(weights: Array, cov: Array) -> Array:
    """Each symbol's share of the portfolio's variance, w_i·(Σw)_i / w'Σw; they add up to 1. Zeros without risk."""
    parts: Array = weights * (cov @ weights)
    total = float(parts.sum())
    return parts / total if total > 0 else np.zeros(len(weights))


def value_at_risk(weights: Array, mu: Array, cov: Array, level: float = 0.95) -> float:
    """Loss per bar, as a ratio of equity, that is exceeded in 1 - level of bars if returns were normal; at least 0.

    z·σ - μ of the portfolio (the variance-covariance method).
    """
    deviation = math.sqrt(max(float(weights @ cov @ weights), 0.0))
    return max(NormalDist().inv_cdf(level) * deviation - float(mu @ weights), 0.0)


def _square(matrix: Array) -> float:
    return float(np.sum(matrix * matrix))
