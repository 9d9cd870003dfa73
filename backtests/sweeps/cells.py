"""A sweep's cells on bars: each is the run that `backtests.runner.execute.run` would make of it, bit for bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from backtests.runner import RunConfig, execute
from backtests.runner import benchmark as holding
from backtests.sweeps import columns
from backtests.sweeps.request import SweepConfig, run_of
from engine.backtest import Cancelled, Progress, read_market
from engine.bars import Bars
from engine.errors import InputError
from engine.rules import Costs, Rules
from engine.sweep import simulate_many
from strategies import catalogue, reading

__all__ = ["Cancelled", "Outcome", "run"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """rows: see `backtests.sweeps.columns`, in the order of the cells. signals_s, engine_s: seconds of each part."""

    rows: np.ndarray
    signals_s: float
    engine_s: float


class _Signals:
    """Makes the signals of one cell after the other; the next cell with the same parameters gets the same arrays."""

    def __init__(self, bars: Mapping[str, Bars]) -> None:
        self.bars = bars
        self.seconds = 0.0
        self._key = ""
        self._made: dict[str, np.ndarray] = {}

    def of(self, run: RunConfig) -> Callable[[], dict[str, np.ndarray]]:
        scored = execute.reads_confidence(run)
        key = json.dumps([run.strategy_parameters, scored], sort_keys=True, default=str)

        def make() -> dict[str, np.ndarray]:
            if key != self._key:
                started = time.perf_counter()
                strategy = catalogue.get(run.strategy)(**run.strategy_parameters)
                self._made, self._key = reading.read(strategy, self.bars, scored=scored), key
                self.seconds += time.perf_counter() - started
            return self._made

        return make


def run(
    config: SweepConfig,
    cells: Sequence[int],
    bars: Mapping[str, Bars],
    *,
    match_bars: Mapping[str, Bars] | None = None,
    benchmark: Bars | None = None,
    on_progress: Progress | None = None,
) -> Outcome:
    """Run these cells on one thread; processes run side by side, each with chunks of its own.

    bars, match_bars, benchmark: as for `backtests.runner.execute.run`. on_progress(done, total) after each cell;
    answering False raises `Cancelled`. A combination that strategy or settings do not take is a row marked `refused`.
    """
    base = config.backtest
    chosen = {symbol: bars[symbol] for symbol in base.symbols}
    walked = chosen if match_bars is None else {symbol: match_bars[symbol] for symbol in base.symbols}
    rows = columns.empty(cells, config.metrics)
    taken, signals, rules = _prepared(config, cells, chosen, walked, rows)
    if not taken:
        return Outcome(rows, 0.0, 0.0)
    started = time.perf_counter()
    times = read_market(chosen, None if match_bars is None else walked).times
    held = holding.held({benchmark.symbol: benchmark} if benchmark is not None else walked, times)
    cash = float(base.initial_capital)
    maker = _Signals(chosen)
    figures = simulate_many(
        chosen,
        signals=[maker.of(one) for one in signals],
        rules=[one for one, _ in rules],
        costs=[one for _, one in rules],
        starting_cash=cash,
        match_bars=None if match_bars is None else walked,
        legs=reading.legs(catalogue.get(base.strategy)(**signals[0].strategy_parameters), base.symbols),
        benchmark=holding.daily(times, held * cash),
        names=config.metrics,
        risk_free_rate_pct=float(base.settings["risk_free_rate_pct"]),
        threads=1,
        on_progress=on_progress,
    )
    for k, row in zip(taken, figures, strict=True):
        columns.put(rows, k, row)
    return Outcome(rows, maker.seconds, time.perf_counter() - started - maker.seconds)


def _prepared(
    config: SweepConfig, cells: Sequence[int], chosen: Mapping[str, Bars], walked: Mapping[str, Bars], rows: np.ndarray
) -> tuple[list[int], list[RunConfig], list[tuple[Rules, Costs]]]:
    """Places, runs and rules of the cells that can be run; the others are marked in `rows`.

    Settings are read once for each set of them: there are few, and each costs as much as a cell of daily bars.
    """
    read: dict[str, RunConfig | InputError] = {}
    ruled: dict[str, tuple[Rules, Costs] | InputError] = {}
    taken, runs, rules = [], [], []
    for k, cell in enumerate(cells):
        parameters, settings = config.space.values(cell)
        key = json.dumps(settings)
        try:
            if key not in read:
                read[key] = _or_error(run_of, config, {}, settings)
            base = _told(read[key])
            one = base if not parameters else run_of(replace(config, backtest=base), parameters, {})
            if key not in ruled:
                strategy = catalogue.get(one.strategy)(**one.strategy_parameters)
                ruled[key] = _or_error(execute.rules_of, one, chosen, walked, strategy)
            both = _told(ruled[key])
        except InputError:
            rows["refused"][k] = True
            continue
        taken.append(k)
        runs.append(one)
        rules.append(both)
    return taken, runs, rules


def _or_error(make: Callable[..., T], *args: Any) -> T | InputError:
    try:
        return make(*args)
    except InputError as error:
        return error


def _told(found: T | InputError) -> T:
    if isinstance(found, InputError):
        raise found
    return found
