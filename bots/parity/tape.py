"""A session's tape: the bars it saw, the signals it read, what acted on it from outside; and the same run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bots.host import history
from bots.host.desk import Desk, Plan, capped
from bots.host.plans import plan_of
from bots.models import Cycle, TradingSession
from bots.settings_columns import from_columns
from engine import Bars, Portfolio, Result, simulate
from engine.portfolio import OutsideExposure
from marketdata.columns import BarColumns


@dataclass(slots=True)
class Tape:
    """warmup: decision bars before the first decision. deciding, matched: bars of the run, by symbol (the same without
    finer matching). signals, outcomes: (symbol, ts_open) → what was recorded. versions: cleaned settings by version."""

    plan: Plan
    warmup: dict[str, BarColumns]
    deciding: dict[str, BarColumns]
    matched: dict[str, BarColumns]
    signals: dict[tuple[str, int], str]
    outcomes: dict[tuple[str, int], str]
    cycles: list[Cycle]
    versions: dict[int, dict[str, Any]]

    @classmethod
    def of(cls, session: TradingSession) -> Tape:
        versions = {row.version: from_columns(row) for row in session.settings_versions.order_by("version")}
        cycles = list(session.cycles.order_by("ts_ns"))
        first = cycles[0].settings_version if cycles else min(versions)
        plan = plan_of(session, versions[first])
        deciding, matched = _Columns(plan.symbols), _Columns(plan.symbols)
        signals: dict[tuple[str, int], str] = {}
        outcomes: dict[tuple[str, int], str] = {}
        rows = session.decisions.order_by("ts_ns").values_list(
            "symbol", "ts_ns", "timeframe", "decides", "action", "outcome", "open", "high", "low", "close", "volume"
        )
        for symbol, ts, timeframe, decides, action, outcome, *prices in rows.iterator(chunk_size=5_000):
            if decides:
                deciding.add(symbol, ts, prices)
                signals[symbol, ts], outcomes[symbol, ts] = action, outcome
            if timeframe == plan.match_timeframe:
                matched.add(symbol, ts, prices)
        warmup = history.unpack(bytes(session.memory.history))
        return cls(plan, warmup, deciding.columns(), matched.columns(), signals, outcomes, cycles, versions)

    @property
    def is_undisturbed(self) -> bool:
        """Whether nothing but bars acted on it: then one call of `simulate` is the whole of it."""
        first = self.cycles[0].settings_version if self.cycles else 0
        return all(
            cycle.settings_version == first and not cycle.blocked and not cycle.interventions and cycle.outside is None
            for cycle in self.cycles
        )


@dataclass(slots=True)
class _Columns:
    """Bars by symbol as they are read, row by row."""

    symbols: tuple[str, ...]
    rows: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)

    def add(self, symbol: str, ts: int, prices: list[float]) -> None:
        self.rows.setdefault(symbol, []).append((ts, *prices))

    def columns(self) -> dict[str, BarColumns]:
        found = {}
        for symbol in self.symbols:
            rows = self.rows.get(symbol, [])
            ts = np.array([row[0] for row in rows], dtype=np.int64)
            prices = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), 5)
            found[symbol] = BarColumns(ts, *(np.ascontiguousarray(column) for column in prices.T))
        return found


@dataclass(frozen=True, slots=True)
class Again:
    """The run again. signals: (symbol, ts_open) → action code. orders, fills: the engine's logs; equity by ts."""

    signals: dict[tuple[str, int], int]
    result: Result


def run_again(tape: Tape) -> Again:
    """The backtester's way: signals of the whole series at once, then the simulation over the traded part."""
    plan = tape.plan
    desk = Desk(plan)
    scored, signals = {}, {}
    for symbol in plan.symbols:
        before, traded = tape.warmup.get(symbol, BarColumns.empty()), tape.deciding[symbol]
        whole = _bars(plan, symbol, plan.timeframe, BarColumns.concat([before, traded]))
        scored[symbol] = desk.strategy.scored_signals(whole)[len(before) :]
        actions = scored[symbol]["action"].tolist()
        signals.update({(symbol, ts): action for ts, action in zip(traded.ts.tolist(), actions, strict=True)})
    run = _simulated if tape.is_undisturbed else _stepped
    return Again(signals, run(tape, desk, scored))


def _simulated(tape: Tape, desk: Desk, scored: Mapping[str, Any]) -> Result:
    plan = tape.plan
    rules, costs = plan.rules(plan.settings, desk.strategy)
    traded = [symbol for symbol in plan.symbols if len(tape.deciding[symbol])]
    return simulate(
        {symbol: _bars(plan, symbol, plan.timeframe, tape.deciding[symbol]) for symbol in traded},
        {symbol: scored[symbol] for symbol in traded},
        rules=rules,
        costs=costs,
        starting_cash=plan.initial_cash,
        match_bars={symbol: _bars(plan, symbol, plan.match_timeframe, tape.matched[symbol]) for symbol in traded}
        if desk.finer
        else None,
    )


def _stepped(tape: Tape, desk: Desk, scored: Mapping[str, Any]) -> Result:
    """Bar by bar, with what acted on the session from outside done where it was done; by the engine's law the same."""
    plan = tape.plan
    rules, costs = plan.rules(plan.settings, desk.strategy)
    portfolio = Portfolio(
        {symbol: plan.markets[symbol].bars(symbol, plan.match_timeframe) for symbol in plan.symbols},
        rules=rules,
        costs=costs,
        starting_cash=plan.initial_cash,
        finer_matching=desk.finer,
    )
    rows = {symbol: _by_ts(tape.matched[symbol]) for symbol in plan.symbols}
    decided = _by_close(tape, scored)
    followed: tuple[int, dict[str, float]] = (tape.cycles[0].settings_version if tape.cycles else 0, {})
    for cycle in tape.cycles:
        outside = dict(cycle.outside or {})
        caps = outside.pop("caps", {})
        if (cycle.settings_version, caps) != followed:
            followed = (cycle.settings_version, caps)
            portfolio.change_rules(*plan.rules(capped(tape.versions[cycle.settings_version], caps), desk.strategy))
        ts = cycle.ts_ns
        portfolio.step(
            ts,
            {symbol: rows[symbol][ts] for symbol in plan.symbols if ts in rows[symbol]},
            decided.get(ts, {}),
            blocked=cycle.blocked or None,
            outside=OutsideExposure(**outside) if outside else None,
        )
        for done in cycle.interventions:
            if done["do"] == "exit":
                portfolio.request_exit(done["symbol"], done["reason"])
            elif done["do"] == "cancel":
                portfolio.cancel_entry(done["symbol"])
    return portfolio.result()


def _by_ts(columns: BarColumns) -> dict[int, tuple[float, ...]]:
    rows = zip(*(column.tolist() for column in columns.arrays()), strict=True)
    return dict(zip(columns.ts.tolist(), rows, strict=True))


def _by_close(tape: Tape, scored: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Start of the matched bar → the records that its symbols' decision bars, closing with it, gave."""
    from engine.exchange import timeframe_ns

    shift = timeframe_ns(tape.plan.timeframe) - timeframe_ns(tape.plan.match_timeframe)
    found: dict[int, dict[str, Any]] = {}
    for symbol, records in scored.items():
        for ts, record in zip(tape.deciding[symbol].ts.tolist(), records, strict=True):
            found.setdefault(ts + shift, {})[symbol] = record if record["action"] else 0
    return found


def _bars(plan: Plan, symbol: str, timeframe: str, columns: BarColumns) -> Bars:
    market = plan.markets[symbol]
    return Bars.from_arrays(
        symbol,
        timeframe,
        columns.ts,
        *columns.arrays(),
        calendar=market.calendar,
        tick_size=market.tick_size,
        lot_size=market.lot_size,
        fractionable=market.fractionable,
    )
