"""Mean reversion: distance from a moving average."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import functions as f
from strategies.params import IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


@register
class MeanReversion(Strategy):
    """Buy when the close is a threshold below its moving average; sell when it is as far above.

    It signals on every bar of such a state, not only on the first.
    """

    slug, label, kind = "mean_reversion", "Mean reversion", "mean_reversion"
    window = IntParam(20, min=2, max=500, unit="bars", help="Bars in the moving average")
    threshold = RatioParam(0.05, min=0.001, max=0.5, step=0.005, help="Distance from the average, as a ratio")

    line_info = {"average": Line("Average"), "buy_level": Line("Buy below"), "sell_level": Line("Sell above")}

    def warmup(self) -> int:
        return self.window

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        average = f.sma(bars.close, self.window)
        return {
            "average": average,
            "buy_level": average * (1 - self.threshold),
            "sell_level": average * (1 + self.threshold),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        lines = self.lines(bars)
        return votes(bars.close <= lines["buy_level"], bars.close >= lines["sell_level"])

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        return beyond(np.abs(bars.close / f.sma(bars.close, self.window) - 1), self.threshold)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        away = at["close"] / at["average"] - 1
        side = "below" if away < 0 else "above"
        verdict = {"BUY": "far enough to buy", "SELL": "far enough to sell", "HOLD": "not far enough"}[action]
        return (
            f"The close {at['close']:.2f} is {abs(away):.2%} {side} its {self.window}-bar average {at['average']:.2f}: "
            f"{verdict} (threshold {self.threshold:.2%})."
        )
