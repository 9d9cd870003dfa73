"""What the tests of sweeps share: a request of 36 combinations, a made market, and a worker in this process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtests.runner import clean as clean_run
from backtests.sweeps import job
from backtests.sweeps.request import SweepConfig, clean
from engine import Bars
from engine.errors import InputError
from tests.backtests.conftest import AAPL

BODY: dict[str, Any] = {
    "backtest": AAPL,
    "axes": [
        {"name": "fast_window", "from": 5, "to": 20, "step": 5},
        {"name": "stop_loss_pct", "of": "setting", "values": [None, 2, 5]},
        {"name": "slow_window", "from": 15, "to": 45, "step": 15},
    ],
    "objective": "total_return_pct",
}


def made(seed: int = 3, n: int = 900) -> dict[str, Bars]:
    """A walk that trades often under short windows."""
    close = 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.012, n)))
    high, low = close * 1.01, close * 0.99
    ts = np.arange(n, dtype=np.int64) * 86_400_000_000_000
    volume = np.full(n, 1e6)
    return {"AAPL": Bars.from_arrays("AAPL", "1d", ts, close, high, low, close, volume, calendar="24/7")}


def read(**changes: Any) -> SweepConfig:
    return clean({**BODY, **changes}, clean_run)


def run_all(limit: int = 1_000) -> int:
    """Does chunks in this process until none is queued."""
    done = 0
    while done < limit and job.run_next():
        done += 1
    return done


def faults(**changes: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        read(**changes)
    return {fault.path: fault.code for fault in caught.value.faults}
