"""Each line of the table: what is timed, how, and what it must reach."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bench import floor
from bench.data import YEAR_OF_MINUTES, daily_bars, minute_bars
from bench.trees import largest
from bench.work import Work
from engine import Bars, Portfolio
from strategies.conditions import Evaluation, nodes, operands

SYMBOLS = 50
COMBINATIONS = 400
BARS_ONE_BY_ONE = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """One measured line. Times in milliseconds: the best and the median of `repeats` warm runs."""

    work: str
    best_ms: float
    median_ms: float
    repeats: int
    limit_ms: float
    floor_ms: float | None = None
    limit_floors: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def floors(self) -> float | None:
        """The best time as a multiple of the bare loop's."""
        return None if self.floor_ms is None else self.best_ms / self.floor_ms

    @property
    def reached(self) -> bool:
        floors_good = self.floors is None or self.limit_floors is None or self.floors <= self.limit_floors
        return self.best_ms <= self.limit_ms and floors_good and not self.failures

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"floors": self.floors, "reached": self.reached}


def best_and_median(repeats: int, *works: Callable[[], object]) -> list[tuple[float, float]]:
    """(best, median) in milliseconds of each, taken in turns so that a busy moment of the machine hits all alike."""
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            for work, taken in zip(works, times, strict=True):
                start = time.perf_counter()
                work()
                taken.append((time.perf_counter() - start) * 1e3)
    finally:
        gc.enable()
    return [(min(taken), statistics.median(taken)) for taken in times]


def one_symbol(title: str, bars: Bars, repeats: int, limit_ms: float, limit_floors: float | None) -> Line:
    """SMA crossover, stop, target, slippage on one symbol, with indicators, logs, equity and all metrics."""
    work, columns = Work(), (bars.open, bars.high, bars.low, bars.close)
    ours, bare = best_and_median(
        repeats, lambda: work.run({bars.symbol: bars}), lambda: floor.run_one(bars.ts, columns, work)
    )
    notes = {"bars": len(bars), "ns_a_bar": ours[0] * 1e6 / len(bars)}
    return Line(title, *ours, repeats, limit_ms, bare[0], limit_floors, notes)


def minutes(repeats: int) -> Line:
    title = "98,280 one-minute bars, SMA 10/30, stop, target, slippage"
    return one_symbol(title, minute_bars("X", YEAR_OF_MINUTES), repeats, 8.0, 2.5)


def days(repeats: int) -> Line:
    return one_symbol("2,520 daily bars (AAPL), same work", daily_bars(), repeats, 1.0, None)


def million(repeats: int, year: Line) -> Line:
    """Linear in bars: no more than 1.5 × the time a bar of the one-year line."""
    line = one_symbol("1,000,000 one-minute bars, same", minute_bars("X", 1_000_000), max(repeats // 5, 3), 60.0, None)
    growth = line.notes["ns_a_bar"] / year.notes["ns_a_bar"]
    line.notes["time_a_bar_against_one_year"] = growth
    if growth > 1.5:
        line.failures.append(f"a bar takes {growth:.2f} × as long as in the one-year run")
    return line


def many_symbols(repeats: int) -> Line:
    bars = {f"S{k:02d}": minute_bars(f"S{k:02d}", YEAR_OF_MINUTES, seed=k + 1) for k in range(SYMBOLS)}
    work = Work(size_pct=4.0)
    columns = tuple(
        np.ascontiguousarray(np.stack([getattr(bars[s], name) for s in sorted(bars)], axis=1))
        for name in ("open", "high", "low", "close")
    )
    ts = bars["S00"].ts
    repeats = max(repeats // 5, 3)
    ours, bare = best_and_median(repeats, lambda: work.run(bars), lambda: floor.run_many(ts, columns, work))
    notes = {"bars": SYMBOLS * YEAR_OF_MINUTES, "ns_a_bar": ours[0] * 1e6 / SYMBOLS / YEAR_OF_MINUTES}
    return Line(f"{SYMBOLS} symbols × 98,280, shared cash", *ours, repeats, 300.0, bare[0], 2.5, notes)


def bar_by_bar(repeats: int) -> Line:
    """What a session on paper pays for each closed bar; a new portfolio each time, with the columns it must grow."""
    bars, work = minute_bars("X", BARS_ONE_BY_ONE), Work()
    signals = work.strategy().signals(bars).tolist()
    prices = zip(*(getattr(bars, name).tolist() for name in ("open", "high", "low", "close", "volume")), strict=True)
    steps = [(ts, {"X": row}, {"X": signal}) for ts, row, signal in zip(bars.ts.tolist(), prices, signals, strict=True)]

    def drive() -> None:
        portfolio = Portfolio({"X": bars}, rules=work.rules(), costs=work.costs())
        for step in steps:
            portfolio.step(*step)

    repeats = max(repeats // 5, 3)
    ((best, median),) = best_and_median(repeats, drive)
    notes = {"us_a_bar": best * 1e3 / BARS_ONE_BY_ONE}
    return Line(f"{BARS_ONE_BY_ONE:,} closed bars given to Portfolio.step", best, median, repeats, 50.0, notes=notes)


def trees(repeats: int) -> Line:
    """The largest condition tree over a year of minutes, nothing remembered from one run to the next."""
    bars, tree = minute_bars("X", YEAR_OF_MINUTES), largest()
    repeats = max(repeats // 3, 3)
    ((best, median),) = best_and_median(repeats, lambda: Evaluation(bars).true(tree))
    different = {json.dumps(one, sort_keys=True) for node in nodes(tree) for one in operands(node)}
    notes = {"nodes": len(nodes(tree)), "different_operands": len(different), "bars": len(bars)}
    return Line("condition tree of 500 nodes on 98,280 bars", best, median, repeats, 150.0, notes=notes)


def grid(repeats: int, year: Line) -> Line:
    """In processes of their own, for their peak memory: 400 combinations, and four times as many."""
    repeats = max(repeats // 10, 3)
    few = _child("bench.grid", str(COMBINATIONS), str(repeats))
    many = _child("bench.grid", str(4 * COMBINATIONS), "1")
    assert year.floor_ms is not None
    notes = {"peak_rss_mb": few["peak_rss_mb"], "peak_rss_mb_of_1600": many["peak_rss_mb"]}
    failures = []
    if few["peak_rss_mb"] > 600:
        failures.append(f"peak memory {few['peak_rss_mb']:.0f} MB, allowed 600 MB")
    if many["peak_rss_mb"] > few["peak_rss_mb"] + 30:
        failures.append("memory grows with the number of combinations")
    bare_ms = year.floor_ms * COMBINATIONS / 2
    title = f"grid of {COMBINATIONS} combinations on 98,280 bars, two threads"
    return Line(title, few["best_ms"], few["median_ms"], repeats, 600.0, bare_ms, None, notes, failures)


def sweep() -> Line:
    """10,000 combinations of settings over 40 signals that are made once each, in a process of its own, once."""
    part = _child("bench.sweep", "--engine-only")
    spent = part["engine_s"] * 1e3
    title = f"sweep of {part['combinations']:,} combinations on 98,280 bars, two threads"
    return Line(title, spent, spent, 1, 20_000.0, notes={"signals_ms": part["signals_s"] * 1e3})


def fresh_process(repeats: int) -> Line:
    """From the start of a new Python process to its first result, kernels in numba's disk cache already."""
    repeats = max(repeats // 10, 3)
    _child("bench.fresh", str(time.time()))  # fills the disk cache
    runs = [_child("bench.fresh", str(time.time())) for _ in range(repeats)]
    first = [answer["first_result"] for answer in runs]
    notes = {f"{name}_ms": min(answer[name] for answer in runs) for name in runs[0]}
    title = "first backtest in a fresh worker process"
    return Line(title, min(first), statistics.median(first), repeats, 1_500.0, notes=notes)


def _child(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
