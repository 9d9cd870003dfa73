"""Runs side by side, as the comparison page draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from backtests.models import Backtest
from backtests.presenters.figures import GROUPS, figure_text
from engine import metrics
from tradingsite.lib.templatetags.figures import num


class Comparison:
    """Runs side by side: one column a run, one row a metric, the best of each row marked."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.runs = [row["backtest"] for row in rows]
        self._values = [(row["summary"] or {}).get("metrics") or {} for row in rows]
        self.series = [
            {
                "label": _distinct(self.runs, i),
                "time": row["equity"]["time"],
                "value": row["equity"]["value"],
                "token": f"chart-{i + 1}",
            }
            for i, row in enumerate(rows)
            if row["equity"]
        ]

    @cached_property
    def groups(self) -> list[tuple[str, list[dict[str, Any]]]]:
        known = {entry["name"]: entry for entry in metrics.describe()}
        shown = []
        for title, names in GROUPS:
            rows = [self._row(known[name]) for name in names if any(name in values for values in self._values)]
            if rows:
                shown.append((title, rows))
        return shown

    def _row(self, entry: Mapping[str, str]) -> dict[str, Any]:
        values = [each.get(entry["name"]) for each in self._values]
        numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
        best = None
        if len(numbers) > 1 and entry["better"] != "neither":
            best = max(numbers) if entry["better"] == "higher" else min(numbers)
        cells = [
            {"text": figure_text(entry["name"], entry["unit"], value), "best": best is not None and value == best}
            for value in values
        ]
        return {"label": entry["label"], "convention": entry["convention"], "cells": cells}

    @property
    def words(self) -> str:
        ends = [f"{line['label']} ended at {num(line['value'][-1], 1)}" for line in self.series if line["value"]]
        return "Each run starts at 100. " + "; ".join(ends) + "." if ends else ""


def _distinct(runs: Sequence[Backtest], index: int) -> str:
    """The run's name; numbered when another one has the same."""
    name = str(runs[index])
    return name if sum(str(run) == name for run in runs) == 1 else f"{index + 1}. {name}"
