"""Order blocks: where the last counter-move before a large one stood. One pass over the bars, no look-ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.indicators import functions as f
from strategies.indicators.functions import Array


@dataclass(slots=True)
class _Zone:
    low: float
    high: float


def order_blocks(
    open: Array,
    high: Array,
    low: Array,
    close: Array,
    *,
    lookback: int = 20,
    impulse_atr: float = 2.0,
    impulse_bars: int = 3,
    atr_period: int = 14,
) -> tuple[Array, Array, Array, Array, Array]:
    """(demand_low, demand_high, supply_low, supply_high, returned), one value a bar.

    Impulse up at bar i: its close is above the highest high of the `lookback` bars before it, and there is a bar j, the
    last one that closed below its open among the `impulse_bars` bars before i, from whose low the close of i has risen
    by `impulse_atr` × the ATR known at i - 1. The range of j is then the demand zone, in the place of an older one.
    It holds from bar i + 1 on. A close below its low ends it; so does the first bar whose low reaches its high and
    whose close is not below its low: the return, on which `returned` is 1. Supply zones mirror, with `returned` -1
    (0: no return; both at once: 0). The four levels are those that hold after the bar, NaN where there is no zone.
    """
    n = len(close)
    levels = np.full((4, n), np.nan)
    returned = np.full(n, np.nan)
    start = max(lookback, atr_period + 1, impulse_bars)
    if n <= start:
        return (*levels, returned)
    returned[start:] = 0.0
    highs, lows = f.highest(high, lookback), f.lowest(low, lookback)
    need = impulse_atr * f.atr(high, low, close, atr_period)
    # Python's own numbers are faster than NumPy's one at a time, and have the same bits.
    o, h, lo, c = open.tolist(), high.tolist(), low.tolist(), close.tolist()
    tops, bottoms, needed = highs.tolist(), lows.tolist(), need.tolist()
    demand: _Zone | None = None
    supply: _Zone | None = None
    for i in range(start, n):
        said = 0
        if demand is not None:
            if c[i] < demand.low:
                demand = None
            elif lo[i] <= demand.high:
                said, demand = said + 1, None
        if supply is not None:
            if c[i] > supply.high:
                supply = None
            elif h[i] >= supply.low:
                said, supply = said - 1, None
        returned[i] = said
        before = range(i - 1, i - impulse_bars - 1, -1)
        if c[i] > tops[i - 1]:
            j = next((k for k in before if c[k] < o[k]), None)
            if j is not None and c[i] - lo[j] >= needed[i - 1]:
                demand = _Zone(lo[j], h[j])
        elif c[i] < bottoms[i - 1]:
            j = next((k for k in before if c[k] > o[k]), None)
            if j is not None and h[j] - c[i] >= needed[i - 1]:
                supply = _Zone(lo[j], h[j])
        if demand is not None:
            levels[0, i], levels[1, i] = demand.low, demand.high
        if supply is not None:
            levels[2, i], levels[3, i] = supply.low, supply.high
    return (*levels, returned)
