"""A finished backtest in words and figures: what the result and comparison pages draw, worked out from its summary."""

from backtests.presenters.comparison import Comparison
from backtests.presenters.result import ResultPage, histogram_top
from backtests.presenters.trades import trade_table

__all__ = ["Comparison", "ResultPage", "histogram_top", "trade_table"]
