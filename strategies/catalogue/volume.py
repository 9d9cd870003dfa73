"""Unusual volume that the price confirms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import flow
from strategies.indicators import functions as f
from strategies.params import FloatParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


@register
class VolumeSurge(Strategy):
    """Buy when a bar rises on unusual volume while volume has been going into the symbol; sell on the mirror image.

    Unusual: at least the surge ratio times the mean volume of the bars before. Going in: on-balance volume is above
    its own average. Confirmed: the close has changed by the least change since the bar before, in the same direction.
    Bars without volume give no signal.
    """

    slug, label, kind = "volume_surge", "Volume surge", "volume"
    volume_window = IntParam(20, min=2, max=1_000, unit="bars", help="Bars that make the usual volume")
    surge_ratio = FloatParam(2.0, min=1, max=100, step=0.1, unit="×", help="Least volume, relative to the usual one")
    obv_window = IntParam(
        20, min=2, max=1_000, unit="bars", label="OBV window", help="Bars in the average of on-balance volume"
    )
    min_change = RatioParam(0.005, min=0, max=0.5, step=0.0025, help="Least change of the close, as a ratio")

    line_info = {
        "volume_ratio": Line("Relative volume", "own"),
        "obv": Line("On-balance volume", "own"),
        "obv_average": Line("Its average", "own"),
        "change": Line("Change", "own"),
    }

    def warmup(self) -> int:
        return max(self.volume_window + 1, self.obv_window)

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        obv = f.obv(bars.close, bars.volume)
        return {
            "volume_ratio": flow.volume_ratio(bars.volume, self.volume_window),
            "obv": obv,
            "obv_average": f.sma(obv, self.obv_window),
            "change": f.returns(bars.close, 1),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        ratio, obv, average, change = self.lines(bars).values()
        surge = ratio >= self.surge_ratio
        return votes(
            surge & (obv > average) & (change > 0) & (change >= self.min_change),
            surge & (obv < average) & (change < 0) & (change <= -self.min_change),
        )

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        ratio = flow.volume_ratio(bars.volume, self.volume_window)
        return 0.5 + beyond(np.maximum(ratio - self.surge_ratio, 0), self.surge_ratio) / 2

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        volume = f"{at['volume_ratio']:.2f}× the usual" if np.isfinite(at["volume_ratio"]) else "no usual volume"
        side = "above" if at["obv"] > at["obv_average"] else "not above"
        verdict = {
            "BUY": f"a surge of at least {self.surge_ratio:g}× that the price confirms",
            "SELL": f"a surge of at least {self.surge_ratio:g}× that the fall confirms",
            "HOLD": "no confirmed surge",
        }[action]
        return f"Volume {volume}, on-balance volume {side} its average, close {at['change']:+.2%}: {verdict}."
