"""One backtest for comparison with other programs: `python -m bench.external OHLCV.parquet CONFIG.json`.

The frame has the columns timestamp, symbol, open, high, low, close, volume (Parquet or CSV; a timestamp is the start of
its bar). CONFIG.json is the body of POST /api/backtest/run; symbols and timeframe may be left out, then they are the
file's. Prints one JSON line: `result.to_dict()` and `run_s`, the seconds that indicators, simulation and metrics took
in a process that has run a backtest before (reading the file and writing the JSON are not counted).

A file with bars on a Saturday or Sunday (UTC) is of a market that never closes; any other one trades by XNYS.
A wrong input ends it with status 2 and one JSON line {"errors": [...]} on stderr.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from backtests.runner import clean, execute
from backtests.runner.chosen import choose
from engine import Bars
from engine.errors import Fault, InputError
from engine.types import NANOS_PER_DAY
from marketdata.files import read_bars

USAGE = "usage: python -m bench.external OHLCV.parquet CONFIG.json"


def answer(frame: Path, body: dict[str, Any]) -> dict[str, Any]:
    """`result.to_dict()` and `run_s`. Raises InputError."""
    bars = {symbol.upper(): one for symbol, one in read_bars(frame).items()}
    if any(_trades_at_weekends(one) for one in bars.values()):
        bars = {symbol.upper(): one for symbol, one in read_bars(frame, calendar="24/7").items()}
    body = {"symbols": sorted(bars), "timeframe": next(iter(bars.values())).timeframe} | body
    config = clean(body)
    chosen, matching = choose(bars, config)
    benchmark = bars.get(config.benchmark) if config.benchmark else None
    execute.warm()
    start = time.perf_counter()
    result = execute.run(config, chosen, match_bars=matching, benchmark=benchmark)
    result.figures  # noqa: B018  (all metrics are part of the work; they are kept)
    taken = time.perf_counter() - start
    return result.to_dict() | {"run_s": taken}


def _trades_at_weekends(bars: Bars) -> bool:
    weekday = (bars.ts // NANOS_PER_DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return bool(np.any(weekday >= 5))


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(USAGE, file=sys.stderr)
        return 2
    frame, config = map(Path, arguments)
    try:
        try:
            body = json.loads(config.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(Fault(str(config), "malformed", str(error))) from None
        if not isinstance(body, dict):
            raise InputError(Fault(str(config), "wrong_type", "must be a JSON object"))
        print(json.dumps(answer(frame, body), allow_nan=False))
    except InputError as error:
        print(json.dumps({"errors": [fault.as_dict() for fault in error.faults]}), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
