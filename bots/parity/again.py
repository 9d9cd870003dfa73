"""A session's tape, run again the backtester's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bots.host.desk import Desk, Plan
from bots.host.splits import rescaled
from bots.host.tape import Tape, by_close, lead
from engine import Bars, Portfolio, Result, simulate
from engine.exchange import timeframe_ns
from marketdata.columns import BarColumns
from strategies import reading


@dataclass(frozen=True, slots=True)
class Again:
    """The run again. signals: (symbol, ts_open) → action code. orders, fills: the engine's logs; equity by ts."""

    signals: dict[tuple[str, int], int]
    result: Result


def run_again(tape: Tape) -> Again:
    """The backtester's way: signals of the whole series at once, then the simulation over the traded part."""
    desk = Desk(tape.plan, external_fills=tape.external_fills)
    scored = _scored(tape, desk)
    signals = {
        (symbol, ts): action
        for symbol, answer in scored.items()
        for ts, action in zip(tape.deciding[symbol].ts.tolist(), answer["action"].tolist(), strict=True)
    }
    run = _simulated if tape.is_undisturbed else _stepped
    return Again(signals, run(tape, desk, scored))


def _scored(tape: Tape, desk: Desk) -> dict[str, NDArray[Any]]:
    """Signals of the traded part. Where splits were booked, what follows one is read with all bars from before it in
    new units, as the session read it."""
    plan = tape.plan
    shift = timeframe_ns(plan.timeframe) - timeframe_ns(plan.match_timeframe)
    before = {symbol: tape.warmup.get(symbol, BarColumns.empty()) for symbol in plan.symbols}
    whole = {symbol: BarColumns.concat([before[symbol], tape.deciding[symbol]]) for symbol in plan.symbols}
    answers = {symbol: answer.copy() for symbol, answer in _read(tape, desk, whole).items()}
    for split in tape.splits:
        later = {symbol: columns.ts + shift > split.after_ns for symbol, columns in whole.items()}
        for symbol, columns in before.items():
            later[symbol][: len(columns)] = False
        whole[split.symbol] = rescaled(whole[split.symbol], ~later[split.symbol], split.ratio)
        for symbol, answer in _read(tape, desk, whole).items():
            answers[symbol][later[symbol]] = answer[later[symbol]]
    return {symbol: answer[len(before[symbol]) :] for symbol, answer in answers.items()}


def _read(tape: Tape, desk: Desk, whole: Mapping[str, BarColumns]) -> dict[str, NDArray[Any]]:
    plan = tape.plan
    series: Mapping[str, Bars] = {s: _bars(plan, s, plan.timeframe, columns) for s, columns in whole.items()}
    if tape.furnish is not None:
        series = tape.furnish(series)
    return reading.read(desk.strategy, series)


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
        legs=reading.legs(desk.strategy, traded),
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
        legs=reading.legs(desk.strategy, plan.symbols),
        external_fills=tape.external_fills,
    )
    records = {symbol: list(series) for symbol, series in scored.items()}
    lead(tape, portfolio, desk.strategy, by_close(tape, records))
    return portfolio.result()


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
