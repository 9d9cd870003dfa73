"""Many runs over shared bars: one row of metrics each, on several threads, with memory that does not grow with them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.backtest import (
    Cancelled,
    Market,
    Progress,
    build_feeds,
    build_settings,
    daily_closes,
    read_all_signals,
    read_cash,
    read_market,
    run,
)
from engine.bars import Bars
from engine.errors import Fault, InputError
from engine.groups import Legs, read_groups
from engine.rules import Costs, Rules
from engine.types import Records
from engine.world import Logs, World, feed_records, fresh_book, fresh_holdings

if TYPE_CHECKING:
    from engine.metrics import Value

# The signals of one combination: by symbol; or the array itself if there is one symbol; or a function that makes them.
Cell = Mapping[str, npt.ArrayLike] | npt.NDArray[Any] | Callable[[], Any]


def simulate_many(
    bars: Mapping[str, Bars],
    *,
    signals: Sequence[Cell],
    rules: Rules | Sequence[Rules] | None = None,
    costs: Costs | Sequence[Costs] | None = None,
    starting_cash: float = 100_000.0,
    match_bars: Mapping[str, Bars] | None = None,
    legs: Legs = (),
    benchmark: Bars | Records | None = None,
    names: Collection[str] | None = None,
    risk_free_rate_pct: float = 0.0,
    threads: int | None = None,
    on_progress: Progress | None = None,
) -> list[dict[str, Value]]:
    """One row of metrics (names as in Result.metrics) for each combination, in the order given.

    signals, rules, costs: one a combination; a sequence of length 1, or a single Rules or Costs, holds for all. An
    entry of `signals` maps symbols to arrays, or is the array itself (one symbol), or a function without arguments that
    makes either, called when its turn comes, so that not all signals need to exist at once.
    legs: as in simulate(), for all. benchmark: bars, or its daily marks themselves (engine.types.DAILY).
    threads: default one a processor.
    on_progress(done, total) is called after each; answering False raises Cancelled.

    Each row equals that of simulate() with the same inputs. Raises InputError as simulate() does.
    """
    from engine.metrics import compute

    market = read_market(bars, match_bars)
    cash = read_cash(starting_cash)
    groups = read_groups(legs, market.symbols)
    all_rules = [rules or Rules()] if rules is None or isinstance(rules, Rules) else list(rules)
    all_costs = [costs or Costs()] if costs is None or isinstance(costs, Costs) else list(costs)
    total = _length(signals=len(signals), rules=len(all_rules), costs=len(all_costs))
    benchmark_daily = daily_closes(benchmark) if isinstance(benchmark, Bars) else benchmark

    def run_one(k: int, logs: Logs) -> dict[str, Value]:
        own_rules, own_costs = all_rules[k % len(all_rules)], all_costs[k % len(all_costs)]
        checked = read_all_signals(market, _cell(market, signals[k % len(signals)]))
        feeds = build_feeds(market, checked, own_rules, groups)
        settings = build_settings(market, own_rules, own_costs, track_equity=False)
        world = World(settings, feed_records(feeds), market.times, fresh_book(cash), fresh_holdings(len(feeds)), logs)
        run(world)
        return compute(
            world.book,
            logs.daily[: int(world.book[0]["n_daily"])],
            logs.rows["trips"][: int(world.book[0]["n_trips"])],
            market.periods_per_year,
            benchmark_daily,
            risk_free_rate_pct=risk_free_rate_pct,
            names=names,
        )

    return _Crew(total, run_one, market, on_progress).work(threads or os.cpu_count() or 1)


class _Crew:
    """Threads that take the next combination until none is left; the first error stops all and is raised."""

    def __init__(
        self,
        total: int,
        run_one: Callable[[int, Logs], dict[str, Value]],
        market: Market,
        on_progress: Progress | None,
    ) -> None:
        self.run_one, self.market, self.on_progress = run_one, market, on_progress
        self.rows: list[dict[str, Value]] = [{} for _ in range(total)]
        self.lock = threading.Lock()
        self.next = 0
        self.done = 0
        self.error: BaseException | None = None

    def work(self, threads: int) -> list[dict[str, Value]]:
        crew = [threading.Thread(target=self._worker) for _ in range(min(threads, len(self.rows)) - 1)]
        for thread in crew:
            thread.start()
        self._worker()
        for thread in crew:
            thread.join()
        if self.error is not None:
            raise self.error
        return self.rows

    def _worker(self) -> None:
        logs = Logs()
        logs.reserve(len(self.market.symbols), self.market.times, len(self.market.times), equity=False)
        while True:
            with self.lock:
                if self.error is not None or self.next == len(self.rows):
                    return
                k, self.next = self.next, self.next + 1
            try:
                row = self.run_one(k, logs)
                with self.lock:
                    self.rows[k] = row
                    self.done += 1
                    if self.on_progress is not None and self.on_progress(self.done, len(self.rows)) is False:
                        raise Cancelled(f"cancelled after {self.done} of {len(self.rows)} combinations")
            except BaseException as error:  # an error in a thread must reach the caller
                with self.lock:
                    self.error = self.error or error
                return


def _cell(market: Market, cell: Cell) -> Mapping[str, npt.ArrayLike]:
    if callable(cell):
        cell = cell()
    if isinstance(cell, Mapping):
        return cell
    if len(market.symbols) != 1:
        raise InputError(Fault("signals", "wrong_type", "several symbols need a mapping from symbol to array"))
    return {market.symbols[0]: np.asarray(cell)}


def _length(**lengths: int) -> int:
    """How many combinations there are: all lengths are 1 or that number."""
    total = max(lengths.values())
    for name, length in lengths.items():
        if length == 0:
            raise InputError(Fault(name, "required", "at least one is needed"))
        if length not in (1, total):
            message = f"{length} of them for {total} combinations"
            raise InputError(Fault(name, "wrong_length", message, f"1 or {total}"))
    return total
