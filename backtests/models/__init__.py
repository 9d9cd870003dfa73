"""Backtests with the parts of their results, and the records of how strategies performed."""

from backtests.models.backtest import Backtest, ResultPart, SubmissionCount
from backtests.models.performance import PerformanceRecord

__all__ = ["Backtest", "PerformanceRecord", "ResultPart", "SubmissionCount"]
