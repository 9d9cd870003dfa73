"""`python -m bench.external` as somebody outside calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtests.runner import clean
from bench.data import daily_bars, minute_bars
from engine import simulate
from strategies import catalogue, session_settings

CONFIG = {
    "strategy": "ma_crossover",
    "strategy_parameters": {"fast_window": 10, "slow_window": 30, "min_strength_threshold": 0},
    "initial_capital": 50_000,
    "settings": {"stop_loss_pct": 2, "take_profit_pct": 4, "slippage_model": "proportional", "slippage_value": 0.0005},
}


def frame_of(*bars) -> pd.DataFrame:
    parts = [one.frame().reset_index(names="timestamp").assign(symbol=one.symbol) for one in bars]
    columns = ["timestamp", "symbol", "open", "high", "low", "close", "volume"]
    return pd.concat(parts)[columns].sort_values(["timestamp", "symbol"])


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.external", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def external(tmp_path: Path, frame: pd.DataFrame, config: dict) -> dict:
    frame.to_parquet(tmp_path / "bars.parquet", index=False)
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = call(tmp_path / "bars.parquet", tmp_path / "config.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def test_the_answer_is_the_engine_s_own_on_real_days(tmp_path):
    bars = daily_bars("AAPL", 1_000)
    got = external(tmp_path, frame_of(bars), CONFIG | {"symbols": ["AAPL"], "timeframe": "1d"})
    assert 0 < got["run_s"] < 10
    strategy = catalogue.get("ma_crossover")(**CONFIG["strategy_parameters"])
    config = clean(CONFIG | {"symbols": ["AAPL"], "timeframe": "1d"})
    rules, costs = session_settings.to_rules(
        session_settings.clean(config.settings), calendar="XNYS", timeframe="1d", allow_short=False
    )
    own = simulate(
        {"AAPL": bars}, {"AAPL": strategy.signals(bars)}, rules=rules, costs=costs, starting_cash=50_000.0
    ).to_dict()
    assert len(got["trades"]) > 10
    for name in ("trades", "orders", "equity", "open_position", "final_equity", "max_drawdown", "sharpe_daily"):
        assert got[name] == own[name], name


def test_several_symbols_share_the_cash_and_minutes_become_hours(tmp_path):
    bars = [minute_bars("AAA", 3_900, seed=1), minute_bars("BBB", 3_900, seed=2)]
    got = external(tmp_path, frame_of(*bars), CONFIG | {"timeframe": "1h", "match_timeframe": "1m"})
    assert {trade["symbol"] for trade in got["trades"]} <= {"AAA", "BBB"}
    assert len(got["equity"]) == 3_900
    assert len(got["orders"]) > 0


def test_a_market_that_never_closes_is_seen_in_its_times(tmp_path):
    index = pd.date_range("2022-12-10", periods=3_000, freq="1min", tz="UTC")
    close = np.round(100 + np.cumsum(np.random.default_rng(3).normal(0, 0.1, 3_000)), 2)
    frame = pd.DataFrame(
        {
            "timestamp": index,
            "symbol": "COIN",
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": 9.0,
        }
    )
    got = external(tmp_path, frame, CONFIG | {"symbols": ["COIN"], "timeframe": "1m"})
    hours = {trade["entry_time"][11:13] for trade in got["trades"]}
    assert len(hours) > 10  # at all hours, not only while New York trades


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (CONFIG | {"symbols": ["NONE"]}, "symbols"),
        (CONFIG | {"strategy": "no_such"}, "strategy"),
        (CONFIG | {"settings": {"stop_loss_pct": -1}}, "settings.stop_loss_pct"),
        ([], "config.json"),
    ],
)
def test_a_wrong_input_is_named(tmp_path, config, path):
    frame_of(daily_bars("AAPL", 50)).to_parquet(tmp_path / "bars.parquet", index=False)
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = call(tmp_path / "bars.parquet", tmp_path / "config.json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert json.loads(done.stderr)["errors"][0]["path"].endswith(path)


def test_usage():
    assert call("only-one").returncode == 2
