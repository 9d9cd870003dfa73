"""The new-backtest form: text as people type it ↔ the body of POST /api/backtest/run.

What was typed is checked by `backtests.services.check`, as the API's body is; the rest is `strategies.run_form`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtests import services
from backtests.runner.config import TIMEFRAMES
from engine.errors import Fault
from marketdata.adjust import ADJUSTMENT_LABELS
from marketdata.models.instrument import Source
from strategies import session_settings
from strategies.run_form import CUSTOM, SAVED, TIMEFRAME_LABELS, RunForm

__all__ = ["CUSTOM", "SAVED", "BacktestForm"]


class BacktestForm(RunForm):
    """What stands in the form of a backtest."""

    PLAIN = (
        "name",
        "timeframe",
        "start_date",
        "end_date",
        "initial_capital",
        "preset",
        "source",
        "adjustment",
        "match_timeframe",
        "benchmark",
        "shares_per_trade",
        "seed",
    )
    NUMBERS = ("initial_capital", "shares_per_trade", "seed")
    FLAGS = ("symbols_alone",)
    DEFAULTS = {
        "strategy": "ma_crossover",
        "timeframe": "1d",
        "initial_capital": "100000",
        "preset": session_settings.DEFAULT_PRESET,
        "source": "sample",
        "adjustment": "split_dividend",
    }

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """As `backtests.services.check`."""
        return services.check(self.user, body)[2]

    @property
    def timeframe_choices(self) -> list[tuple[str, str]]:
        return [(name, TIMEFRAME_LABELS[name]) for name in TIMEFRAMES]

    @property
    def source_choices(self) -> list[tuple[str, str]]:
        return [(str(value), label) for value, label in Source.run_choices()]

    @property
    def adjustment_choices(self) -> list[tuple[str, str]]:
        return list(ADJUSTMENT_LABELS.items())
