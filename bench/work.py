"""The work that is timed, said once for the engine and for the floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine import Bars, Costs, Result, Rules, simulate
from strategies import catalogue
from strategies.base import Strategy


@dataclass(frozen=True, slots=True)
class Work:
    """SMA crossover with a stop, a target and slippage, on `starting_cash`."""

    fast: int = 10
    slow: int = 30
    stop_loss_pct: float = 0.5
    take_profit_pct: float = 1.0
    slippage_ratio: float = 0.0002
    size_pct: float = 50.0
    starting_cash: float = 100_000.0

    def strategy(self) -> Strategy:
        return catalogue.get("ma_crossover")(fast_window=self.fast, slow_window=self.slow, min_strength_threshold=0.0)

    def rules(self) -> Rules:
        return Rules(
            stop_loss_pct=self.stop_loss_pct,
            take_profit_pct=self.take_profit_pct,
            sizing="percentage",
            size_value=self.size_pct,
            max_position_size_pct=None,
            time_in_force="gtc",
        )

    def costs(self) -> Costs:
        return Costs(slippage="proportional", slippage_value=self.slippage_ratio)

    def run(self, bars: dict[str, Bars]) -> Result:
        """Everything: indicators and signals, the simulation with its logs and equity, all metrics."""
        strategy = self.strategy()
        result = simulate(
            bars,
            {symbol: strategy.signals(one) for symbol, one in bars.items()},
            rules=self.rules(),
            costs=self.costs(),
            starting_cash=self.starting_cash,
        )
        result.metrics()
        return result

    def floor_arguments(self) -> tuple[Any, ...]:
        return (
            self.fast,
            self.slow,
            self.stop_loss_pct,
            self.take_profit_pct,
            self.slippage_ratio,
            self.size_pct,
            self.starting_cash,
        )
