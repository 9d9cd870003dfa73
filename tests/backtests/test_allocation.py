"""Allocations through the runner and the API: weights become sizes, and what cannot be is refused with what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from strategies import catalogue
from strategies.panel import Panel
from tests.backtests.test_pairs import result_of
from tests.strategies.panels import basket

PARAMETERS = {"lookback": 60, "only_new": True, "max_weight_pct": 60}
Api = Callable[..., Any]


@pytest.mark.row("K7", "J9")
@pytest.mark.parametrize("method", ["min_variance", "risk_parity", "kelly", "inverse_volatility"])
def test_filled_weights_are_the_target_weights_within_a_lot(method: str) -> None:
    bars = basket(400)
    done = result_of(
        "allocation",
        bars,
        {"rebalance_frequency": "on_signal", "fill_at": "this_close"},
        method=method,
        **PARAMETERS,
    )
    strategy = catalogue.get("allocation")(method=method, **PARAMETERS)
    panel = Panel(bars)
    fills, symbols = done.engine.fills, done.engine.symbols
    equity = dict(zip(done.engine.equity["ts"].tolist(), done.engine.equity["equity"].tolist(), strict=True))
    checked = 0
    for decision in strategy.decisions(panel):
        ts = int(panel.ts[decision.row])
        # Exits and entries of one bar fill at its close, at which the next one finds what is held.
        for place, symbol in enumerate(sorted(bars)):
            held = sum(
                float(fill["qty"]) * (1 if fill["side"] > 0 else -1)
                for fill in fills[fills["ts"] <= ts]
                if symbols[fill["symbol"]] == symbol
            )
            close = float(bars[symbol].close[decision.row])
            wanted = decision.weights[place] * equity[ts]
            assert held >= 0
            assert wanted - close - 1e-6 <= held * close <= wanted + 1e-6, (symbol, decision.row)
            checked += 1
    assert checked >= 12 * 6


@pytest.mark.row("J9")
def test_the_settings_say_when_holdings_follow() -> None:
    """Never, daily, weekly, monthly: the same weights, and the more often, the more orders."""
    bars = basket(400)
    orders = {
        frequency: len(
            result_of(
                "allocation",
                bars,
                {"rebalance_frequency": frequency},
                method="equal_weight",
                lookback=60,
                compute="once",
                max_weight_pct=60,
            ).engine.fills
        )
        for frequency in ("never", "monthly", "weekly", "daily")
    }
    assert orders["never"] == 6
    assert orders["never"] < orders["monthly"] < orders["weekly"] < orders["daily"]


@pytest.mark.row("J9")
def test_drift_is_a_rebalance_too() -> None:
    bars = basket(400)
    done = result_of(
        "allocation",
        bars,
        {"rebalance_frequency": "on_signal"},
        method="equal_weight",
        lookback=60,
        compute="drift",
        drift_pct=0.5,
        only_new=True,
        max_weight_pct=60,
    )
    decided = catalogue.get("allocation")(
        method="equal_weight", lookback=60, compute="drift", drift_pct=0.5, max_weight_pct=60
    ).decisions(Panel(bars))
    assert len(decided) > 5
    assert len(np.unique(done.engine.fills["ts"])) == len([d for d in decided if d.row < 399])


@pytest.mark.row("K5", "A8")
def test_a_request_that_cannot_be_met_is_refused_with_what_to_do(alice: User, api: Api, sample_data: None) -> None:
    body = {
        "strategy": "allocation",
        "symbols": ["IBM", "GOOG", "AAPL"],
        "strategy_parameters": {"method": "min_variance"},
    }
    answer = api(alice).post("/api/backtest/run", body, format="json")
    assert answer.status_code == 400
    faults = {fault["path"]: fault for fault in answer.json()["errors"]}
    assert "At least 33.34 %" in faults["strategy_parameters.max_weight_pct"]["hint"]


@pytest.mark.row("K1", "K5")
def test_a_portfolio_of_sample_stocks_is_run(alice: User, run_now: Any, sample_data: None) -> None:
    group = {"name": "tech", "symbols": ["GOOG", "AAPL"], "min_pct": 20, "max_pct": 60}
    done = run_now(
        alice,
        strategy="allocation",
        symbols=["IBM", "GOOG", "AAPL"],
        strategy_parameters={"method": "min_variance", "max_weight_pct": 70, "groups": [group]},
        settings={"rebalance_frequency": "monthly", "max_position_size_pct": 100},
        end_date="2006-12-31",
    )
    assert done.state == "DONE", done.failure_reason
    assert done.final_equity > done.initial_capital, "which the years after 2004 gave to each of them"
