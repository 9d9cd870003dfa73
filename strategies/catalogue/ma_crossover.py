"""Moving-average crossover."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import crosses_above, crosses_below
from strategies.indicators import functions as f
from strategies.params import ChoiceParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


@register
class MACrossover(Strategy):
    """Buy on the bar on which the fast average crosses above the slow one; sell on the bar on which it crosses below.

    Only the crossing bar signals. A crossing that leaves the averages closer together than the minimum strength is
    passed over, in both directions; set it to 0 to take every crossing.
    """

    slug, label, kind = "ma_crossover", "Moving-average crossover", "trend"
    fast_window = IntParam(10, min=1, max=1_000, unit="bars", help="Bars in the fast average")
    slow_window = IntParam(30, min=2, max=2_000, unit="bars", help="Bars in the slow average")
    ma_type = ChoiceParam(
        "SMA", choices=[("SMA", "Simple"), ("EMA", "Exponential")], label="Average", help="Kind of average"
    )
    min_strength_threshold = RatioParam(
        0.001,
        min=0,
        max=0.5,
        step=0.0005,
        label="Minimum strength",
        help="Least distance of the two averages on the crossing bar, as a ratio of the slow one",
    )

    line_info = {"fast": Line("Fast average"), "slow": Line("Slow average")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        fast, slow = values["fast_window"], values["slow_window"]
        if fast >= slow:
            message = f"The fast window ({fast}) must be shorter than the slow one ({slow})."
            yield Fault("fast_window", "conflict", message, f"Below {slow}.")

    def warmup(self) -> int:
        return self.slow_window + 1

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        return {
            "fast": f.moving_average(bars.close, self.fast_window, self.ma_type),
            "slow": f.moving_average(bars.close, self.slow_window, self.ma_type),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        lines = self.lines(bars)
        fast, slow = lines["fast"], lines["slow"]
        signals = votes(crosses_above(fast, slow), crosses_below(fast, slow))
        if self.min_strength_threshold > 0:
            # Only the few crossing bars are measured.
            crossings = np.flatnonzero(signals != 0)
            weak = _strength(fast[crossings], slow[crossings]) < self.min_strength_threshold
            signals[crossings[weak]] = 0
        return signals

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        return beyond(_strength(*self.lines(bars).values()), self.min_strength_threshold)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        names = (
            f"{self.fast_window}-bar average ({at['fast']:.2f}) and {self.slow_window}-bar average ({at['slow']:.2f})"
        )
        apart = abs(at["fast"] / at["slow"] - 1)
        if action == "HOLD":
            return f"The {names} did not cross on this bar, or by less than {self.min_strength_threshold:.2%}."
        direction = "above" if action == "BUY" else "below"
        return f"Of the {names}, the fast one crossed {direction} the slow one; they are {apart:.2%} apart."


def _strength(fast: NDArray[np.float64], slow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the averages as a ratio of the slow one."""
    return np.abs(fast - slow) / slow
