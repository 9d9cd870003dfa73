"""Mean reversion on two witnesses: RSI and Bollinger bands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.catalogue.momentum import levels_in_order
from strategies.indicators import functions as f
from strategies.params import FloatParam, IntParam

if TYPE_CHECKING:
    from engine import Bars


@register
class RSIBollinger(Strategy):
    """Buy when the RSI is oversold and the close is at or below the lower band; sell when both say the opposite."""

    slug, label, kind = "rsi_bollinger", "RSI + Bollinger", "mean_reversion"
    rsi_window = IntParam(14, min=2, max=500, unit="bars", label="RSI window", help="Bars in the RSI")
    rsi_oversold = FloatParam(30, min=0, max=100, step=1, label="RSI oversold", help="Buy below this")
    rsi_overbought = FloatParam(70, min=0, max=100, step=1, label="RSI overbought", help="Sell above this")
    window = IntParam(20, min=2, max=500, unit="bars", label="Band window", help="Bars in the bands")
    multiplier = FloatParam(2.0, min=0.1, max=10, step=0.1, unit="σ", help="Standard deviations to each side")

    line_info = {"upper": Line("Upper band"), "lower": Line("Lower band"), "rsi": Line("RSI", "own")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        yield from levels_in_order(values)

    def warmup(self) -> int:
        return max(self.rsi_window + 1, self.window)

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        upper, _, lower = f.bollinger(bars.close, self.window, self.multiplier)
        return {"upper": upper, "lower": lower, "rsi": f.rsi(bars.close, self.rsi_window)}

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        upper, lower, rsi = self.lines(bars).values()
        return votes(
            (rsi < self.rsi_oversold) & (bars.close <= lower),
            (rsi > self.rsi_overbought) & (bars.close >= upper),
        )

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        rsi = f.rsi(bars.close, self.rsi_window)
        past = np.maximum(self.rsi_oversold - rsi, rsi - self.rsi_overbought)
        # Ten points of RSI beyond the level make a confidence of one half.
        return beyond(np.maximum(past, 0), 10.0)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        verdict = {
            "BUY": f"oversold (below {self.rsi_oversold:g}) and at the lower band",
            "SELL": f"overbought (above {self.rsi_overbought:g}) and at the upper band",
            "HOLD": "the two do not agree on an extreme",
        }[action]
        bands = f"bands {at['lower']:.2f} to {at['upper']:.2f}"
        return f"RSI {at['rsi']:.1f}, close {at['close']:.2f} against {bands}: {verdict}."
