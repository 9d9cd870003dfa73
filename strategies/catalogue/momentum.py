"""Momentum, kept from buying what is overbought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import functions as f
from strategies.params import FloatParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


@register
class Momentum(Strategy):
    """Buy when the price has risen by the threshold and the RSI is not overbought; sell on the mirror image.

    A rise that the RSI already calls overbought is not bought, a fall that it calls oversold is not sold.
    """

    slug, label, kind = "momentum", "Momentum", "momentum"
    rsi_window = IntParam(14, min=2, max=500, unit="bars", label="RSI window", help="Bars in the RSI")
    rsi_overbought = FloatParam(70, min=50, max=100, step=1, label="RSI overbought", help="No buying at or above this")
    rsi_oversold = FloatParam(30, min=0, max=50, step=1, label="RSI oversold", help="No selling at or below this")
    momentum_window = IntParam(10, min=1, max=500, unit="bars", help="Bars over which the change is taken")
    momentum_threshold = RatioParam(0.02, min=0, max=1, step=0.005, help="Least change, as a ratio")

    line_info = {"rsi": Line("RSI", "own"), "change": Line("Change", "own")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        yield from levels_in_order(values)

    def warmup(self) -> int:
        return max(self.rsi_window, self.momentum_window) + 1

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        return {
            "rsi": f.rsi(bars.close, self.rsi_window),
            "change": f.returns(bars.close, self.momentum_window),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        rsi, change = self.lines(bars).values()
        threshold = self.momentum_threshold
        return votes(
            (change > 0) & (change >= threshold) & (rsi < self.rsi_overbought),
            (change < 0) & (change <= -threshold) & (rsi > self.rsi_oversold),
        )

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        return beyond(np.abs(f.returns(bars.close, self.momentum_window)), self.momentum_threshold)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        verdict = {
            "BUY": f"a rise of at least {self.momentum_threshold:.2%} that is not overbought ({self.rsi_overbought:g})",
            "SELL": f"a fall of at least {self.momentum_threshold:.2%} that is not oversold ({self.rsi_oversold:g})",
            "HOLD": "neither a buy nor a sell",
        }[action]
        return (
            f"Changed {at['change']:+.2%} over {self.momentum_window} bars with an RSI of {at['rsi']:.1f}: {verdict}."
        )


def levels_in_order(values: Mapping[str, Any]) -> Iterable[Fault]:
    """The fault of RSI levels that leave nothing between them."""
    if values["rsi_oversold"] >= values["rsi_overbought"]:
        message = f"RSI oversold ({values['rsi_oversold']:g}) must be below overbought ({values['rsi_overbought']:g})."
        yield Fault("rsi_oversold", "conflict", message, f"Below {values['rsi_overbought']:g}.")
