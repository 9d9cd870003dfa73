"""The bare loops do the engine's work: the same trades, equity and metrics, so that a ratio to them means something."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from bench import floor
from bench.data import daily_bars, minute_bars
from bench.work import Work
from engine import Bars, Result


def assert_same(bare: floor.Answer, ours: Result) -> None:
    equity, trades, figures = bare
    for name in ("ts", "equity", "cash", "exposure"):
        assert np.array_equal(equity[name], ours.equity[name]), name
    assert len(trades) == len(ours.positions) > 10
    for name in ("symbol", "side", "qty", "entry_ts", "exit_ts", "entry_px", "exit_px", "pnl_net", "slippage", "bars"):
        assert np.array_equal(trades[name], ours.positions[name]), name
    for name, value in ours.metrics().items():
        assert figures[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name


@pytest.mark.parametrize("bars", [minute_bars("X", 20_000), daily_bars()], ids=["minutes", "real days"])
def test_one_symbol(bars: Bars):
    work = Work()
    assert_same(floor.run_one(bars.ts, (bars.open, bars.high, bars.low, bars.close), work), work.run({"X": bars}))


def test_many_symbols_on_one_account():
    bars = {f"S{k}": minute_bars(f"S{k}", 8_000, seed=k) for k in range(5)}
    work = Work(size_pct=40.0)  # cash does not suffice for all: entries compete
    columns = tuple(
        np.ascontiguousarray(np.stack([getattr(bars[s], name) for s in sorted(bars)], axis=1))
        for name in ("open", "high", "low", "close")
    )
    assert_same(floor.run_many(bars["S0"].ts, columns, work), work.run(bars))


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    command = [sys.executable, "-m", "bench", "--repeats", "3", "--lines", "days", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: a target was missed, which a busy machine may do
    assert "98,280 one-minute bars" in done.stdout
    (written,) = tmp_path.glob("bench-*.json")
    report = json.loads(written.read_text())
    assert len(report["lines"]) == 2
    assert all(line["best_ms"] > 0 for line in report["lines"])
    assert report["lines"][0]["floors"] > 0
