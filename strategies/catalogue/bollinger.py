"""Bollinger bands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import functions as f
from strategies.params import ChoiceParam, FloatParam, IntParam

if TYPE_CHECKING:
    from engine import Bars


@register
class Bollinger(Strategy):
    """Buy when the close is at or below the lower band; sell when it is at or above the upper one.

    The bands lie some population standard deviations to each side of a moving average. Bands of no width, in a market
    that did not move, signal nothing.
    """

    slug, label, kind = "bollinger", "Bollinger bands", "mean_reversion"
    window = IntParam(20, min=2, max=500, unit="bars", help="Bars in the average and the deviation")
    multiplier = FloatParam(2.0, min=0.1, max=10, step=0.1, unit="σ", help="Standard deviations to each side")
    ma_type = ChoiceParam(
        "SMA", choices=[("SMA", "Simple"), ("EMA", "Exponential")], label="Average", help="Kind of average"
    )

    line_info = {"upper": Line("Upper band"), "middle": Line("Average"), "lower": Line("Lower band")}

    def warmup(self) -> int:
        return self.window

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        upper, middle, lower = f.bollinger(bars.close, self.window, self.multiplier, self.ma_type)
        return {"upper": upper, "middle": middle, "lower": lower}

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        upper, _, lower = self.lines(bars).values()
        open_bands = upper > lower
        return votes((bars.close <= lower) & open_bands, (bars.close >= upper) & open_bands)

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        upper, middle, _ = self.lines(bars).values()
        with np.errstate(invalid="ignore", divide="ignore"):
            deviations = np.abs(bars.close - middle) / (upper - middle)
        return beyond(deviations, 1.0)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        place = {"BUY": "at or below the lower", "SELL": "at or above the upper", "HOLD": "between the"}[action]
        return f"The close {at['close']:.2f} is {place} band ({at['lower']:.2f} to {at['upper']:.2f})."
