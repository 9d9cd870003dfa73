"""Splits in what a session remembers of prices: every bar from before one is brought to the units of today.

A strategy that read old prices beside new ones would see a crash, or a rise, that never was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from bots import mapping
from marketdata.columns import BarColumns

if TYPE_CHECKING:
    from bots.models import TradingSession

BEFORE_ALL: Final = np.iinfo(np.int64).min
# Feeds that know of no split: a made-up market, and what has been. Vendors' prices follow by themselves.
UNAWARE: Final = ("synthetic", "replay")


class Split(NamedTuple):
    """ratio: new units for each old one. after_ns: start of the last matched bar that was worked through before it."""

    symbol: str
    ratio: float
    after_ns: int


def splits_of(session: TradingSession) -> list[Split]:
    """Those that a session has booked, oldest first."""
    booked = [(row.symbol, row.ratio) for row in session.adjustments.filter(kind="split").order_by("pk")]
    if not booked:
        return []
    found = [
        Split(done["symbol"], done["ratio"], ts)
        for ts, interventions in session.cycles.order_by("ts_ns").values_list("ts_ns", "interventions").iterator()
        for done in interventions
        if done["do"] == "split"
    ]
    early = booked[: len(booked) - len(found)]  # of those before the first bar no cycle tells
    return [Split(symbol, float(mapping.ratio(ratio)), BEFORE_ALL) for symbol, ratio in early if ratio] + found


def divide(columns: Any, ratio: float) -> None:
    """Open, high, low, close through it, volume times it, in place: a live history and a rebuilt one have the same
    bits."""
    for column in columns[:4]:
        column /= ratio
    columns[4] *= ratio


def rescaled(columns: BarColumns, before: Any, ratio: float) -> BarColumns:
    """A copy in which the bars that `before` picks out (a slice or a mask) are in new units."""
    copies = [column.copy() for column in columns.arrays()]
    parts = [column[before] for column in copies]
    divide(parts, ratio)
    for column, part in zip(copies, parts, strict=True):
        column[before] = part
    return BarColumns(columns.ts, *copies)
