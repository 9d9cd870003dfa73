"""A small maker of markets, known to the hosts of tests only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.base import register
from strategies.panel import Panel, PanelStrategy


class MadeQuotes(PanelStrategy):
    """Quotes both sides of a rounded price; now and then it says nothing, and sometimes it withdraws."""

    slug, label, kind = "made_quotes", "Made quotes", "benchmark"
    listed, together = False, False
    least, most = 1, 5

    def warmup(self) -> int:
        return 3

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        from engine.types import SIGNAL

        answers = {}
        for symbol in panel.symbols:
            rows = np.zeros(len(panel), SIGNAL)
            for name in (SIGNAL.names or ())[1:]:
                rows[name] = np.nan
            fair = np.round(panel.column(symbol, "close"))
            n = np.arange(len(panel))
            stated = (n >= 2) & (n % 5 != 4)
            rows["confidence"] = 1.0
            rows["bid_px"] = np.where(stated, fair - 0.5, np.nan)
            rows["ask_px"] = np.where(stated, fair + 0.5, np.nan)
            units = np.where(n % 20 < 10, 40.0, 30.0)
            rows["quote_qty"] = np.where(stated, np.where(n % 23 == 7, 0.0, units), np.nan)
            answers[symbol] = rows
        return answers


def known() -> None:
    """Makes it selectable by its slug, in this process."""
    register(MadeQuotes)
