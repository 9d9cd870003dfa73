"""Running a backtest, in plain Python: the same code under the worker, the command line and the benchmarks.

    config = clean({"strategy": "ma_crossover", "symbols": ["AAPL"], ...})  # InputError names every fault and its path
    result = run(config, bars)  # bars: {symbol: engine.Bars}
    result.to_dict()  # JSON-ready; see engine.Result.to_dict

No Django in here. Importing the package is cheap; `run` pulls in the engine's compiled part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backtests.runner.config import FIELDS, RunConfig, clean

if TYPE_CHECKING:
    from backtests.runner.execute import RunResult, run

__all__ = ["FIELDS", "RunConfig", "RunResult", "clean", "run"]


def __getattr__(name: str) -> Any:
    if name in ("run", "RunResult"):
        from backtests.runner import execute

        return getattr(execute, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
