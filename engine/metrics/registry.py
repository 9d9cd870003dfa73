"""What a metric is, and the list of all of them: the built-in ones and those that users add.

A user's metric is a function of a finished run::

    from engine.metrics import Run, metric

    @metric("ulcer_index", label="Ulcer index", unit="pct", better="lower",
            convention="Root of the mean squared drawdown of the daily marks")
    def ulcer_index(run: Run) -> float | None: ...

From then on it stands in `describe()`, may be chosen by name, and is part of every run's figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import Fault, InputError
from engine.types import Records

Value = float | int | str | None
"""A JSON-ready figure. None: not defined for this run (the convention says when). Never NaN or infinite."""

UNITS: Final = ("pct", "ratio", "money", "count", "seconds", "days", "time")
BETTER: Final = ("higher", "lower", "neither")


@dataclass(frozen=True, slots=True)
class Run:
    """What a metric may look at.

    daily: engine.types.DAILY records, the last mark of each UTC date. returns: shape (len(daily) - 1,), simple returns
    between them. trips: engine.types.ROUND_TRIP records. book: one engine.types.BOOK record (an array of length 1).
    benchmark: returns on the same dates, NaN where it has none; None without a benchmark.
    figures: the built-in metrics of this run, by name.
    """

    book: Records
    daily: Records
    trips: Records
    returns: npt.NDArray[np.float64]
    benchmark: npt.NDArray[np.float64] | None
    periods_per_year: int
    risk_free_rate_pct: float
    figures: dict[str, Value] = field(default_factory=dict)


Function = Callable[[Run], float | int | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric's description. `function` is None for the built-in ones, which are computed together."""

    name: str
    label: str
    unit: str
    convention: str
    better: str
    function: Function | None = None

    def __post_init__(self) -> None:
        faults = []
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name):
            faults.append(Fault("name", "bad_text", f"{self.name!r} is no snake_case name"))
        if self.unit not in UNITS:
            faults.append(Fault("unit", "unknown_choice", f"unknown unit {self.unit!r}", "one of " + ", ".join(UNITS)))
        if self.better not in BETTER:
            hint = "one of " + ", ".join(BETTER)
            faults.append(Fault("better", "unknown_choice", f"unknown value {self.better!r}", hint))
        if not self.label.strip() or not self.convention.strip():
            faults.append(Fault("convention", "required", "a metric states its label and its convention"))
        if faults:
            raise InputError(faults)

    def describe(self) -> dict[str, str]:
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "convention": self.convention,
            "better": self.better,
        }


_metrics: dict[str, Metric] = {}


def add(entry: Metric) -> None:
    """Put a metric into the list. InputError (conflict) when the name is taken."""
    if entry.name in _metrics:
        raise InputError(Fault("name", "conflict", f"there is a metric {entry.name!r} already"))
    _metrics[entry.name] = entry


def metric(
    name: str, *, label: str, unit: str, convention: str, better: str = "higher"
) -> Callable[[Function], Function]:
    """Decorator: add a function of a `Run` as a metric. InputError when a field is wrong or the name is taken."""

    def register(function: Function) -> Function:
        add(Metric(name, label, unit, convention, better, function))
        return function

    return register


def remove(name: str) -> None:
    """Take a user's metric out again. InputError for an unknown or a built-in name."""
    check_names([name])
    if _metrics[name].function is None:
        raise InputError(Fault("name", "conflict", f"{name!r} is built in"))
    del _metrics[name]


def describe() -> list[dict[str, str]]:
    """All metrics, in the order in which they are shown: name, label, unit, convention, better."""
    return [entry.describe() for entry in _metrics.values()]


def names() -> list[str]:
    """The names of all metrics, in the order in which they are shown."""
    return list(_metrics)


def added() -> list[tuple[str, Function]]:
    """Name and function of the metrics that users added."""
    return [(entry.name, entry.function) for entry in _metrics.values() if entry.function is not None]


def check_names(names: Iterable[str]) -> None:
    """InputError (unknown_choice) that names every metric that does not exist."""
    hint = "one of " + ", ".join(_metrics)
    faults = [
        Fault(f"metrics[{i}]", "unknown_choice", f"there is no metric {name!r}", hint)
        for i, name in enumerate(names)
        if name not in _metrics
    ]
    if faults:
        raise InputError(faults)


def finite(value: Any) -> float | None:
    """A plain float, or None for NaN, an infinity or None: what goes into JSON."""
    if value is None:
        return None
    number = float(value)
    return number if np.isfinite(number) else None
