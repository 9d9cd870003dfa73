"""Liquidity and the direction of volume, from bars alone. Rules of `functions` hold: float64, NaN first, no look-ahead.

Sources: Amihud, "Illiquidity and stock returns", J. Financial Markets 5 (2002); Corwin and Schultz, "A simple way to
estimate bid-ask spreads from daily high and low prices", J. Finance 67 (2012).
"""

from __future__ import annotations

import numpy as np

from strategies.indicators import functions as f
from strategies.indicators.functions import Array

_PER_MILLION = 1e6


def illiquidity(close: Array, volume: Array, period: int = 20) -> Array:
    """Amihud's measure: mean of |return| ÷ traded value over the last `period` bars, per million of the currency.

    How much a million moves the price, as a ratio. A bar without volume counts as none; NaN where the window has none.
    """
    n = len(close)
    if n <= period:
        return np.full(n, np.nan)
    moved = np.abs(f.returns(close, 1))[1:]
    value = (close * volume)[1:]
    traded = value > 0
    ratio = np.divide(moved * _PER_MILLION, value, out=np.zeros(n - 1), where=traded)
    counted = f.sma(traded.astype(np.float64), period)
    out = np.full(n, np.nan)
    # A running sum of numbers of very different size can end a little below 0.
    np.divide(np.maximum(f.sma(ratio, period), 0.0), counted, out=out[1:], where=counted > 0.5 / period)
    return out


def high_low_spread(high: Array, low: Array, close: Array, period: int = 20) -> Array:
    """Corwin and Schultz' estimate of the bid-ask spread, a ratio of the price; mean of `period` pairs of bars.

    Highs are mostly bought and lows mostly sold, so a range holds the variance and the spread; the variance grows with
    time and the spread does not, so that two bars tell them apart. A gap between two bars is taken out first, an
    estimate below 0 counts as 0. First valid at index `period`.
    """
    n = len(close)
    if n <= period:
        return np.full(n, np.nan)
    # What lies between the close and the next bar's range is no trading range.
    gap = np.maximum(low[1:] - close[:-1], 0.0) + np.minimum(high[1:] - close[:-1], 0.0)
    next_high, next_low = high[1:] - gap, low[1:] - gap
    first, second = np.log(high[:-1] / low[:-1]) ** 2, np.log(next_high / next_low) ** 2
    both = np.log(np.maximum(high[:-1], next_high) / np.minimum(low[:-1], next_low)) ** 2
    scale = 3.0 - 2.0 * np.sqrt(2.0)
    beta = first + second
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / scale - np.sqrt(both / scale)
    spread = np.maximum(2.0 * np.expm1(alpha) / (1.0 + np.exp(alpha)), 0.0)
    out = np.full(n, np.nan)
    out[1:] = np.maximum(f.sma(spread, period), 0.0)
    return out


def flow_ratio(close: Array, volume: Array, period: int = 20) -> Array:
    """Net flow as a share of all volume: 1 where every bar of the last `period` closed higher, -1 where every one
    closed lower; NaN where nothing was traded."""
    whole = f.sma(volume, period) * period
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = f.net_flow(close, volume, period) / whole
    ratio[~(whole > 0)] = np.nan
    return np.clip(ratio, -1.0, 1.0)


def volume_ratio(volume: Array, period: int = 20) -> Array:
    """Volume relative to the mean of the `period` bars before it; NaN where those traded nothing."""
    n = len(volume)
    out = np.full(n, np.nan)
    if n > period:
        usual = f.sma(volume, period)[:-1]
        np.divide(volume[1:], usual, out=out[1:], where=usual > 0)
    return out


def traded_value(close: Array, volume: Array, period: int = 20) -> Array:
    """Mean of close × volume over the last `period` bars, in the currency of the prices."""
    return f.sma(close * volume, period)
