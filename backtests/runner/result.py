"""A finished run: the engine's result with its benchmark, its strategy's lines and the metrics that were chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtests.runner import benchmark as holding
from backtests.runner.config import RunConfig
from backtests.runner.spreads import spread_trades
from engine import metrics
from engine.result import Result
from strategies import reading

if TYPE_CHECKING:
    from engine import Bars
    from strategies.base import Overlay, Strategy

LOGS = ("orders", "fills", "positions", "denials", "open_positions", "equity", "daily")
# What the command line shows, in this order; the words and units are the metrics' own.
HEADLINE = (
    "final_equity", "total_return_pct", "benchmark_return_pct", "cagr_pct", "volatility_pct", "sharpe", "sortino",
    "max_drawdown_pct", "trade_count", "win_rate_pct", "profit_factor", "expectancy", "exposure_pct", "total_costs",
)  # fmt: skip
_SUFFIX = {"pct": " %", "days": " d", "seconds": " s"}


@dataclass(frozen=True)
class RunResult:
    """engine: the simulation's result, with the benchmark's daily marks in it. benchmark: money, one value an equity
    row. bars_of: bars walked through, by symbol in the engine's order. strategy: None when signals were given."""

    config: RunConfig
    engine: Result
    strategy: Strategy | None
    benchmark: NDArray[np.float64]
    benchmark_label: str
    bars_of: tuple[int, ...]

    @classmethod
    def of(
        cls,
        config: RunConfig,
        result: Result,
        strategy: Strategy | None,
        walked: Mapping[str, Bars],
        held: NDArray[np.float64],
        benchmark_label: str,
    ) -> RunResult:
        """held: value of 1.0 in the benchmark, one an equity row."""
        worth = held * result.starting_cash
        whole = replace(result, benchmark_daily=holding.daily(np.asarray(result.equity["ts"]), worth))
        return cls(config, whole, strategy, worth, benchmark_label, tuple(len(walked[s]) for s in result.symbols))

    @property
    def bars(self) -> int:
        return sum(self.bars_of)

    @cached_property
    def figures(self) -> dict[str, metrics.Value]:
        """Every metric by name."""
        return self.engine.metrics(risk_free_rate_pct=self.risk_free_rate_pct)

    @property
    def chosen_metrics(self) -> dict[str, metrics.Value]:
        """The metrics that the request asked for, in its order; all when it named none."""
        return (
            self.figures if self.config.metrics is None else {name: self.figures[name] for name in self.config.metrics}
        )

    @property
    def risk_free_rate_pct(self) -> float:
        return float(self.config.settings["risk_free_rate_pct"])

    @cached_property
    def benchmark_metrics(self) -> dict[str, metrics.Value]:
        """The return-based metrics of the benchmark on the run's dates, and what the initial capital became in it."""
        marks = self.engine.benchmark_daily["equity"] if self.engine.benchmark_daily is not None else np.empty(0)
        returns = marks[1:] / marks[:-1] - 1.0
        found = metrics.from_returns(returns, self.engine.periods_per_year, risk_free_rate_pct=self.risk_free_rate_pct)
        return found | {"final_equity": float(self.benchmark[-1])}

    def overlays(self, bars: Mapping[str, Bars]) -> dict[str, list[Overlay]]:
        """The strategy's lines over each symbol's bars; none for given signals."""
        return {symbol: [] for symbol in bars} if self.strategy is None else reading.overlays(self.strategy, bars)

    @cached_property
    def spread_trades(self) -> list[dict[str, Any]] | None:
        """What was traded with several legs (`backtests.runner.spreads`); None where the strategy has no legs."""
        groups = () if self.strategy is None else reading.legs(self.strategy, self.config.symbols)
        return spread_trades(self.engine, groups) if groups else None

    def to_dict(self) -> dict[str, Any]:
        """The export of the command line and the API: `engine.Result.to_dict()` with the chosen metrics.

        Of a strategy that trades legs, `spread_trades` too.
        """
        plain = self.engine.to_dict(self.config.metrics, risk_free_rate_pct=self.risk_free_rate_pct)
        return plain if self.spread_trades is None else plain | {"spread_trades": self.spread_trades}

    def fingerprint(self) -> str:
        """SHA-256 over every value of every log: two runs agree in it when they agree to the last bit."""
        digest = hashlib.sha256(repr(self.engine.symbols).encode())
        for name in LOGS:
            log = getattr(self.engine, name)
            for column in log.dtype.names:
                digest.update(f"{name}.{column}:{len(log)}".encode())
                digest.update(np.ascontiguousarray(log[column]).tobytes())
        return digest.hexdigest()

    def headline(self) -> list[dict[str, str]]:
        """The figures for a terminal: ``[{"label", "text"}]``."""
        described = {entry["name"]: entry for entry in metrics.describe()}
        names = HEADLINE if self.config.metrics is None else self.config.metrics
        rows = [
            {"label": described[name]["label"], "text": _shown(self.figures[name], described[name]["unit"])}
            for name in names
        ]
        rows.append({"label": "Bars", "text": f"{self.bars:,}"})
        rows.append({"label": "Orders refused or cut", "text": f"{int(self.engine.denials['count'].sum()):,}"})
        rows.append({"label": "Bars that reached stop and target", "text": f"{self.engine.ambiguous_bars:,}"})
        return rows


def _shown(value: metrics.Value, unit: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if unit == "count" and float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}{_SUFFIX.get(unit, '')}"
