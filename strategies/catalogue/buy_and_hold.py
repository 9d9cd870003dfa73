"""Buy and hold: what every other strategy has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import BUY, Action, Strategy, register

if TYPE_CHECKING:
    from engine import Bars


@register
class BuyAndHold(Strategy):
    """Buy as soon as the settings allow it and never sell.

    It says BUY on every bar; while a position is open that changes nothing, and if a stop or a target closes the
    position it is opened again.
    """

    slug, label, kind = "buy_and_hold", "Buy and hold", "benchmark"
    allows_short = False

    def warmup(self) -> int:
        return 1

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        return np.full(len(bars), BUY, np.int8)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        return "Buy and hold wants to be in the market on every bar."
