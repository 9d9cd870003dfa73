"""Why each position of a run was opened: what its strategy rested on at the bar of the signal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.result import iso_times
from engine.types import BY_SIGNAL
from strategies.base import Strategy

if TYPE_CHECKING:
    from backtests.runner.result import RunResult
    from engine import Bars

MOST_TRADES = 500
MOST_BYTES = 4_000_000


def explanations(bars: Mapping[str, Bars], result: RunResult) -> list[dict[str, Any]]:
    """``[{"symbol", "entry_time", "signal_time" (starts of bars, ISO), "action", "reasoning", "evidence"}]``.

    Of the newest 500 round trips and open positions (fewer where they would take more than 4 MB), the newest first;
    none for a strategy whose reasoning says it all. bars: those that were decided on.
    """
    strategy = result.strategy
    if strategy is None or type(strategy).evidence is Strategy.evidence:
        return []
    run = result.engine
    entries = np.flatnonzero((run.fills["entry"] == 1) & (run.fills["reason"] == BY_SIGNAL))
    fills = run.fills[entries]
    decided = run.orders["ts"][fills["order"]]
    opened = {
        (int(row["symbol"]), int(row["entry_ts"])) for rows in (run.positions, run.open_positions) for row in rows
    }
    wanted = [i for i, fill in enumerate(fills) if (int(fill["symbol"]), int(fill["ts"])) in opened][-MOST_TRADES:]
    found: list[dict[str, Any]] = []
    for number, symbol in enumerate(run.symbols):
        mine = [i for i in wanted if fills["symbol"][i] == number]
        series = bars[symbol]
        # Decided at the close of a finer bar, it was the last one inside its decision bar.
        places = (np.searchsorted(series.ts, decided[mine], side="right") - 1).tolist()
        times = iso_times(fills["ts"][mine])
        starts = iso_times(series.ts[places])
        for i, signal in enumerate(strategy.explain_bars(series, places)):
            found.append(
                {
                    "symbol": symbol,
                    "entry_time": times[i],
                    "signal_time": starts[i],
                    "action": signal.action,
                    "reasoning": signal.reasoning,
                    "evidence": signal.metadata.get("evidence"),
                }
            )
    found.sort(key=lambda entry: (entry["entry_time"], entry["symbol"]), reverse=True)
    return _fitting(found)


def _fitting(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    total = 0
    for i, entry in enumerate(found):
        total += len(json.dumps(entry))
        if total > MOST_BYTES:
            return found[:i]
    return found
