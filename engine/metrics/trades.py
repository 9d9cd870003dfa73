"""Figures of round trips. The conventions stand in `engine.metrics.catalogue`."""

from __future__ import annotations

import math

import numpy as np

from engine.types import Records

NAMES = (
    "trade_count",
    "win_rate_pct",
    "profit_factor",
    "expectancy",
    "average_win",
    "average_loss",
    "best_trade",
    "worst_trade",
    "average_holding_s",
    "average_holding_bars",
    "sqn",
)


def of_round_trips(trips: Records) -> dict[str, float]:
    """`trips`: engine.types.ROUND_TRIP records, shape (n,). NaN where a figure is not defined."""
    n = len(trips)
    out = dict.fromkeys(NAMES, math.nan)
    out["trade_count"] = n
    if n == 0:
        return out
    pnl = trips["pnl_net"]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    won, lost = float(wins.sum()), -float(losses.sum())
    mean = float(pnl.sum()) / n
    out["win_rate_pct"] = len(wins) / n * 100.0
    out["expectancy"] = mean
    if lost > 0.0:
        out["profit_factor"] = won / lost
        out["average_loss"] = -lost / len(losses)
    if len(wins):
        out["average_win"] = won / len(wins)
    out["best_trade"], out["worst_trade"] = float(pnl.max()), float(pnl.min())
    out["average_holding_s"] = float((trips["exit_ts"] - trips["entry_ts"]).sum()) / n / 1e9
    out["average_holding_bars"] = float(trips["bars"].sum()) / n
    if n > 1:
        off = pnl - mean
        spread = math.sqrt(float(np.dot(off, off)) / (n - 1))
        if spread > 1e-12 * max(abs(out["best_trade"]), abs(out["worst_trade"])):
            out["sqn"] = math.sqrt(n) * mean / spread
    return out
