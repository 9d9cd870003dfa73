"""The shipped indicators of liquidity, volume and order blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.indicators import flow
from strategies.indicators.blocks import order_blocks as blocks
from strategies.indicators.functions import Array
from strategies.indicators.registry import register
from strategies.params import FloatParam, IntParam

if TYPE_CHECKING:
    from engine import Bars


def _period(default: int, least: int = 1, help: str = "Bars looked at") -> IntParam:
    return IntParam(default, min=least, max=5_000, unit="bars", help=help)


@register("illiquidity", "Illiquidity (Amihud)", pane="own", period=_period(20))
def illiquidity(bars: Bars, period: int) -> Array:
    """Mean of |return| ÷ traded value: how far a million of the currency moves the price, a ratio (Amihud 2002)."""
    return flow.illiquidity(bars.close, bars.volume, period)


@register("high_low_spread", "Estimated spread", pane="own", period=_period(20))
def high_low_spread(bars: Bars, period: int) -> Array:
    """Bid-ask spread as a ratio of the price, estimated from highs and lows (Corwin and Schultz 2012)."""
    return flow.high_low_spread(bars.high, bars.low, bars.close, period)


@register("flow_ratio", "Net flow ratio", pane="own", period=_period(20))
def flow_ratio(bars: Bars, period: int) -> Array:
    """Net flow as a share of all volume, -1 to 1."""
    return flow.flow_ratio(bars.close, bars.volume, period)


@register("volume_ratio", "Relative volume", pane="own", period=_period(20))
def volume_ratio(bars: Bars, period: int) -> Array:
    """Volume relative to the mean of the `period` bars before it."""
    return flow.volume_ratio(bars.volume, period)


@register("traded_value", "Traded value", pane="own", period=_period(20))
def traded_value(bars: Bars, period: int) -> Array:
    """Mean of close × volume, in the currency of the prices."""
    return flow.traded_value(bars.close, bars.volume, period)


@register(
    "order_blocks",
    "Order blocks",
    outputs=("demand_low", "demand_high", "supply_low", "supply_high", "returned"),
    lookback=_period(20, 2, "Bars whose high or low the move must break"),
    impulse_atr=FloatParam(2.0, min=0.1, max=20, step=0.1, unit="× ATR", help="Least size of the move"),
    impulse_bars=IntParam(3, min=1, max=50, unit="bars", help="Longest move"),
    atr_period=_period(14, 1, "Bars in the average true range"),
)
def order_blocks(
    bars: Bars, lookback: int, impulse_atr: float, impulse_bars: int, atr_period: int
) -> tuple[Array, ...]:
    """Range of the last opposite bar before a move that breaks the recent high or low, until the price is back in it.

    `returned` is 1 on the bar that comes back into a demand zone, -1 into a supply zone, else 0.
    """
    return blocks(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        lookback=lookback,
        impulse_atr=impulse_atr,
        impulse_bars=impulse_bars,
        atr_period=atr_period,
    )
