"""Indicators by name: one list that condition trees, charts, features and strategies share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from engine.errors import Fault, InputError
from strategies.indicators.functions import Array
from strategies.params import Param, clean_all, shown

if TYPE_CHECKING:
    from engine import Bars

Compute = Callable[..., "Array | tuple[Array, ...]"]
Pane = Literal["price", "own"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One registered indicator. outputs: names of the arrays it gives, in order. pane: where a chart draws them."""

    name: str
    label: str
    compute: Compute
    outputs: tuple[str, ...]
    pane: Pane
    params: dict[str, Param[Any]] = field(default_factory=dict)

    def declaration(self) -> dict[str, Any]:
        """JSON-ready description."""
        return {
            "name": self.name,
            "label": self.label,
            "description": inspect.cleandoc(self.compute.__doc__ or ""),
            "outputs": list(self.outputs),
            "pane": self.pane,
            "parameters": [param.declaration() for param in self.params.values()],
        }


_registry: dict[str, Indicator] = {}


def register(
    name: str, label: str, *, outputs: tuple[str, ...] = (), pane: Pane = "price", **params: Param[Any]
) -> Callable[[Compute], Compute]:
    """Decorator that adds an indicator: a function of bars and the declared parameters.

    It returns one float64 array as long as the bars, or a tuple of them in the order of `outputs` (default: the name).
    A value at bar i may use bars[: i + 1] only; `strategies.causality.check_indicator` proves it. Raises ValueError
    where the name is taken.

        @register("median_price", "Median price")
        def median_price(bars): return (bars.high + bars.low) / 2
    """

    def add(compute: Compute) -> Compute:
        taken = _registry.get(name)
        if taken is not None and taken.compute.__qualname__ != compute.__qualname__:
            raise ValueError(f"there is an indicator {name!r} already")
        for key, param in params.items():
            param.__set_name__(Indicator, key)
        _registry[name] = Indicator(name, label, compute, outputs or (name,), pane, params)
        return compute

    return add


def get(name: object) -> Indicator:
    """The indicator of that name. Raises InputError (path ``indicator``) that names the known ones."""
    found = _registry.get(name) if isinstance(name, str) else None
    if found is None:
        message = f"There is no indicator {shown(name)}."
        raise InputError(Fault("indicator", "unknown_choice", message, f"One of: {', '.join(_registry)}."))
    return found


def all() -> list[Indicator]:
    """Every registered indicator, in the order of registration."""
    return list(_registry.values())


def calculate(name: str, bars: Bars, **params: object) -> dict[str, Array]:
    """The indicator's arrays by output name; each float64, one value a bar, NaN before the first valid one.

    Raises InputError on an unknown name, an unknown parameter or a value outside its bounds.
    """
    indicator = get(name)
    result = indicator.compute(bars, **clean_all(indicator.params, params))
    arrays = result if isinstance(result, tuple) else (result,)
    for array in arrays:
        if array.shape != (len(bars),) or array.dtype != np.float64:
            raise TypeError(f"{name} gave {array.dtype}{array.shape}, not one float64 a bar")
    return dict(zip(indicator.outputs, arrays, strict=True))
