"""What the tests of portfolio studies share: a request over real prices, and one over made ones."""

from __future__ import annotations

from typing import Any

from backtests.portfolios.request import StudyConfig, clean
from backtests.portfolios.study import examine
from backtests.runner import clean as clean_run
from engine import Bars
from tests.strategies.panels import basket

BODY: dict[str, Any] = {
    "symbols": ["AAPL", "IBM", "MSFT"],
    "start_date": "2005-01-01",
    "end_date": "2006-12-31",
    "parameters": {"method": "min_variance", "max_weight_pct": 60, "lookback": 120},
    "settings": {"commission_rate": 0.001},
}
NAMES = ["S0", "S1", "S2", "S3", "S4", "S5"]


def read(**changes: Any) -> StudyConfig:
    return clean({**BODY, **changes}, clean_run)


def of_made(**changes: Any) -> StudyConfig:
    """A study of `basket`'s six symbols."""
    parameters = {"lookback": 60, "max_weight_pct": 50, "method": "min_variance", **changes.pop("parameters", {})}
    return clean({"symbols": NAMES, "parameters": parameters, **changes}, clean_run)


def examined(config: StudyConfig, bars: dict[str, Bars] | None = None) -> dict[str, Any]:
    return examine(config, bars or basket(300), on_step=lambda phase, done, total: None)
