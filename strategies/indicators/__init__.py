"""Indicators: the one place where one is computed.

`calculate(name, bars, **params)` for names, `functions` for arrays, `crosses_above` / `crosses_below` for crossings,
`register` for new ones. Plain Python; TA-Lib loads when something is first computed.
"""

from strategies.indicators import shipped, shipped_flow  # noqa: F401  (register the shipped indicators)
from strategies.indicators.crossing import crosses_above, crosses_below
from strategies.indicators.registry import Indicator, all, calculate, get, register

__all__ = ["Indicator", "all", "calculate", "crosses_above", "crosses_below", "get", "register"]
