"""What a tree says, computed the slow way: one bar after the other, each from the bars up to it, in plain Python."""

from __future__ import annotations

import math
from typing import Any

from engine import Bars
from engine.resample import close_times, resample
from strategies import indicators
from strategies.conditions import Tree

Verdict = bool | None


def verdict(node: Tree, bars: Bars, i: int) -> Verdict:
    """True, False, or None where it is not known, at bar i of bars that end there or later."""
    held = [_now(node, bars, k) for k in range(i, i - node.get("for_bars", 1), -1) if k >= 0]
    if node.get("for_bars", 1) > i + 1:
        held.append(None)
    return _every(held)


def _now(node: Tree, bars: Bars, i: int) -> Verdict:
    if node["type"] == "compare":
        return _compare(node, bars, i)
    children = [verdict(child, bars, i) for child in node["children"]]
    if node["type"] == "and":
        return _every(children)
    some = _no(_every([_no(child) for child in children]))
    return some if node["type"] == "or" else _no(some)


def _compare(node: Tree, bars: Bars, i: int) -> Verdict:
    condition, left = node["condition"], value(node["left"], bars, i)
    if condition == "between":
        return _every([_is(left, ">=", value(node["low"], bars, i)), _is(left, "<=", value(node["high"], bars, i))])
    if condition in ("rising", "falling"):
        before = value(node["left"] | {"bars_ago": node["left"].get("bars_ago", 0) + node["bars"]}, bars, i)
        return _is(left, ">" if condition == "rising" else "<", before)
    right = value(node["right"], bars, i)
    if condition in ("above", "below"):
        return _is(left, ">" if condition == "above" else "<", right)
    sign, other = (">", "<=") if condition == "crosses_above" else ("<", ">=")
    was = _is(value(node["left"], bars, i - 1), other, value(node["right"], bars, i - 1)) if i else None
    return _every([_is(left, sign, right), was])


def value(operand: dict[str, Any], bars: Bars, i: int) -> float:
    """NaN where it is not known."""
    if "indicator" not in operand and "price" not in operand:
        return float(operand["value"])
    known = bars[: i + 1]
    if operand.get("timeframe", bars.timeframe) != bars.timeframe:
        now = close_times(known)[-1]
        coarse = resample(known, operand["timeframe"])
        known = coarse[: sum(int(closed) <= int(now) for closed in close_times(coarse))]
    place = len(known) - 1 - operand.get("bars_ago", 0)
    if place < 0:
        return math.nan
    if "price" in operand:
        return float(getattr(known, operand["price"])[place])
    params = {name: operand[name] for name in indicators.get(operand["indicator"]).params}
    outputs = indicators.calculate(operand["indicator"], known, **params)
    return float(outputs[operand.get("output", operand["indicator"])][place])


def _is(a: float, sign: str, b: float) -> Verdict:
    if math.isnan(a) or math.isnan(b):
        return None
    return {">": a > b, "<": a < b, ">=": a >= b, "<=": a <= b}[sign]


def _every(parts: list[Verdict]) -> Verdict:
    if False in parts:
        return False
    return None if None in parts else True


def _no(part: Verdict) -> Verdict:
    return None if part is None else not part
