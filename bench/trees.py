"""A condition tree of as many nodes as a strategy may have, with no two comparisons alike."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from strategies.conditions import MAX_NODES, Tree, clean

CHILDREN = 8
LEFT: tuple[dict[str, Any], ...] = (
    {"indicator": "rsi", "period": 14},
    {"indicator": "macd", "output": "histogram"},
    {"indicator": "bollinger", "output": "lower"},
    {"price": "close"},
    {"indicator": "stochastic"},
    {"indicator": "atr"},
    {"indicator": "sma", "period": 200},
    {"indicator": "adx"},
    {"indicator": "rsi", "period": 14, "timeframe": "1h"},
    {"indicator": "donchian"},
    {"indicator": "ema", "period": 20, "timeframe": "1d"},
)
FORMS = ("above", "crosses_above", "between", "rising", "below", "crosses_below", "falling")


def largest() -> Tree:
    """Groups of eight under one root: every form of comparison, with numbers, averages, earlier and coarser bars."""
    left, form = cycle(LEFT), cycle(FORMS)
    kinds = cycle(("and", "or", "not"))
    groups: list[dict[str, Any]] = []
    left_over, number = MAX_NODES - 1, 0
    while left_over > 1:
        children = []
        for _ in range(min(CHILDREN, left_over - 1)):
            number += 1
            children.append(_comparison(dict(next(left)), next(form), number))
        groups.append({"type": next(kinds), "children": children, "for_bars": 1 + len(groups) % 3})
        left_over -= 1 + len(children)
    return clean({"type": "or", "children": groups})


def _comparison(left: dict[str, Any], condition: str, number: int) -> dict[str, Any]:
    node: dict[str, Any] = {"type": "compare", "left": left | {"bars_ago": number % 4}, "condition": condition}
    if condition == "between":
        return node | {"low": {"value": number}, "high": {"value": number + 20}}
    if condition in ("rising", "falling"):
        return node | {"bars": 1 + number // 7}
    average = {"indicator": "ema", "period": 5 + number % 40}
    return node | {"right": average if number % 2 else {"value": 20 + number / 8}, "for_bars": 1 + number % 5}
