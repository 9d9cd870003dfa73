"""Follow the flow of money, where the market is liquid enough to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import flow
from strategies.params import FloatParam, IntParam, MoneyParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


@register
class Liquidity(Strategy):
    """Buy when the market is liquid and volume flows in; sell when it is liquid and volume flows out.

    Flow is the volume of rising bars minus that of falling ones as a share of all volume, -1 to 1.

    Liquid means three things at once. The spread, estimated from highs and lows (Corwin and Schultz 2012), is no wider
    than the maximum. Illiquidity, the mean of |return| ÷ traded value (Amihud 2002), is at most so many times its own
    mean of the longer window. And the mean traded value is at least the minimum. Bars without volume are never liquid.
    """

    slug, label, kind = "liquidity", "Liquidity", "liquidity"
    window = IntParam(20, min=2, max=1_000, unit="bars", help="Bars over which flow, spread and traded value are taken")
    flow_threshold = RatioParam(0.2, min=0.01, max=1, step=0.05, help="Least net flow, as a share of all volume")
    max_spread = RatioParam(0.01, min=0.0001, max=0.5, step=0.001, help="Widest estimated spread, as a ratio")
    usual_window = IntParam(100, min=2, max=5_000, unit="bars", help="Bars that make the usual illiquidity")
    max_illiquidity = FloatParam(
        1.5, min=0.1, max=100, step=0.1, unit="×", help="Most illiquidity, relative to the usual one"
    )
    min_traded_value = MoneyParam(0, min=0, max=1e12, help="Least mean value traded in a bar; 0: any")

    line_info = {
        "flow": Line("Net flow", "own"),
        "spread": Line("Estimated spread", "own"),
        "illiquidity": Line("Relative illiquidity", "own"),
        "traded_value": Line("Traded value", "own"),
    }

    def warmup(self) -> int:
        return max(self.window, self.usual_window) + 1

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        close, volume = bars.close, bars.volume
        usual = flow.illiquidity(close, volume, self.usual_window)
        relative = np.full(len(bars), np.nan)
        np.divide(flow.illiquidity(close, volume, self.window), usual, out=relative, where=usual > 0)
        return {
            "flow": flow.flow_ratio(close, volume, self.window),
            "spread": flow.high_low_spread(bars.high, bars.low, close, self.window),
            "illiquidity": relative,
            "traded_value": flow.traded_value(close, volume, self.window),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        net, spread, illiquidity, value = self.lines(bars).values()
        # NaN, where nothing was traded, is not liquid.
        liquid = (spread <= self.max_spread) & (illiquidity <= self.max_illiquidity) & (value >= self.min_traded_value)
        return votes(liquid & (net >= self.flow_threshold), liquid & (net <= -self.flow_threshold))

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        return beyond(np.abs(flow.flow_ratio(bars.close, bars.volume, self.window)), self.flow_threshold)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        if not np.isfinite(at["flow"]) or not np.isfinite(at["illiquidity"]):
            return "Nothing was traded, so it is not liquid."
        verdict = {
            "BUY": "liquid, and volume flows in",
            "SELL": "liquid, and volume flows out",
            "HOLD": "not liquid enough, or no clear flow",
        }[action]
        return (
            f"Net flow {at['flow']:+.0%} of {self.window} bars' volume (at least {self.flow_threshold:.0%}), estimated "
            f"spread {at['spread']:.2%} (at most {self.max_spread:.2%}), "
            f"illiquidity {at['illiquidity']:.2f}× the usual "
            f"(at most {self.max_illiquidity:g}×), traded value {at['traded_value']:,.0f} "
            f"(at least {self.min_traded_value:,.0f}): {verdict}."
        )
