"""The indicators that ship, with their parameters and the periods traders expect as defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.indicators import functions as f
from strategies.indicators.functions import Array
from strategies.indicators.registry import register
from strategies.params import ChoiceParam, FloatParam, IntParam

if TYPE_CHECKING:
    from engine import Bars


def _period(default: int, least: int = 2) -> IntParam:
    return IntParam(default, min=least, max=5_000, unit="bars", help="Bars looked at")


def _source() -> ChoiceParam:
    return ChoiceParam("close", choices=["open", "high", "low", "close", "volume"], help="Column it is computed on")


def _ma_type() -> ChoiceParam:
    return ChoiceParam("SMA", choices=[("SMA", "Simple"), ("EMA", "Exponential")], label="Average")


@register("sma", "Simple moving average", period=_period(20, 1), source=_source())
def sma(bars: Bars, period: int, source: str) -> Array:
    """Mean of the last `period` values."""
    return f.sma(getattr(bars, source), period)


@register("ema", "Exponential moving average", period=_period(20, 1), source=_source())
def ema(bars: Bars, period: int, source: str) -> Array:
    """Average with weights falling by 1 - 2 / (period + 1) a bar."""
    return f.ema(getattr(bars, source), period)


@register(
    "moving_averages", "Moving averages 5 10 20 30", outputs=("ma_5", "ma_10", "ma_20", "ma_30"), ma_type=_ma_type()
)
def moving_averages(bars: Bars, ma_type: str) -> tuple[Array, ...]:
    """Four averages of the close at once."""
    return tuple(f.moving_average(bars.close, period, ma_type) for period in (5, 10, 20, 30))


@register("rsi", "Relative strength index", pane="own", period=_period(14))
def rsi(bars: Bars, period: int) -> Array:
    """0..100, Wilder's smoothing; 30 and 70 are the usual levels."""
    return f.rsi(bars.close, period)


@register(
    "macd",
    "MACD",
    outputs=("macd", "signal", "histogram"),
    pane="own",
    fast=_period(12),
    slow=_period(26),
    signal=_period(9, 1),
)
def macd(bars: Bars, fast: int, slow: int, signal: int) -> tuple[Array, ...]:
    """Fast minus slow exponential average, its own average, and the difference of the two."""
    return f.macd(bars.close, fast, slow, signal)


@register(
    "bollinger",
    "Bollinger bands",
    outputs=("upper", "middle", "lower"),
    period=_period(20),
    width=FloatParam(2.0, min=0.1, max=10, step=0.1, unit="σ", help="Standard deviations to each side"),
    ma_type=_ma_type(),
)
def bollinger(bars: Bars, period: int, width: float, ma_type: str) -> tuple[Array, ...]:
    """An average and two bands at `width` population standard deviations."""
    return f.bollinger(bars.close, period, width, ma_type)


@register("zscore", "Z-score", pane="own", period=_period(20))
def zscore(bars: Bars, period: int) -> Array:
    """The close's distance from its average in population standard deviations."""
    return f.zscore(bars.close, period)


@register("atr", "Average true range", pane="own", period=_period(14, 1))
def atr(bars: Bars, period: int) -> Array:
    """Wilder's average of the true range, in price units."""
    return f.atr(bars.high, bars.low, bars.close, period)


@register("adx", "Average directional index", outputs=("adx", "plus_di", "minus_di"), pane="own", period=_period(14))
def adx(bars: Bars, period: int) -> tuple[Array, ...]:
    """Strength of a trend, 0..100, and the two directional indicators it is made of."""
    return f.adx(bars.high, bars.low, bars.close, period)


@register(
    "stochastic",
    "Stochastic",
    outputs=("k", "d"),
    pane="own",
    period=_period(14, 1),
    k=_period(3, 1),
    d=_period(3, 1),
)
def stochastic(bars: Bars, period: int, k: int, d: int) -> tuple[Array, ...]:
    """The close's place in the recent range, 0..100, and its average."""
    return f.stochastic(bars.high, bars.low, bars.close, period, k, d)


@register("volume_sma", "Average volume", pane="own", period=_period(20, 1))
def volume_sma(bars: Bars, period: int) -> Array:
    """Mean volume of the last `period` bars."""
    return f.sma(bars.volume, period)


@register("obv", "On-balance volume", pane="own")
def obv(bars: Bars) -> Array:
    """Volume summed with the sign of each bar's change of close."""
    return f.obv(bars.close, bars.volume)


@register("net_flow", "Net flow", pane="own", period=_period(20, 1))
def net_flow(bars: Bars, period: int) -> Array:
    """Volume of rising bars minus volume of falling bars, over `period` bars."""
    return f.net_flow(bars.close, bars.volume, period)


@register("vwap", "Volume-weighted average price")
def vwap(bars: Bars) -> Array:
    """Average price paid since the start of the trading day."""
    return f.vwap(bars.high, bars.low, bars.close, bars.volume, bars.trading_day)


@register("donchian", "Donchian channel", outputs=("upper", "middle", "lower"), period=_period(20, 1))
def donchian(bars: Bars, period: int) -> tuple[Array, ...]:
    """Highest high and lowest low of the last `period` bars, and the middle."""
    return f.donchian(bars.high, bars.low, period)


@register("momentum", "Momentum", pane="own", period=_period(10, 1))
def momentum(bars: Bars, period: int) -> Array:
    """Change of the close over `period` bars, in price units."""
    return f.momentum(bars.close, period)


@register("roc", "Rate of change", pane="own", period=_period(10, 1))
def roc(bars: Bars, period: int) -> Array:
    """Change of the close over `period` bars, in percent."""
    return f.roc(bars.close, period)


@register("returns", "Returns", pane="own", period=_period(1, 1))
def returns(bars: Bars, period: int) -> Array:
    """Simple return of the close over `period` bars, a ratio."""
    return f.returns(bars.close, period)


@register("volatility", "Volatility", pane="own", period=_period(20))
def volatility(bars: Bars, period: int) -> Array:
    """Sample standard deviation of one-bar returns, a ratio per bar."""
    return f.volatility(bars.close, period)
