"""Ensembles through the backtest runner: the trades are those of the votes, and each says why it was opened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtests.runner import clean
from backtests.runner.execute import run
from backtests.runner.explanations import explanations
from strategies import catalogue
from tests.strategies.series import walk

PARAMETERS: dict[str, Any] = {
    "members": [
        {"strategy": "ma_crossover", "weight": 60, "parameters": {"fast_window": 3, "slow_window": 9}},
        {"strategy": "mean_reversion", "weight": 40, "parameters": {"threshold": 0.02}},
    ],
    "threshold": 0.4,
    "validators": [{"type": "volatility", "lookback": 60}],
}


@pytest.mark.row("D13", "D14", "D15", "E5")
@pytest.mark.parametrize("slug", ["ensemble", "ai_enhanced", "multi_timeframe"])
def test_a_run_trades_what_was_voted_and_keeps_why(slug: str) -> None:
    bars = walk(1_500)
    chosen = {"ensemble": PARAMETERS, "multi_timeframe": {"trend_window": 10}}.get(slug, {})
    config = clean(
        {"strategy": slug, "strategy_parameters": chosen, "symbols": ["WALK"], "settings": {"allow_short": True}}
    )
    result = run(config, {"WALK": bars})
    strategy = catalogue.get(slug)(**config.strategy_parameters)
    given = run(config, {"WALK": bars}, signals={"WALK": strategy.signals(bars)})
    assert result.engine.fills.tobytes() == given.engine.fills.tobytes()
    assert len(result.engine.positions) > 5
    why = explanations({"WALK": bars}, result)
    if slug == "multi_timeframe":
        assert why == []
        return
    assert len(why) == len(result.engine.positions) + len(result.engine.open_positions)
    assert all(entry["evidence"]["kind"] == slug for entry in why)
    signals = strategy.signals(bars)
    for entry in why:
        at = int(np.searchsorted(bars.ts, np.datetime64(entry["signal_time"].rstrip("Z"), "ns").astype(np.int64)))
        assert signals[at] == {"BUY": 1, "SELL": -1}[entry["action"]]
