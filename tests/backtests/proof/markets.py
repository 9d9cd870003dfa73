"""Made markets for tests of the proof: one without any edge, one with an edge that a trend follower finds."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from backtests.proof.study import Study, outcome
from backtests.runner import clean
from engine import Bars
from tests.strategies.series import DAY_NS, FIRST_DAY_NS

# What somebody who looks for luck tries: 20 fast averages with 10 slow ones.
TRIED = [
    {"fast_window": fast, "slow_window": slow}
    for fast, slow in product(range(3, 23), (25, 30, 35, 40, 50, 60, 70, 80, 100, 120))
]
KNOWN = {"fast_window": 5, "slow_window": 20}


def bars(returns: np.ndarray, seed: int) -> Bars:
    """Daily bars round the clock that open where the one before closed. returns: logarithmic."""
    rng = np.random.default_rng([seed, 9])
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) * (1 + rng.exponential(0.002, len(close)))
    low = np.minimum(opened, close) * (1 - rng.exponential(0.002, len(close)))
    ts = FIRST_DAY_NS + np.arange(len(close)) * DAY_NS
    return Bars.from_arrays("TEST", "1d", ts, opened, high, low, close, np.full(len(close), 1e6), calendar="24/7")


def noise(seed: int, n: int = 1_500) -> Bars:
    """A random walk without drift: whatever earns on it was lucky."""
    return bars(np.random.default_rng(seed).normal(0, 0.01, n), seed)


def planted(seed: int, n: int = 3_000) -> Bars:
    """A market that drifts up or down by 0.8 % a day, for 25 days on average before it turns."""
    rng = np.random.default_rng(seed)
    drift = np.where(np.cumsum(rng.random(n) < 1 / 25) % 2 == 0, 0.008, -0.008)
    return bars(drift + rng.normal(0, 0.01, n), seed)


def study(market: Bars, parameters: dict[str, Any], **settings: Any) -> Study:
    request = {
        "strategy": "ma_crossover",
        "strategy_parameters": parameters,
        "symbols": ["TEST"],
        "settings": {"position_size_value": 25.0, **settings},
    }
    return Study(clean(request), {"TEST": market})


def luckiest(market: Bars) -> dict[str, Any]:
    """Of the 200, the one with the highest Sharpe ratio on this market."""
    from backtests.proof import sharpe

    def height(parameters: dict[str, Any]) -> float:
        one = study(market, parameters)
        return sharpe.per_period(outcome(one.run(one.parameters, one.signals(one.parameters))).returns)

    return max(TRIED, key=height)
