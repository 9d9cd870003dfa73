"""What the tests of backtests share: people, real sample prices, and a way to run a backtest here and now."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from backtests import job, services
from backtests.models import Backtest
from tests.accounts.cast import _fresh_rates, alice, api, bob, carol  # noqa: F401

AAPL = {
    "strategy": "ma_crossover",
    "symbols": ["AAPL"],
    "start_date": "2003-01-01",
    "end_date": "2012-12-31",
    "initial_capital": 100_000,
}


@pytest.fixture
def sample_data(transactional_db: None, sample_prices: None) -> None:
    """Real daily prices of AAPL, IBM, MSFT and GOOG, as `make run` loads them."""


@pytest.fixture
def run_now(sample_data: None) -> Callable[..., Backtest]:
    """`run_now(user, **changes)` submits AAPL's ten years and runs them in this process; the row as it is then."""

    def run(user: User, **changes: Any) -> Backtest:
        backtest = services.submit(user, {**AAPL, **changes})
        job.run(backtest.pk)
        backtest.refresh_from_db()
        return backtest

    return run


@pytest.fixture(autouse=True)
def own_queue(request: pytest.FixtureRequest, settings: Any) -> str:
    """The queue that this test's backtests are sent to: one that nobody listens on, unless the test shares the worker.

    A test that starts workers of its own gives them this queue.
    """
    if "backtest_worker" in request.fixturenames:
        return settings.CELERY_TASK_DEFAULT_QUEUE
    settings.CELERY_TASK_DEFAULT_QUEUE = f"own-{uuid.uuid4().hex[:8]}"
    return settings.CELERY_TASK_DEFAULT_QUEUE


@pytest.fixture
def held_worker(
    own_queue: str, start_worker: Callable[..., subprocess.Popen[bytes]], sample_data: None, tmp_path: Path
) -> tuple[subprocess.Popen[bytes], Path]:
    """A worker whose runs go on only once a file is gone, through a user's metric (METRIC_MODULES)."""
    hold = tmp_path / "hold"
    hold.touch()
    env = {"METRIC_MODULES": "tests.backtests.slow_metric", "HOLD_FILE": str(hold)}
    return start_worker(queues=own_queue, env=env), hold
