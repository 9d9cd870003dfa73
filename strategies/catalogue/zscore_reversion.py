"""Mean reversion on the z-score, with an exit before the mean is reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import crosses_above
from strategies.indicators import functions as f
from strategies.params import FloatParam, IntParam

if TYPE_CHECKING:
    from engine import Bars


@register
class ZScoreReversion(Strategy):
    """Buy when the close is many standard deviations below its average; sell when it has come back near to it.

    The distance is the z-score, with the population standard deviation. It is long only: its sell is an exit, given on
    the bar on which the z-score rises back through the exit level.
    """

    slug, label, kind = "zscore_reversion", "Z-score reversion", "mean_reversion"
    allows_short = False
    lookback = IntParam(20, min=2, max=500, unit="bars", help="Bars in the average and the deviation")
    entry_z = FloatParam(
        2.0, min=0.1, max=10, step=0.1, unit="σ", label="Entry z", help="Buy this far below the average"
    )
    exit_z = FloatParam(0.5, min=0, max=10, step=0.1, unit="σ", label="Exit z", help="Sell this near to the average")

    line_info = {"zscore": Line("Z-score", "own")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        if values["exit_z"] >= values["entry_z"]:
            message = (
                f"The exit ({values['exit_z']:g}) must be nearer to the average than the entry ({values['entry_z']:g})."
            )
            yield Fault("exit_z", "conflict", message, f"Below {values['entry_z']:g}.")

    def warmup(self) -> int:
        return self.lookback

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        return {"zscore": f.zscore(bars.close, self.lookback)}

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        z = self.lines(bars)["zscore"]
        return votes(z <= -self.entry_z, crosses_above(z, -self.exit_z))

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        z = self.lines(bars)["zscore"]
        # An exit is certain: it asks for less risk, not more.
        return np.where(z <= -self.entry_z, beyond(np.abs(z), self.entry_z), 1.0)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        if not np.isfinite(at["zscore"]):
            return "The closes of the window are all equal, so there is no z-score."
        verdict = {
            "BUY": f"at least {self.entry_z:g} deviations below the average",
            "SELL": f"risen back through {-self.exit_z:g}",
            "HOLD": "neither an entry nor an exit",
        }[action]
        return f"The close is {at['zscore']:+.2f} deviations from its {self.lookback}-bar average: {verdict}."
