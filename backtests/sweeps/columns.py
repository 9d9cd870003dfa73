"""What a chunk's cells gave, as columns: the form in which it is stored and read.

A structured array with one row a cell: ``cell`` (int64, its number in the space), ``refused`` (the strategy or the
settings do not take the combination; its figures are NaN) and one float64 column a metric, NaN where it is undefined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backtests import parts


def empty(cells: Sequence[int], metrics: Sequence[str]) -> np.ndarray:
    """Columns for these cells, every figure NaN."""
    rows = np.zeros(len(cells), [("cell", "<i8"), ("refused", "?"), *((name, "<f8") for name in metrics)])
    rows["cell"] = cells
    for name in metrics:
        rows[name] = np.nan
    return rows


def put(rows: np.ndarray, k: int, figures: Mapping[str, Any]) -> None:
    """Write the metrics of row k; what is undefined stays NaN."""
    for name, value in figures.items():
        if value is not None:
            rows[name][k] = value


def pack(rows: np.ndarray) -> bytes:
    """As compressed columns (`backtests.parts`)."""
    return parts.pack(rows)


def unpack(data: bytes) -> np.ndarray:
    """What `pack` packed."""
    rows: np.ndarray = parts.unpack(data)
    return rows


def feasible(rows: np.ndarray, constraints: Mapping[str, Any]) -> np.ndarray:
    """Which rows may be the best: run, and within the constraints. An undefined figure keeps no constraint."""
    good = ~rows["refused"]
    if constraints["min_trades"] is not None:
        good &= rows["trade_count"] >= constraints["min_trades"]
    if constraints["max_drawdown_pct"] is not None:
        good &= rows["max_drawdown_pct"] <= constraints["max_drawdown_pct"]
    return good


def order(rows: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Indexes of the rows, the best first: feasible ones, then the rest; ties by cell, undefined objectives last."""
    values = rows[config["objective"]] * (-1.0 if config["better"] == "higher" else 1.0)
    infeasible = ~feasible(rows, config["constraints"])
    found: np.ndarray = np.lexsort((rows["cell"], values, np.isnan(values), infeasible))
    return found
