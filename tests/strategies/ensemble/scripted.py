"""Strategies that say what a test tells them, so that a vote can be followed by eye."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import Bars
from strategies import base
from strategies.base import Strategy
from strategies.params import ChoiceParam, IntParam, Param, RatioParam


class _Script(Param[str]):
    """Codes as JSON, one a bar, from the first bar on."""

    type = "text"

    def rule(self) -> str:
        return "a list"

    def _clean(self, value: object) -> str:
        return str(value)


class Scripted(Strategy):
    """Says its script."""

    slug, label, kind = "scripted", "Scripted", "test"
    script = _Script("[]")
    sure = RatioParam(1.0, min=0, max=1)
    history = IntParam(1, min=1, max=100)
    shorts = ChoiceParam("yes", choices=["yes", "no"])

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.allows_short = self.shorts == "yes"

    def warmup(self) -> int:
        return self.history

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        said = np.zeros(len(bars), np.int8)
        script = json.loads(self.script)[: len(bars)]
        said[: len(script)] = script
        return said

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        return np.full(len(bars), self.sure)


@contextmanager
def in_the_catalogue() -> Iterator[None]:
    """`scripted` can be a member inside."""
    base.register(Scripted)
    try:
        yield
    finally:
        del base._registry["scripted"]


def member(script: list[int], *, weight: float = 50, sure: float = 1.0, **more: Any) -> dict[str, Any]:
    """An entry of `members` that says this script."""
    parameters = {"script": json.dumps(script), "sure": sure, **more.pop("parameters", {})}
    return {"strategy": "scripted", "parameters": parameters, "weight": weight, **more}
