"""Which other parameter values are tried: the neighbours of the chosen ones, and draws from the declared ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.errors import InputError
from strategies.base import Strategy
from strategies.params import FloatParam, IntParam

STEPS: Final = (-2, -1, 1, 2)
MOST_NEIGHBOURS: Final = 40
DRAWS: Final = 12
_STEP_SHARE: Final = 0.1  # of the value, the least that one step changes


def neighbours(strategy: type[Strategy], parameters: Mapping[str, Any]) -> list[tuple[str, int, dict[str, Any]]]:
    """(parameter, steps, all parameters) one and two steps to either side of each number, where the strategy takes it.

    A step is the declared one, or a tenth of the value where that is more: a window of 200 bars is no other at 201.
    With more than 40 neighbours those two steps away are left out, then those of the last parameters.
    """
    found = []
    for distance in (1, 2):
        for name, param in strategy.params.items():
            value = parameters.get(name)
            if not isinstance(param, IntParam | FloatParam) or value is None:
                continue
            for steps in (step for step in STEPS if abs(step) == distance):
                moved = _moved(param, value, steps)
                if moved != value and (cleaned := _cleaned(strategy, {**parameters, name: moved})) is not None:
                    found.append((name, steps, cleaned))
    names = list(strategy.params)
    return sorted(found[:MOST_NEIGHBOURS], key=lambda one: (names.index(one[0]), one[1]))


def draws(strategy: type[Strategy], parameters: Mapping[str, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Up to 12 sets of values from the declared ranges of its numbers; words and switches stay as chosen.

    Ranges of positive numbers are drawn evenly in their logarithm: 5 to 10 bars is as far as 50 to 100.
    """
    numbers = {
        name: param
        for name, param in strategy.params.items()
        if isinstance(param, IntParam | FloatParam) and parameters.get(name) is not None
    }
    if not numbers:
        return []
    found: list[dict[str, Any]] = []
    for _ in range(DRAWS * 4):  # some sets the strategy refuses: a fast window above the slow one
        drawn = {name: _drawn(param, rng) for name, param in numbers.items()}
        cleaned = _cleaned(strategy, {**parameters, **drawn})
        if cleaned is not None and cleaned not in found:
            found.append(cleaned)
        if len(found) == DRAWS:
            break
    return found


def _moved(param: IntParam | FloatParam, value: float, steps: int) -> float:
    step = max(param.step or 0.0, abs(value) * _STEP_SHARE)
    if isinstance(param, IntParam):
        whole = max(int(param.step or 1), math.floor(step))
        return min(max(int(value) + steps * whole, param.min), param.max)
    return min(max(round(value + steps * (step or (param.max - param.min) / 20), 12), param.min), param.max)


def _drawn(param: IntParam | FloatParam, rng: np.random.Generator) -> float:
    low, high = float(param.min), float(param.max)
    value = math.exp(rng.uniform(math.log(low), math.log(high))) if low > 0 else rng.uniform(low, high)
    return round(value) if isinstance(param, IntParam) else min(max(round(value, 6), low), high)


def _cleaned(strategy: type[Strategy], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values as a strategy keeps them; None where it refuses them."""
    try:
        return strategy(**values).parameters
    except InputError:
        return None
