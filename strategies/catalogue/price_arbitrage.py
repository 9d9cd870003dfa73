"""Cross-venue price arbitrage: one instrument at two prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import BUY, EXIT_LONG, EXIT_SHORT, SELL, Action, Exits, Line, beyond, register
from strategies.panel import Array, Panel, PanelStrategy
from strategies.params import FloatParam, IntParam, PctParam

# Rounding of a weight must not make one leg a whole unit smaller where both would come out at a round number.
_NUDGE = 1.0 + 1e-9


@register
class PriceArbitrage(PanelStrategy):
    """Buy the cheap one and sell the dear one of two symbols that are the same instrument at two venues, when the gap
    between their closes is wider than what trading it costs; close both when the gap has closed.

    The gap is the first price over the second, minus 1, in basis points. It enters when the gap is at least the costs
    (your estimate of what both legs cost, in and out together) plus the threshold (what should be left), and closes
    when the gap is back to nothing, has turned round, or has been open for too long. Each opening of the gap is entered
    once: the next entry waits until the gap has been closed.

    Both legs have the same number of units and are one trade: both are placed, or neither. The dearer leg is a share
    of equity; this takes the place of the run's sizing, and a cap that cuts one leg does not cut the other. A bar that
    one of the two lacks is left out. Selling short must be allowed in the settings.

    What bars cannot show: the two closes of a bar are the last trades of its time, up to a bar's length apart, and the
    orders meet the next open. A gap between stale prices looks like any other, so use short bars, and count the
    spread and the slippage of both venues into the costs.
    """

    slug, label, kind = "price_arbitrage", "Cross-venue price arbitrage", "arbitrage"
    roles = "Both are one instrument, from two venues or feeds."
    unseen = (
        "The two closes of a bar are the last trades of its time and need not be of one moment: a gap between stale "
        "prices looks like one that could be traded."
    )
    depends_on = ("strategies.panel",)

    cost_bps = FloatParam(10.0, min=0, max=1000, step=1, unit="bp", label="Costs", help="Of both legs, in and out")
    threshold_bps = FloatParam(
        5.0, min=0.1, max=1000, step=1, unit="bp", label="Threshold", help="What should be left after costs"
    )
    close_bps = FloatParam(0.0, min=0, max=1000, step=0.5, unit="bp", label="Closed at", help="A gap that is none")
    max_bars = IntParam(60, min=1, max=10_000, unit="bars", label="Longest", help="Close after so many bars")
    leg_pct = PctParam(20.0, min=0.1, max=100, step=1, label="Dearer leg", help="Its size in percent of equity")

    line_info = {"gap_bps": Line("Gap, basis points", "own")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        level = values["cost_bps"] + values["threshold_bps"]
        if values["close_bps"] >= level:
            message = f"The gap would be closed ({values['close_bps']:g} bp) where it is entered ({level:g} bp)."
            yield Fault("close_bps", "conflict", message, f"Below {level:g}.")

    def warmup(self) -> int:
        return 1

    def panel_lines(self, panel: Panel, symbol: str) -> dict[str, Array]:
        return {"gap_bps": panel.spread(panel.once(self._gap))}

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        rows, gap = panel.shared, panel.once(self._gap)
        entered, left = self._trades(gap)
        closes = [panel.column(symbol, "close")[rows] for symbol in panel.symbols]
        dearer = np.maximum(*closes)
        level = self.cost_bps + self.threshold_bps
        signals = panel.silent()
        for symbol, close, side in zip(panel.symbols, closes, (1, -1), strict=True):
            code = np.zeros(len(rows), np.int8)
            code[entered * side > 0], code[entered * side < 0] = BUY, SELL
            code[left * side > 0], code[left * side < 0] = EXIT_LONG, EXIT_SHORT
            spoken = code != 0
            weight = np.where(entered != 0, self.leg_pct / 100.0 * _NUDGE * close / dearer * np.sign(code), 0.0)
            said = signals[symbol]
            said["action"][rows] = code
            said["confidence"][rows[spoken]] = np.where(entered != 0, beyond(np.abs(gap), level), 1.0)[spoken]
            said["target_weight"][rows[spoken]] = weight[spoken]
        return signals

    def panel_reason(self, symbol: str, action: Action, exits: Exits, at: Mapping[str, float]) -> str:
        if exits:
            verdict = "closed or too old, so both legs are closed"
        else:
            level = f"{self.cost_bps + self.threshold_bps:g}"
            verdict = {
                "BUY": f"at least {level}, and this is the cheap one",
                "SELL": f"at least {level}, and this is the dear one",
                "HOLD": f"nothing to do; it enters once from {level} on",
            }[action]
        return f"The first price is {at['gap_bps']:+.1f} basis points away from the second: {verdict}."

    # --- what it is read from: one value a complete row ---------------------------------------------------------------

    def _gap(self, panel: Panel) -> Array:
        first, second = (panel.column(symbol, "close")[panel.shared] for symbol in panel.symbols)
        gap: Array = (first / second - 1.0) * 10_000.0
        return gap

    def _trades(self, gap: Array) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """(entered, left), one a row: the side of the first leg that is opened, or closed; 0 elsewhere."""
        entered, left = np.zeros(len(gap), np.int8), np.zeros(len(gap), np.int8)
        level = self.cost_bps + self.threshold_bps
        side, since, waits = 0, 0, 0
        for row, value in enumerate(gap.tolist()):
            if waits * value >= -self.close_bps:
                waits = 0
            if side:
                closed = side * value >= -self.close_bps
                if closed or row - since >= self.max_bars:
                    left[row] = side
                    side, waits = 0, 0 if closed else side
            elif not waits and abs(value) >= level:
                side, since = (1, row) if value < 0 else (-1, row)
                entered[row] = side
        return entered, left
