"""A strategy of one's own that waits while a file exists, so that passports can be met half-way (METRIC_MODULES)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine import Bars
from strategies.base import register
from strategies.catalogue.ma_crossover import MACrossover


@register
class HeldCrossover(MACrossover):
    """A moving-average crossover that takes its time with every other window than the one that it is asked about."""

    slug, label, listed = "held_crossover", "Held crossover", False

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        while self.fast_window != 10 and Path(os.environ["HOLD_FILE"]).exists():
            time.sleep(0.02)
        return super().lines(bars)
