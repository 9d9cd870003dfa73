"""Backtests with the parts of their results, sweeps with their chunks, passports with the tries they count,
studies of portfolios, and the records of how strategies performed."""

from backtests.models.backtest import Backtest, ResultPart, SubmissionCount
from backtests.models.passport import Passport, TrialCount
from backtests.models.performance import PerformanceRecord
from backtests.models.study import AllocationStudy
from backtests.models.sweep import Sweep, SweepChunk

__all__ = [
    "AllocationStudy",
    "Backtest",
    "Passport",
    "PerformanceRecord",
    "ResultPart",
    "SubmissionCount",
    "Sweep",
    "SweepChunk",
    "TrialCount",
]
