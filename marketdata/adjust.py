"""Prices without the jumps that splits and dividends leave in them.

Adjusted price = raw price × product of the factors of all actions that go ex after the bar's trading day:

- split: old shares ÷ new shares (7-for-1: 1/7); the volume is divided by the same number;
- dividend: the source's own factor where it publishes one, else 1 − amount ÷ last raw close before the ex-date. This is
  the rule behind factor files such as QuantConnect's, and the CRSP-style rule of most vendors.

Only actions inside the requested range count: the last bar of a request keeps its raw price. So an action that happened
after the tested period cannot reach back into it, and the same request gives the same bars for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from marketdata.columns import BarColumns

ADJUSTMENT_LABELS = {
    "split_dividend": "Splits and dividends",
    "split": "Splits only",
    "raw": "As traded",
}
ADJUSTMENTS = tuple(ADJUSTMENT_LABELS)
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Action:
    """One corporate action. Exactly one of `split` (new shares per old, 7.0 or 0.05) and `dividend` (> 0) is set."""

    ex_date: date
    split: float | None = None
    dividend: float | None = None
    price_factor: float | None = None

    @property
    def ex_day(self) -> int:
        """Days since 1970-01-01."""
        return self.ex_date.toordinal() - _EPOCH


def clean_adjustment(value: object) -> str:
    """One of ADJUSTMENTS; raises InputError `unknown_choice`."""
    if value not in ADJUSTMENTS:
        raise InputError(
            Fault("adjustment", "unknown_choice", f"{value!r} is not an adjustment", "one of " + ", ".join(ADJUSTMENTS))
        )
    return str(value)


def factors(
    days: NDArray[np.int32], close: NDArray[np.float64], actions: Sequence[Action], adjustment: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Price factor and split factor of each bar (both 1.0 on the last one).

    days: trading day of each bar, days since 1970-01-01, ascending. close: raw closes.
    """
    price, split = np.ones(len(days)), np.ones(len(days))
    if adjustment == "raw":
        return price, split
    for action in actions:
        before = int(np.searchsorted(days, action.ex_day))
        if before == 0 or before == len(days):
            continue  # went ex outside the range
        if action.split is not None:
            price[:before] /= action.split
            split[:before] /= action.split
        elif adjustment == "split_dividend" and action.dividend is not None:
            factor = action.price_factor
            if factor is None:
                factor = 1.0 - action.dividend / float(close[before - 1])
            if factor > 0.0:  # a "dividend" above the price is no dividend: leave the jump visible
                price[:before] *= factor
    return price, split


def adjusted(bars: BarColumns, days: NDArray[np.int32], actions: Sequence[Action], adjustment: str) -> BarColumns:
    """`bars` (raw) under `adjustment`; `days` as for `factors`."""
    if adjustment == "raw" or not actions or not len(bars):
        return bars
    price, split = factors(days, bars.close, actions, adjustment)
    return BarColumns(
        bars.ts, bars.open * price, bars.high * price, bars.low * price, bars.close * price, bars.volume / split
    )
