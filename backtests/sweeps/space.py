"""The combinations of a sweep: axes with their values, and a number for each combination. Plain Python.

A cell's number is written in the axes' mixed radix, the last axis changing fastest. Axes of strategy parameters stand
before those of settings, so that neighbours differ in settings and share their signals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from engine.errors import InputError
from strategies import catalogue, session_settings
from strategies.params import BoolParam, ChoiceParam, FloatParam, IntParam, Param
from strategies.readers import Reader, Refused, array, choice, mapping, shown

Of = Literal["parameter", "setting"]
OF: Final = ("parameter", "setting")
MOST_AXES = 8
MOST_VALUES = 1_000
MOST_CELLS = 2**53  # a cell's number is exact in every reader of JSON
# Settings that change what a figure means, not what is traded: their cells could not be compared.
NOT_SWEPT = frozenset({"risk_free_rate_pct"})


@dataclass(frozen=True, slots=True)
class Axis:
    """What is varied, and the values it takes, JSON-ready, in the order of the plot."""

    name: str
    of: Of
    values: tuple[Any, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "of": self.of, "values": list(self.values)}


@dataclass(frozen=True, slots=True)
class Space:
    """All combinations of the axes' values."""

    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def settings_only(self) -> int:
        """How many neighbours in a row share their signals."""
        return math.prod(len(axis.values) for axis in self.axes if axis.of == "setting")

    def places(self, cell: int) -> tuple[int, ...]:
        """The index of each axis' value in the combination with that number."""
        found = []
        for axis in reversed(self.axes):
            cell, place = divmod(cell, len(axis.values))
            found.append(place)
        return tuple(reversed(found))

    def number(self, places: tuple[int, ...]) -> int:
        """The number of a combination; `places` of it gives the same again."""
        cell = 0
        for axis, place in zip(self.axes, places, strict=True):
            cell = cell * len(axis.values) + place
        return cell

    def values(self, cell: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """(strategy parameters, settings) that the combination sets."""
        parameters: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        for axis, place in zip(self.axes, self.places(cell), strict=True):
            (parameters if axis.of == "parameter" else settings)[axis.name] = axis.values[place]
        return parameters, settings


def of_config(config: Mapping[str, Any]) -> Space:
    """The space of a cleaned request."""
    return Space(tuple(Axis(axis["name"], axis["of"], tuple(axis["values"])) for axis in config["axes"]))


def sweepable(params: Mapping[str, Param[Any]]) -> dict[str, Param[Any]]:
    """Those that have ranges or a few values: numbers, choices, yes or no."""
    return {
        name: param
        for name, param in params.items()
        if isinstance(param, IntParam | FloatParam | ChoiceParam | BoolParam) and name not in NOT_SWEPT
    }


def declared(strategy: str, of: str) -> dict[str, Param[Any]]:
    """What may be varied, by name."""
    return sweepable(catalogue.get(strategy).params if of == "parameter" else session_settings.SETTINGS)


def read_axes(strategy: str, raw: object) -> tuple[Axis, ...]:
    """The axes of a request, in the order of the space. Raises Refused with the first fault.

    Each is ``{"name", "of": "parameter" | "setting", "values": […]}`` or, for a number, ``{…, "from", "to", "step"}``.
    """
    sent = array("axes", raw, low=1, high=MOST_AXES)
    axes = [_axis(f"axes[{i}]", strategy, entry) for i, entry in enumerate(sent)]
    for i, axis in enumerate(axes):
        if any((axis.of, axis.name) == (other.of, other.name) for other in axes[:i]):
            raise Refused(f"axes[{i}].name", "conflict", f"{axis.name} is varied twice", "Name each once")
    found = tuple(sorted(axes, key=lambda axis: OF.index(axis.of)))
    if len(Space(found)) > MOST_CELLS:
        raise Refused("axes", "out_of_range", "There are too many combinations to number", "Take wider steps")
    return found


def _axis(path: str, strategy: str, raw: object) -> Axis:
    entry = mapping(path, raw)
    reader = Reader(entry)
    reader.refuse_unknown(("name", "of", "values", "from", "to", "step"))
    if reader.faults:
        fault = reader.faults[0]
        raise Refused(f"{path}.{fault.path}", fault.code, fault.message, fault.hint)
    of: Of = "setting" if choice(f"{path}.of", entry.get("of") or "parameter", OF) == "setting" else "parameter"
    known = declared(strategy, of)
    if not known:
        raise Refused(f"{path}.of", "unknown_choice", "This strategy has nothing that could be varied", "setting")
    name = choice(f"{path}.name", entry.get("name"), list(known))
    param = known[name]
    if entry.get("values") is not None:
        if any(entry.get(key) is not None for key in ("from", "to", "step")):
            raise Refused(path, "conflict", "Both values and a range are sent", "Send values, or from, to and step")
        sent = array(f"{path}.values", entry["values"], low=1, high=MOST_VALUES)
    else:
        sent = _range(path, param, entry)
    values: list[Any] = []
    for i, value in enumerate(sent):
        cleaned = _clean(f"{path}.values[{i}]" if entry.get("values") is not None else path, param, value)
        if cleaned in values:
            raise Refused(f"{path}.values[{i}]", "conflict", f"{shown(value)} stands there twice", "Name each once")
        values.append(cleaned)
    return Axis(name, of, tuple(values))


def _range(path: str, param: Param[Any], entry: Mapping[str, Any]) -> list[Any]:
    """from, from + step, … up to `to`, added up in decimals, so that 0.1 three times is 0.3."""
    if not isinstance(param, IntParam | FloatParam):
        raise Refused(f"{path}.values", "required", f"{param.label} has no range", f"values: {param.rule()}")
    numbers = {}
    for key in ("from", "to", "step"):
        value = entry.get(key)
        if value is None and key == "step" and param.step is not None:
            value = param.step
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            code = "required" if value is None else "not_a_number"
            raise Refused(f"{path}.{key}", code, f"{param.label} needs a number as “{key}”", param.rule())
        if abs(value) > 1e15:
            raise Refused(f"{path}.{key}", "out_of_range", f"{shown(value)} is out of range", param.rule())
        numbers[key] = Decimal(repr(value))
    low, high, step = numbers["from"], numbers["to"], numbers["step"]
    if step <= 0:
        raise Refused(f"{path}.step", "out_of_range", "The step must be above 0", "For example 1")
    if high < low:
        raise Refused(f"{path}.to", "out_of_range", f"{high} is below {low}", "The range goes upwards")
    if (high - low) / step >= MOST_VALUES:
        hint = f"At most {MOST_VALUES:,} values: take a wider step"
        raise Refused(f"{path}.step", "out_of_range", f"From {low} to {high} by {step} are too many values", hint)
    return [float(low + k * step) for k in range(int((high - low) / step) + 1)]


def _clean(path: str, param: Param[Any], value: object) -> object:
    try:
        return param.json(param.clean(value))
    except InputError as error:
        fault = error.faults[0]
        raise Refused(path, fault.code, fault.message, fault.hint) from None
