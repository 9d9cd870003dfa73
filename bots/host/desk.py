"""The deciding side of one session: strategy, bars, portfolio. No database, no network, and no clock but a stopwatch.

A bar goes in, orders and fills come out, by the very `step` that a backtest runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from bots.host.history import History, Prices
from bots.venues.preflight import Listing
from engine import Bars, Costs, InputError, Portfolio, Rules
from engine.portfolio import OutsideExposure, StepLog
from strategies import catalogue, reading, session_settings
from strategies.base import Signal, Strategy

# From the bars of each symbol to the same bars with what the strategy reads beside them.
Furnish = Callable[[Mapping[str, Bars]], Mapping[str, Bars]]


@dataclass(frozen=True, slots=True)
class Market:
    """What the engine must know of one symbol to trade it."""

    calendar: str
    tick_size: float = 0.01
    lot_size: float = 1.0
    fractionable: bool = False

    def bars(self, symbol: str, timeframe: str) -> Bars:
        """No bars, of this market."""
        nothing = np.empty(0)
        return Bars.from_arrays(
            symbol,
            timeframe,
            nothing.astype(np.int64),
            nothing,
            nothing,
            nothing,
            nothing,
            calendar=self.calendar,
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            fractionable=self.fractionable,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session trades, and how: everything that is fixed when it starts, and the settings it starts with."""

    strategy: str
    parameters: Mapping[str, Any]
    symbols: tuple[str, ...]
    timeframe: str
    match_timeframe: str
    markets: Mapping[str, Market]
    initial_cash: float
    settings: Mapping[str, Any]

    def build(self) -> Strategy:
        """The strategy with its parameters. Raises InputError where the catalogue refuses them."""
        return catalogue.get(self.strategy)(**self.parameters)

    def rules(self, settings: Mapping[str, Any], strategy: Strategy) -> tuple[Rules, Costs]:
        """The engine's rules and costs for a version of the settings; as a backtest makes them."""
        calendars = [market.calendar for market in self.markets.values() if market.calendar != "24/7"]
        return session_settings.to_rules(
            settings,
            calendar=calendars[0] if calendars else "24/7",
            timeframe=self.timeframe,
            match_timeframe=self.match_timeframe,
            allow_short=strategy.allows_short,
        )


def capped(settings: Mapping[str, Any], caps: Mapping[str, float]) -> dict[str, Any]:
    """Settings under the owner's limits over all bots: the tighter of the two counts. caps: by name of the setting."""
    own = {name: settings.get(name) for name in caps}
    return {**settings, **{name: cap if own[name] is None else min(own[name], cap) for name, cap in caps.items()}}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one bar time led to. signals: of the symbols whose decision bar closed."""

    log: StepLog
    signals: dict[str, Signal]
    signals_s: float = 0.0  # what the strategy took
    gates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Desk:
    """One session's strategy, history and portfolio. Raises InputError where they do not fit together.

    furnish: set by who runs it where the strategy reads more than bars (`Strategy.extras`). external_fills: a broker
    fills the orders, and nothing is matched here.
    """

    furnish: Furnish | None = None

    def __init__(self, plan: Plan, *, external_fills: bool = False) -> None:
        self.plan = plan
        self.strategy = plan.build()
        self.finer = plan.match_timeframe != plan.timeframe
        rules, costs = plan.rules(plan.settings, self.strategy)
        self.portfolio = Portfolio(
            {symbol: plan.markets[symbol].bars(symbol, plan.match_timeframe) for symbol in plan.symbols},
            rules=rules,
            costs=costs,
            starting_cash=plan.initial_cash,
            finer_matching=self.finer,
            legs=reading.legs(self.strategy, plan.symbols),
            keep_history=False,
            external_fills=external_fills,
        )
        self.histories = {symbol: History(plan.markets[symbol].bars(symbol, plan.timeframe)) for symbol in plan.symbols}

    @property
    def warmup(self) -> int:
        """Bars that the strategy needs before it can have an opinion, the deciding one counted."""
        calendars = {market.calendar for market in self.plan.markets.values()}
        return max(self.strategy.bars_needed(self.plan.timeframe, calendar) for calendar in calendars)

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Follow another version of the settings from the next decision on."""
        self.portfolio.change_rules(*self.plan.rules(settings, self.strategy))

    def listing(self, symbol: str, settings: Mapping[str, Any]) -> Listing | None:
        """How the symbol trades on paper under these settings; None where it is none of ours."""
        market = self.plan.markets.get(symbol)
        if market is None:
            return None
        fractions = market.fractionable and settings["allow_fractional"]
        lot = None if fractions else Decimal(str(market.lot_size))
        return Listing(None, lot, sized_later=settings["size_at"] == "fill")

    def gates(self, symbol: str, side: int) -> list[Any]:
        """Every gate that an entry of this symbol meets now; `engine.Portfolio.gates`."""
        return self.portfolio.gates(symbol, side)

    def decide(
        self,
        ts: int,
        bars: Mapping[str, Prices],
        deciding: Mapping[str, tuple[int, Prices]],
        *,
        blocked: str | None = None,
        outside: OutsideExposure | None = None,
    ) -> Verdict:
        """Work through one bar time.

        ts: start of the matched bars, ns UTC. deciding: the decision bars that close with them, (start, prices) by
        symbol; without finer matching these are `bars` themselves. blocked: why no entry may be decided; None: it may.
        Raises InputError for bars that make none; then nothing was done.
        """
        signals: dict[str, Signal] = {}
        began = time.perf_counter()
        for symbol in sorted(deciding):
            self.histories[symbol].append(*deciding[symbol])
        if deciding:
            series: Mapping[str, Bars] = {symbol: history.bars() for symbol, history in self.histories.items()}
            if self.furnish is not None:
                series = self.furnish(series)
            signals = reading.explain(self.strategy, series, sorted(deciding))
        took = time.perf_counter() - began
        records = {
            symbol: reading.record(signal.code, signal.confidence, signal.terms)
            for symbol, signal in signals.items()
            if symbol in bars
        }
        try:
            log = self.portfolio.step(ts, bars, records, blocked=blocked, outside=outside)
        except InputError:
            for symbol, (start, _) in deciding.items():
                self.histories[symbol].take_back(start)
            raise
        return Verdict(log, signals, took)
