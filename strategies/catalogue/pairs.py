"""Pairs trading: two symbols that move together, bought and sold against each other when they part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import BUY, EXIT, EXIT_LONG, EXIT_SHORT, SELL, Action, Exits, Line, beyond, register
from strategies.cointegration import engle_granger
from strategies.panel import Array, Panel, PanelStrategy
from strategies.params import ChoiceParam, FloatParam, IntParam, PctParam, RatioParam
from strategies.rolling import moments, slope, spread_zscore


@register
class Pairs(PanelStrategy):
    """Buy the first symbol and sell the second when the spread between them is far below its average; the other way
    round when it is far above; close both when it has come back.

    The spread is the first minus the hedge ratio times the second. The ratio is that of the least-squares line through
    the bars looked back on, of log prices (it hedges money: a ratio of 1.2 sells 1.20 for each 1.00 bought) or of
    prices (it hedges units). The z-score measures the spread at this bar's ratio over the bars of the z window, in
    population standard deviations.

    It enters only while the two are cointegrated: Engle and Granger's test over the same bars as the ratio, made anew
    every so many bars, must find a p-value low enough (MacKinnon's). A pair that is open stays open when the test fails
    later. It enters on every bar on which the z-score is beyond the entry, and only at a ratio above 0.
    Beyond the stop both are closed, and nothing is entered until the spread has come back to the exit level.

    Both legs are one trade: both are placed, or neither. The larger leg is a share of equity, the other follows the
    hedge ratio; these sizes take the place of the run's sizing, and a cap that cuts one leg does not cut the other. A
    bar that one of the two symbols lacks is left out. Selling short must be allowed in the settings.
    """

    slug, label, kind = "pairs", "Pairs trading", "arbitrage"
    roles = "The hedge ratio says how much of the second stands against the first."
    depends_on = ("strategies.panel", "strategies.rolling", "strategies.cointegration")

    lookback = IntParam(120, min=30, max=2000, unit="bars", help="Bars in the hedge ratio and in the test")
    z_window = IntParam(60, min=5, max=2000, unit="bars", label="Z window", help="Bars in the z-score of the spread")
    entry_z = FloatParam(2.0, min=0.1, max=10, step=0.1, unit="σ", label="Entry z", help="Enter this far out")
    exit_z = FloatParam(0.5, min=0, max=10, step=0.1, unit="σ", label="Exit z", help="Close this near to the average")
    stop_z = FloatParam(
        None, min=0.1, max=20, step=0.1, unit="σ", label="Stop z", help="Close at a loss this far out; empty: never"
    )
    prices = ChoiceParam(
        "log", choices=[("log", "Log prices"), ("price", "Prices")], help="What the ratio and the spread are made of"
    )
    max_p = RatioParam(
        0.1, min=0, max=1, step=0.01, label="Most p", help="No entries while the test's p-value is above; 0: no test"
    )
    test_every = IntParam(20, min=1, max=1000, unit="bars", help="How often the test is made anew")
    lags = IntParam(
        None, min=0, max=12, unit="bars", help="Lagged changes in the test; empty: as many as Akaike's criterion says"
    )
    leg_pct = PctParam(20.0, min=0.1, max=100, step=1, label="Larger leg", help="Its size in percent of equity")

    line_info = {
        "zscore": Line("Z-score", "own"),
        "hedge_ratio": Line("Hedge ratio", "own"),
        "p_value": Line("p of the test", "own"),
    }

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        entry = values["entry_z"]
        if values["exit_z"] >= entry:
            message = f"The exit ({values['exit_z']:g}) must be nearer to the average than the entry ({entry:g})."
            yield Fault("exit_z", "conflict", message, f"Below {entry:g}.")
        if values["stop_z"] is not None and values["stop_z"] <= entry:
            message = f"The stop ({values['stop_z']:g}) must be further out than the entry ({entry:g})."
            yield Fault("stop_z", "conflict", message, f"Above {entry:g}, or leave it empty.")

    def warmup(self) -> int:
        return max(self.lookback, self.z_window)

    def panel_lines(self, panel: Panel, symbol: str) -> dict[str, Array]:
        return {name: panel.spread(values) for name, values in panel.once(self._values).items()}

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        first, second = panel.symbols
        rows, values = panel.shared, panel.once(self._values)
        z, ratio = values["zscore"], values["hedge_ratio"]
        stop = np.inf if self.stop_z is None else self.stop_z
        entry = (ratio > 0) & (np.abs(z) >= self.entry_z) & ~self._stopped(z, stop)
        if self.max_p > 0:
            entry &= values["p_value"] <= self.max_p
        entry[: self.warmup() - 1] = False
        long_out = _ends((z >= -self.exit_z) | (z <= -stop), entry & (z < 0))
        short_out = _ends((z <= self.exit_z) | (z >= stop), entry & (z > 0))

        first_code, second_code = np.zeros(len(z), np.int8), np.zeros(len(z), np.int8)
        for where, one, other in (
            (long_out & ~short_out, EXIT_LONG, EXIT_SHORT),
            (short_out & ~long_out, EXIT_SHORT, EXIT_LONG),
            (long_out & short_out, EXIT, EXIT),
            (entry & (z < 0), BUY, SELL),
            (entry & (z > 0), SELL, BUY),
        ):
            first_code[where], second_code[where] = one, other

        sure = np.where(entry, beyond(np.abs(z), self.entry_z), 1.0)
        money = self._money_ratio(panel, ratio)
        with np.errstate(invalid="ignore"):
            larger = self.leg_pct / 100.0 / np.maximum(money, 1.0)
        signals = panel.silent()
        for symbol, code, weight in ((first, first_code, larger), (second, second_code, larger * money)):
            spoken = code != 0
            said = signals[symbol]
            said["action"][rows] = code
            said["confidence"][rows[spoken]] = sure[spoken]
            said["target_weight"][rows[spoken]] = np.where(entry, weight * np.sign(code), 0.0)[spoken]
        return signals

    def panel_reason(self, symbol: str, action: Action, exits: Exits, at: Mapping[str, float]) -> str:
        if "zscore" not in at:
            return "One of the two did not move, so there is no spread to measure."
        text = f"The spread is {at['zscore']:+.2f} deviations from its average (hedge ratio {at['hedge_ratio']:.3f}"
        if "p_value" in at:
            text += f", p of the test {at['p_value']:.3f} with at most {self.max_p:g} asked for"
        if exits:
            verdict = "both legs are closed"
        else:
            verdict = {"BUY": "this leg is bought", "SELL": "this leg is sold", "HOLD": "nothing to do"}[action]
        return f"{text}): {verdict}."

    # --- what it is read from: one value a complete row ---------------------------------------------------------------

    def _values(self, panel: Panel) -> dict[str, Array]:
        y, x = (panel.column(symbol, "close")[panel.shared] for symbol in panel.symbols)
        if self.prices == "log":
            y, x = np.log(y), np.log(x)
        ratio = slope(moments(y, x, self.lookback))
        values = {"zscore": spread_zscore(y, x, ratio, self.z_window), "hedge_ratio": ratio}
        if self.max_p > 0:
            values["p_value"] = engle_granger(y, x, self.lookback, self.test_every, self.lags)[1]
        return values

    def _money_ratio(self, panel: Panel, ratio: Array) -> Array:
        """Money in the second leg for each unit of money in the first."""
        if self.prices == "log":
            return ratio
        y, x = (panel.column(symbol, "close")[panel.shared] for symbol in panel.symbols)
        return ratio * x / y

    def _stopped(self, z: Array, stop: float) -> NDArray[np.bool_]:
        """Whether the stop was reached and the spread has not come back to the exit level since."""
        rows = np.arange(len(z))
        last_stop = np.maximum.accumulate(np.where(np.abs(z) >= stop, rows, -1))
        last_back = np.maximum.accumulate(np.where(np.abs(z) <= self.exit_z, rows, -1))
        stopped: NDArray[np.bool_] = last_stop > last_back
        return stopped


def _ends(condition: NDArray[np.bool_], entry: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The first row after each run of entries on which the condition holds."""
    became = condition.copy()
    became[1:] &= ~condition[:-1]
    places = np.flatnonzero(became)
    entered = np.cumsum(entry)[places]
    became[places] = np.diff(entered, prepend=0) > 0
    return became
