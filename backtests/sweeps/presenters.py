"""What the pages of sweeps show, in the words of the declarations."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from backtests.models import Sweep
from backtests.sweeps import selectors, space
from backtests.sweeps.forms import METHOD_CHOICES
from engine import metrics

SHOWN = ("total_return_pct", "sharpe", "max_drawdown_pct", "win_rate_pct", "trade_count")


class SweepPage:
    """One sweep as its page shows it."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.space = space.of_config(sweep.config)

    @cached_property
    def _described(self) -> dict[str, dict[str, str]]:
        return {entry["name"]: entry for entry in metrics.describe()}

    @property
    def objective(self) -> str:
        return self._described[self.sweep.objective]["label"]

    @property
    def method(self) -> str:
        return next(label for value, label, _ in METHOD_CHOICES if value == self.sweep.method)

    @property
    def again(self) -> str:
        """The form of a new sweep of the same strategy and symbols."""
        asked = {"strategy": self.sweep.strategy, "symbol": self.sweep.symbols}
        return f"{reverse('backtests:new-sweep')}?{urlencode(asked, doseq=True)}"

    @property
    def axes(self) -> list[dict[str, Any]]:
        """Name, label and the values in words of each axis."""
        found = []
        for axis in self.space.axes:
            param = space.declared(self.sweep.strategy, axis.of)[axis.name]
            words = [param.words(value) for value in axis.values]
            found.append({"name": axis.name, "label": param.label, "words": words, "values": list(axis.values)})
        return found

    @property
    def constraints(self) -> str:
        limits = self.sweep.config["constraints"]
        words = []
        if limits["min_trades"] is not None:
            words.append(f"at least {limits['min_trades']:,} round trips")
        if limits["max_drawdown_pct"] is not None:
            words.append(f"a drawdown of {limits['max_drawdown_pct']:g} % at most")
        return " and ".join(words)

    @property
    def drawing(self) -> dict[str, Any]:
        """What the maps are drawn from: axes, figures by name, what is wanted."""
        names = selectors.metrics(self.sweep)
        figures = [
            {"name": name, "label": self._described[name]["label"], "unit": self._described[name]["unit"]}
            for name in names
        ]
        better = self.sweep.config["better"]
        return {"axes": self.axes, "figures": figures, "objective": self.sweep.objective, "better": better}

    @property
    def heads(self) -> list[tuple[str, str]]:
        """(name, label) of the figures in the table, the objective first."""
        names = dict.fromkeys((self.sweep.objective, *SHOWN))
        return [(name, self._described[name]["label"]) for name in names]

    @property
    def best(self) -> list[dict[str, Any]]:
        """The best combinations: {cell, words, feasible, figures: [(value, unit, label)]}."""
        rows = []
        for row in selectors.best(self.sweep):
            values = row["parameters"] | row["settings"]
            words = [
                f"{axis['label']} {axis['words'][axis['values'].index(values[axis['name']])]}" for axis in self.axes
            ]
            figures = [(row["values"][name], self._described[name]["unit"], label) for name, label in self.heads]
            rows.append({**row, "words": words, "figures": figures})
        return rows
