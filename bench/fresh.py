"""The first backtests of a new process, as a worker runs them: `python -m bench.fresh STARTED` prints a JSON line.

STARTED: when the process was started, as time.time(). Times are in milliseconds: from then to the first result (2,520
daily bars), and from there to the result of 98,280 minutes, which also loads the exchange's calendar.
"""

from __future__ import annotations

import json
import sys
import time


def main(started: float) -> None:
    import numpy as np

    from backtests.runner import clean, run
    from engine import Bars

    imported = time.time()
    days, minutes = _bars(np, Bars, "1d", 2_520), _bars(np, Bars, "1m", 98_280)
    request = {"strategy": "ma_crossover", "symbols": ["X"]}
    made = time.time()
    run(clean(request | {"timeframe": "1d"}), {"X": days}).to_dict()
    first, cpu = time.time(), time.process_time()
    run(clean(request | {"timeframe": "1m"}), {"X": minutes}).to_dict()
    second = time.time()
    times = {"first_result": first - started, "of_it_imports": imported - started, "then_minutes": second - first}
    times |= {"of_it_making_bars": made - imported, "processor_time_of_it": cpu}
    print(json.dumps({name: taken * 1e3 for name, taken in times.items()}))


def _bars(np, Bars, timeframe: str, count: int):
    """Bars without the benchmark's own data module, which loads a calendar at once."""
    step = {"1d": 86_400, "1m": 60}[timeframe] * 1_000_000_000
    per_day = {"1d": 1, "1m": 390}[timeframe]
    row = np.arange(count, dtype=np.int64)
    open_at = 0 if timeframe == "1d" else 52_200 * 1_000_000_000  # 14:30 UTC
    ts = np.datetime64("2010-01-04", "ns").astype(np.int64) + row // per_day * 86_400_000_000_000 + open_at
    ts = ts + row % per_day * step
    close = 100.0 + np.round(np.cumsum(np.random.default_rng(1).normal(0.0, 0.02, count)), 2)
    return Bars.from_arrays("X", timeframe, ts, close, close + 0.05, close - 0.05, close, np.full(count, 1e6))


if __name__ == "__main__":
    main(float(sys.argv[1]))
