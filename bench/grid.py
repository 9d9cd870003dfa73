"""A grid of moving averages in a process of its own: `python -m bench.grid COMBINATIONS REPEATS` prints a JSON line."""

from __future__ import annotations

import functools
import json
import resource
import sys
from pathlib import Path

from bench.data import YEAR_OF_MINUTES, minute_bars
from bench.measure import best_and_median
from bench.work import Work
from engine import simulate_many

THREADS = 2


def main(combinations: int, repeats: int) -> None:
    bars = minute_bars("X", YEAR_OF_MINUTES)
    works = [Work(fast=3 + k % 20, slow=30 + k // 20 * 3) for k in range(combinations)]
    # Signals are made when a combination's turn comes, so making them is part of the time.
    signals = [functools.partial(work.strategy().signals, bars) for work in works]
    rules, costs = [works[0].rules()], [works[0].costs()]

    def run() -> list[dict]:
        return simulate_many({"X": bars}, signals=signals, rules=rules, costs=costs, threads=THREADS)

    rows = run()
    if len({row["final_equity"] for row in rows}) < combinations // 2:
        raise SystemExit("most combinations gave the same answer: the grid does no work")
    ((best, median),) = best_and_median(repeats, run)
    print(json.dumps({"best_ms": best, "median_ms": median, "peak_rss_mb": peak_rss_mb()}))


def peak_rss_mb() -> float:
    """This program's own peak. (ru_maxrss would do, but Linux lets a child begin with its parent's.)"""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
