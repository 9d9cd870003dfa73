"""How sure a Sharpe ratio is, and how high luck alone would have taken the best of many tries.

Sources: D. Bailey, M. López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15 (2012), for the
probabilistic one; the same, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (2014), for the deflated
one. Sharpe ratios here are per period (of a day), not a year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EULER_MASCHERONI: Final = 0.5772156649015329
SURE: Final = 0.95  # the probability from which a ratio passes
_NORMAL: Final = NormalDist()


def per_period(returns: Floats) -> float:
    """Mean over standard deviation (ddof 1) of simple returns, risk-free 0; 0 where they do not vary."""
    if len(returns) < 2:
        return 0.0
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread if spread > 0 else 0.0


def from_moments(observed: float, n: int, skewness: float, kurtosis: float, benchmark: float) -> float:
    """The probability that the true Sharpe ratio is above `benchmark`, 0..1; both ratios per period.

    PSR(SR*) = Φ((SR − SR*) · √(T − 1) / √(1 − γ₃·SR + (γ₄ − 1)/4 · SR²)), with SR the observed ratio, T = n the number
    of returns, γ₃ their skewness and γ₄ their kurtosis (3 for a normal distribution).
    """
    spread = 1.0 - skewness * observed + (kurtosis - 1.0) / 4.0 * observed**2
    # γ₄ ≥ 1 + γ₃² makes it (1 − γ₃·SR/2)² or more; rounding may take it just below 0.
    return _NORMAL.cdf((observed - benchmark) * math.sqrt(n - 1) / math.sqrt(max(spread, 1e-12)))


def moments(returns: Floats) -> dict[str, Any]:
    """What `from_moments` takes of returns, JSON-ready: ``{"observed", "n", "skewness", "kurtosis"}``.

    Returns that do not vary, and fewer than three, are those of a normal distribution with ratio 0.
    """
    observed = per_period(returns)
    if len(returns) < 3 or observed == 0.0:
        return {"observed": 0.0, "n": len(returns), "skewness": 0.0, "kurtosis": 3.0}
    deviations = returns - returns.mean()
    variance = float((deviations**2).mean())
    return {
        "observed": observed,
        "n": len(returns),
        "skewness": float((deviations**3).mean()) / variance**1.5,
        "kurtosis": float((deviations**4).mean()) / variance**2,
    }


def probabilistic(returns: Floats, benchmark: float = 0.0) -> float:
    """`from_moments` of simple returns; 0 for fewer than three of them, and where they do not vary."""
    seen = moments(returns)
    return from_moments(benchmark=benchmark, **seen) if seen["observed"] else 0.0


def expected_highest(trials: int, variance: float) -> float:
    """The highest Sharpe ratio that `trials` independent tries without any edge are expected to show.

    SR₀ = √V · ((1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))), with V the variance of the ratios over the tries, N their
    number and γ the Euler–Mascheroni constant. 0 for one try.
    """
    if trials < 2:
        return 0.0
    high = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    higher = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER_MASCHERONI) * high + EULER_MASCHERONI * higher)


def hurdle_of(trials: int, n: int) -> float:
    """The `expected_highest` ratio per period of n returns, with V = 1/(n − 1), that of ratios without an edge.

    What was tried on a user's data is remembered as a count, and each try is taken as independent of the others, which
    is the strictest reading.
    """
    return expected_highest(trials, 1.0 / max(n - 1, 1))


def deflated(returns: Floats, trials: int) -> float:
    """The probability that the true Sharpe ratio is above what luck gives the best of `trials`: DSR = PSR(SR₀)."""
    return probabilistic(returns, hurdle_of(trials, len(returns)))


def deflated_again(seen: Mapping[str, Any], trials: int) -> float:
    """`deflated` from the `moments` of returns, for another number of tries."""
    return from_moments(benchmark=hurdle_of(trials, seen["n"]), **seen) if seen["observed"] else 0.0
