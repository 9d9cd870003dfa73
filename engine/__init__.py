"""The trading core: arrays in, arrays out. No Django, no clock, no network, no file.

Public face::

    from engine import Bars, Costs, Rules, TradingWindow, simulate, simulate_many

    bars = Bars.from_frame(df, symbol="GOOG", timeframe="1d")
    result = simulate({"GOOG": bars}, {"GOOG": signals}, rules=Rules(), costs=Costs(), starting_cash=100_000.0)
    result.metrics(), result.to_dict()

What fills when is written in ``docs/fills.md``; figures are in the module `metrics`, coarser bars in the module
`resample`. Names are loaded when first asked for, so that ``from engine.rules import Rules`` costs a web process
neither numba nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine import metrics, resample
    from engine.backtest import Cancelled, simulate
    from engine.bars import Bars
    from engine.compile import compile_kernels
    from engine.errors import Fault, InputError
    from engine.portfolio import Portfolio
    from engine.result import Result
    from engine.rules import Costs, Rules
    from engine.sweep import simulate_many
    from engine.windows import TradingWindow

_HOME = {
    "Bars": "engine.bars",
    "Cancelled": "engine.backtest",
    "Costs": "engine.rules",
    "Fault": "engine.errors",
    "InputError": "engine.errors",
    "Portfolio": "engine.portfolio",
    "Result": "engine.result",
    "Rules": "engine.rules",
    "TradingWindow": "engine.windows",
    "compile_kernels": "engine.compile",
    "simulate": "engine.backtest",
    "simulate_many": "engine.sweep",
}

__all__ = [
    "Bars",
    "Cancelled",
    "Costs",
    "Fault",
    "InputError",
    "Portfolio",
    "Result",
    "Rules",
    "TradingWindow",
    "compile_kernels",
    "metrics",
    "resample",
    "simulate",
    "simulate_many",
]


def __getattr__(name: str) -> Any:
    if name in ("metrics", "resample"):
        return import_module(f"engine.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
