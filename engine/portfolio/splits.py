"""What a split of shares does to all that a portfolio remembers of the symbol."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engine.portfolio.columns import Columns
from engine.world import World

# Of HOLDING.
_UNITS: Final = ("qty", "entered", "exited", "entry_left", "exit_left")
_PRICES: Final = (
    "mark", "avg_px", "stop_px", "target_px", "peak", "protect_px", "entry_px", "exit_px", "vol_stop",
    "entry_limit", "entry_stop", "entry_extreme", "entry_protect", "entry_vol_stop", "entry_ref",
    "atr", "atr_sum", "atr_close", "atr_high", "atr_low",
)  # fmt: skip
# Of engine.portfolio.columns.ROW.
_BAR_PRICES: Final = ("open", "high", "low", "close", "limit_px", "stop_px", "bid_px", "ask_px")


def split_symbol(world: World, columns: Columns, s: int, ratio: float, qty: float | None = None) -> bool:
    """`ratio` new units for each old one of symbol number s. True if nothing is left of its working entry: it must end.

    qty: signed units that are held after it, as the broker rounds them; None: exactly so many.

    Prices are divided, never multiplied by the inverse: 100 through 3 is the nearest double to a third.
    """
    holding = world.holdings[s]
    orders = world.logs.rows["orders"]
    for name in _UNITS:
        holding[name] *= ratio
    for name in _PRICES:
        holding[name] /= ratio
    if qty is not None:
        if holding["exit_left"] == abs(holding["qty"]):
            holding["exit_left"] = abs(qty)
        holding["qty"] = qty
    lot = float(world.feeds["lot"][s])
    if holding["entry_order"] >= 0 and lot > 0.0:
        holding["entry_left"] = math.floor(holding["entry_left"] / lot) * lot
    for slot in ("entry", "exit"):
        if holding[f"{slot}_order"] < 0:
            continue
        order = orders[holding[f"{slot}_order"]]
        order["filled"] *= ratio
        order["qty"] = order["filled"] + holding[f"{slot}_left"]
        order["limit_px"] /= ratio
        order["stop_px"] /= ratio
    for name in _BAR_PRICES:
        columns.columns[name][: columns.n] /= ratio
    columns.columns["volume"][: columns.n] *= ratio
    room = len(world.recent_px) // len(world.holdings)
    world.recent_px[s * room : (s + 1) * room] /= ratio
    return bool(holding["entry_order"] >= 0 and np.float64(holding["entry_left"]) == 0.0)
