"""A finished backtest to be examined."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from backtests.models import Backtest


@pytest.fixture
def tested(alice: User, run_now: Any) -> Backtest:
    """Alice's ten years of AAPL."""
    return run_now(alice)
