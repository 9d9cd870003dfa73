"""What each combination gives: the run alone, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from backtests.runner import execute
from backtests.sweeps import cells, columns
from backtests.sweeps.request import run_of
from engine import Bars
from engine.errors import InputError
from tests.backtests.conftest import AAPL
from tests.backtests.sweeps.rig import made, read

pytestmark = pytest.mark.row("H16")


@pytest.mark.parametrize("benchmark", [False, True])
def test_a_cell_is_the_run_alone_to_the_last_bit(benchmark: bool) -> None:
    bars = made()
    config = read(objective="alpha_pct")
    held = made(9)["AAPL"] if benchmark else None
    outcome = cells.run(config, range(config.cells), bars, benchmark=held)
    assert not outcome.rows["refused"].all()
    assert outcome.rows["refused"].any(), "fast 20 over slow 15 is no crossover"
    for row in outcome.rows:
        parameters, settings = config.space.values(int(row["cell"]))
        if row["refused"]:
            with pytest.raises(InputError):
                run_of(config, parameters, settings)
            continue
        alone = execute.run(run_of(config, parameters, settings), bars, benchmark=held).figures
        for name in config.metrics:
            expected = alone[name]
            assert row[name] == expected if expected is not None else np.isnan(row[name]), (row["cell"], name)
    assert len(set(outcome.rows["trade_count"][~outcome.rows["refused"]].tolist())) > 3


def test_two_symbols_with_gaps_too() -> None:
    aapl, other = made()["AAPL"], made(5)["AAPL"]
    keep = np.arange(len(other)) % 7 != 3
    ibm = Bars.from_arrays(
        "IBM",
        "1d",
        *(getattr(other, n)[keep] for n in ("ts", "open", "high", "low", "close", "volume")),
        calendar="24/7",
    )
    config = read(backtest={**AAPL, "symbols": ["IBM", "AAPL"], "settings": {"max_open_positions": 1}})
    bars = {"AAPL": aapl, "IBM": ibm}
    outcome = cells.run(config, [0, 1, 2, 13], bars)
    for row in outcome.rows:
        alone = execute.run(run_of(config, *config.space.values(int(row["cell"]))), bars).figures
        assert all(alone[name] == row[name] for name in ("final_equity", "sharpe", "max_drawdown_pct", "trade_count"))


def test_infeasible_cells_are_kept_and_never_the_best() -> None:
    rows = columns.empty([4, 2, 9, 7], ("sharpe", "trade_count", "max_drawdown_pct"))
    rows["sharpe"] = [3.0, np.nan, 1.0, 1.0]
    rows["trade_count"], rows["max_drawdown_pct"] = [2, 50, 50, 50], [1, 1, 5, 5]
    config = {"objective": "sharpe", "better": "higher", "constraints": {"min_trades": 10, "max_drawdown_pct": 20}}
    assert [int(rows["cell"][k]) for k in columns.order(rows, config)] == [7, 9, 2, 4]
