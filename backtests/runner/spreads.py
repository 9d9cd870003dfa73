"""Round trips that were entered on one signal as the legs of one trade, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.result import Result, iso_times
from engine.types import REASON_NAMES

Groups = Sequence[Sequence[str]]
_SIDES = {1: "long", -1: "short"}


def spread_trades(result: Result, groups: Groups) -> list[dict[str, Any]]:
    """The spread trades of a run, by entry, JSON-ready.

    groups: symbols whose entries of one bar are one trade (`strategies.reading.legs`). Each ``{"entry_time",
    "exit_time", "legs": [{"symbol", "side", "size", "entry_time", "entry_price", "exit_time", "exit_price", "pnl_net",
    "exit_reason"}], "pnl_net"}``: from the first leg in to the last leg out, what was made with all legs that are
    closed. Of a leg that is still open, and of the trade then, the exit is None. Legs stand in the order of names.
    """
    group_of = {symbol: number for number, group in enumerate(groups) for symbol in group}
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    decided = _decided(result)
    for log in (result.positions, result.open_positions):
        closed = "exit_ts" in (log.dtype.names or ())
        entered = iso_times(log["entry_ts"])
        left = iso_times(log["exit_ts"]) if closed else [None] * len(log)
        for k, row in enumerate(log):
            symbol = result.symbols[row["symbol"]]
            signal = decided.get((int(row["symbol"]), int(row["entry_ts"]), int(row["side"])))
            if symbol not in group_of or signal is None:
                continue
            leg = {
                "symbol": symbol,
                "side": _SIDES[int(row["side"])],
                "size": float(row["qty"]),
                "entry_time": entered[k],
                "entry_price": float(row["entry_px"]),
                "exit_time": left[k],
                "exit_price": float(row["exit_px"]) if closed else None,
                "pnl_net": float(row["pnl_net"]) if closed else None,
                "exit_reason": REASON_NAMES[row["exit_reason"]] if closed else None,
            }
            found.setdefault((signal, group_of[symbol]), []).append(leg)
    return [_whole(sorted(legs, key=lambda leg: leg["symbol"])) for _, legs in sorted(found.items())]


def _decided(result: Result) -> dict[tuple[int, int, int], int]:
    """(symbol, time of an entry fill, side) → the time of the bar at whose close it was decided."""
    fills, orders = np.asarray(result.fills), np.asarray(result.orders)
    entries = fills[fills["entry"] == 1]
    keys = zip(entries["symbol"].tolist(), entries["ts"].tolist(), entries["side"].tolist(), strict=True)
    return dict(zip(keys, orders["ts"][entries["order"]].tolist(), strict=True))


def _whole(legs: list[dict[str, Any]]) -> dict[str, Any]:
    exits = [leg["exit_time"] for leg in legs]
    return {
        "entry_time": min(leg["entry_time"] for leg in legs),
        "exit_time": None if None in exits else max(exits),
        "legs": legs,
        "pnl_net": sum(leg["pnl_net"] for leg in legs if leg["pnl_net"] is not None),
    }
