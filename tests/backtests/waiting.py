"""Waiting for a backtest that another process runs."""

from __future__ import annotations

from backtests.models import Backtest
from tests.servers import wait_until


def state_of(backtest: Backtest) -> str:
    backtest.refresh_from_db()
    return backtest.state


def wait_for(backtest: Backtest, *states: str, timeout_s: float = 30) -> Backtest:
    wait_until(lambda: state_of(backtest) in states, f"the backtest to be {' or '.join(states)}", timeout_s)
    return backtest
