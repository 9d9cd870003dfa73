"""Breakout from a price channel, confirmed by time and volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import functions as f
from strategies.params import FloatParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


@register
class Breakout(Strategy):
    """Buy when closes stay above the resistance on enough volume; sell when they stay below the support.

    Resistance and support are the highest high and the lowest low of the bars before the move. Every close of the
    confirmation period must lie beyond the level by the threshold, and the volume of that period must be large beside
    that of the bars before it. A volume ratio of 0 leaves volume out, which data without volume needs.
    """

    slug, label, kind = "breakout", "Breakout", "breakout"
    lookback_window = IntParam(20, min=2, max=1_000, unit="bars", help="Bars that make support and resistance")
    breakout_threshold = RatioParam(
        0.01, min=0, max=0.5, step=0.0025, help="Least distance beyond the level, as a ratio"
    )
    min_volume_ratio = FloatParam(
        1.5, min=0, max=100, step=0.1, unit="×", help="Least volume of the move, relative to the lookback; 0: any"
    )
    confirmation_period = IntParam(1, min=1, max=50, unit="bars", help="Closes in a row that must lie beyond the level")

    line_info = {
        "resistance": Line("Resistance"),
        "support": Line("Support"),
        "volume_ratio": Line("Volume ratio", "own"),
    }

    def warmup(self) -> int:
        return self.lookback_window + self.confirmation_period

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        lookback, move = self.lookback_window, self.confirmation_period
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = f.sma(bars.volume, move) / _before(f.sma(bars.volume, lookback), move)
        return {
            "resistance": _before(f.highest(bars.high, lookback), move),
            "support": _before(f.lowest(bars.low, lookback), move),
            "volume_ratio": ratio,
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        resistance, support, ratio = self.lines(bars).values()
        up, down = self._levels(resistance, support)
        # NaN, where the lookback traded nothing, is no confirmation.
        heavy = ratio >= self.min_volume_ratio if self.min_volume_ratio > 0 else np.ones(len(bars), bool)
        return votes(
            (f.lowest(bars.close, self.confirmation_period) > up) & heavy,
            (f.highest(bars.close, self.confirmation_period) < down) & heavy,
        )

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        resistance, support, _ = self.lines(bars).values()
        with np.errstate(invalid="ignore"):
            past = np.maximum(bars.close / resistance - 1, 1 - bars.close / support)
        return beyond(np.maximum(past, 0), self.breakout_threshold)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        volume = f"volume {at['volume_ratio']:.2f}× the usual" if np.isfinite(at["volume_ratio"]) else "no usual volume"
        channel = f"support {at['support']:.2f} and resistance {at['resistance']:.2f} of {self.lookback_window} bars"
        verdict = {
            "BUY": f"above the resistance by more than {self.breakout_threshold:.2%}",
            "SELL": f"below the support by more than {self.breakout_threshold:.2%}",
            "HOLD": "no confirmed breakout",
        }[action]
        return f"The close {at['close']:.2f} against {channel}, with {volume}: {verdict}."

    def _levels(
        self, resistance: NDArray[np.float64], support: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return resistance * (1 + self.breakout_threshold), support * (1 - self.breakout_threshold)


def _before(values: NDArray[np.float64], bars: int) -> NDArray[np.float64]:
    """The values as they stood `bars` bars earlier; NaN where there was none."""
    earlier = np.full(len(values), np.nan)
    earlier[bars:] = values[: max(len(values) - bars, 0)]
    return earlier
