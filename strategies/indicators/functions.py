"""Indicators on arrays. Every number comes from TA-Lib's C functions, called on float64 arrays without a wrapper.

Each function takes contiguous float64 arrays of equal length n, one value a bar, and returns float64 arrays of length n
with NaN before the first valid bar; too few bars give all NaN. Each value depends only on its own bar and earlier ones,
to the last bit: computing on bars[:k] gives the first k values of computing on all (tests hold every one to it). TA-Lib
loads on the first call, so that importing this costs NumPy only. Sources of the formulas: Wilder, "New Concepts in
Technical Trading Systems" (1978), for RSI, ATR, ADX; TA-Lib 0.6+ for seeding.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MA_TYPES = {"SMA": 0, "EMA": 1}  # TA-Lib's numbers


def sma(values: Array, period: int) -> Array:
    """Simple moving average. The one summation of the platform: averages that are compared must both come from here."""
    import talib

    return talib.SMA(values, timeperiod=period)


def ema(values: Array, period: int) -> Array:
    """Exponential moving average, weight 2 / (period + 1), seeded with the SMA of the first `period` values."""
    import talib

    # A one-bar average is the series itself; TA-Lib starts at two.
    return values.copy() if period == 1 else talib.EMA(values, timeperiod=period)


def moving_average(values: Array, period: int, ma_type: str) -> Array:
    """`sma` or `ema`; ma_type "SMA" or "EMA"."""
    return {"SMA": sma, "EMA": ema}[ma_type](values, period)


def rsi(close: Array, period: int = 14) -> Array:
    """Relative strength index, 0..100, Wilder's smoothing; first valid at index `period`."""
    import talib

    return talib.RSI(close, timeperiod=period)


def macd(close: Array, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Array, Array, Array]:
    """(EMA(fast) - EMA(slow), its EMA(signal), their difference); all first valid at slow + signal - 2."""
    import talib

    return talib.MACD(close, fastperiod=fast, slowperiod=slow, signalperiod=signal)


def bollinger(close: Array, period: int = 20, width: float = 2.0, ma_type: str = "SMA") -> tuple[Array, Array, Array]:
    """(upper, middle, lower): the average ± width × population standard deviation."""
    import talib

    return talib.BBANDS(close, timeperiod=period, nbdevup=width, nbdevdn=width, matype=MA_TYPES[ma_type])


def standard_deviation(values: Array, period: int) -> Array:
    """Population standard deviation of the last `period` values."""
    import talib

    return talib.STDDEV(values, timeperiod=period, nbdev=1.0)


def zscore(values: Array, period: int) -> Array:
    """Distance from the average in population standard deviations; NaN where all values of the window are equal."""
    deviation = standard_deviation(values, period)
    deviation[deviation == 0] = np.nan
    return (values - sma(values, period)) / deviation


def atr(high: Array, low: Array, close: Array, period: int = 14) -> Array:
    """Average true range in price units, Wilder's smoothing; first valid at index `period`."""
    import talib

    return talib.ATR(high, low, close, timeperiod=period)


def adx(high: Array, low: Array, close: Array, period: int = 14) -> tuple[Array, Array, Array]:
    """(average directional index, +DI, -DI), each 0..100, Wilder's smoothing."""
    import talib

    arrays = (high, low, close)
    return (
        talib.ADX(*arrays, timeperiod=period),
        talib.PLUS_DI(*arrays, timeperiod=period),
        talib.MINUS_DI(*arrays, timeperiod=period),
    )


def stochastic(high: Array, low: Array, close: Array, period: int = 14, k: int = 3, d: int = 3) -> tuple[Array, Array]:
    """(%K, %D), 0..100: the close's place in the last `period` bars' range, averaged over `k`; that, over `d`."""
    import talib

    return talib.STOCH(high, low, close, fastk_period=period, slowk_period=k, slowd_period=d)


def obv(close: Array, volume: Array) -> Array:
    """On-balance volume: volume added when the close rises, subtracted when it falls; starts at the first volume."""
    import talib

    return talib.OBV(close, volume)


def net_flow(close: Array, volume: Array, period: int = 20) -> Array:
    """Volume of bars that closed higher minus volume of bars that closed lower, over `period` bars."""
    import talib

    if len(close) == 0:
        return np.empty(0)
    signed = np.empty(len(close))
    signed[0] = np.nan
    np.multiply(np.sign(np.diff(close)), volume[1:], out=signed[1:])
    # A one-bar sum is the series itself; TA-Lib starts at two.
    return signed if period == 1 else talib.SUM(signed, timeperiod=period)


def highest(values: Array, period: int) -> Array:
    """The highest of the last `period` values, this bar's included."""
    import talib

    return values.copy() if period == 1 else talib.MAX(values, timeperiod=period)


def lowest(values: Array, period: int) -> Array:
    """The lowest of the last `period` values, this bar's included."""
    import talib

    return values.copy() if period == 1 else talib.MIN(values, timeperiod=period)


def donchian(high: Array, low: Array, period: int = 20) -> tuple[Array, Array, Array]:
    """(upper, middle, lower): highest high, lowest low, and halfway between, of the last `period` bars."""
    upper, lower = highest(high, period), lowest(low, period)
    return upper, (upper + lower) / 2, lower


def momentum(values: Array, period: int = 10) -> Array:
    """Difference from `period` bars ago, in price units."""
    import talib

    return talib.MOM(values, timeperiod=period)


def roc(values: Array, period: int = 10) -> Array:
    """Rate of change over `period` bars in percent; 0 where the earlier value is 0 (TA-Lib's convention)."""
    import talib

    return talib.ROC(values, timeperiod=period)


def returns(close: Array, period: int = 1) -> Array:
    """Simple return over `period` bars, a ratio."""
    import talib

    return talib.ROCP(close, timeperiod=period)


def volatility(close: Array, period: int = 20) -> Array:
    """Sample standard deviation (ddof 1) of the last `period` one-bar returns; a ratio per bar, not annualised."""
    return standard_deviation(returns(close), period) * np.sqrt(period / (period - 1))


def vwap(high: Array, low: Array, close: Array, volume: Array, trading_day: NDArray[np.int32]) -> Array:
    """Volume-weighted average of (high + low + close) / 3 since the start of the trading day; NaN before any volume."""
    typical = (high + low + close) / 3
    value = typical * volume
    out = np.empty(len(close))
    starts = np.flatnonzero(np.diff(trading_day)) + 1
    bounds = [0, *starts.tolist(), len(close)] if len(close) else []
    with np.errstate(invalid="ignore", divide="ignore"):
        # Day by day, so that a day's values do not depend on what was summed before it.
        for start, end in pairwise(bounds):
            np.divide(np.cumsum(value[start:end]), np.cumsum(volume[start:end]), out=out[start:end])
    return out
