"""The first backtest of a new process, as a worker runs it: `python -m bench.fresh` prints one JSON line of times."""

from __future__ import annotations

import json
import time


def main() -> None:
    start = time.perf_counter()
    from backtests.runner import clean, run
    from bench.data import daily_bars, minute_bars

    imported = time.perf_counter()
    days, minutes = daily_bars(), minute_bars("X", 98_280)
    loaded = time.perf_counter()
    request = {"strategy": "ma_crossover", "symbols": ["AAPL"], "timeframe": "1d"}
    run(clean(request), {"AAPL": days}).to_dict()
    first = time.perf_counter()
    run(clean(request | {"symbols": ["X"], "timeframe": "1m"}), {"X": minutes}).to_dict()
    second = time.perf_counter()
    times = {"import": imported - start, "data": loaded - imported, "first": first - loaded, "next": second - first}
    print(json.dumps({name: taken * 1e3 for name, taken in times.items()}))


if __name__ == "__main__":
    main()
