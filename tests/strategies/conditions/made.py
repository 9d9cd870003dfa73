"""Trees for tests: short ways to write one, and arbitrary legal ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from engine.errors import InputError
from strategies import indicators
from strategies.conditions import Tree, clean
from strategies.conditions.shapes import CONDITIONS, PRICES

RSI = {"indicator": "rsi", "period": 14}
CLOSE = {"price": "close"}


def compare(left: object, condition: str, right: object = None, **fields: object) -> dict[str, Any]:
    """A comparison as somebody writes it; numbers and words stand for constants and prices."""
    node = {"type": "compare", "left": _operand(left), "condition": condition, **fields}
    return node if right is None else node | {"right": _operand(right)}


def group(kind: str, *children: object, **fields: object) -> dict[str, Any]:
    return {"type": kind, "children": list(children), **fields}


def short(kind: str = "RSI", condition: str = "below", **fields: object) -> dict[str, Any]:
    return {"type": "indicator", "indicator": {"type": kind, "condition": condition, **fields}}


def is_above(value: float) -> Tree:
    """A tree that anybody can follow: the close is above a number."""
    return clean(compare("close", "above", value))


def _operand(what: object) -> object:
    if isinstance(what, str):
        return {"price": what}
    return {"value": what} if isinstance(what, (int, float)) and not isinstance(what, bool) else what


def small_periods(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Parameters of an indicator that need little history."""
    drawn: dict[str, st.SearchStrategy[Any]] = {}
    for field, param in indicators.get(name).params.items():
        told = param.declaration()
        if told["type"] == "int":
            drawn[field] = st.integers(told["min"], max(told["min"], 9))
        elif told["choices"]:
            drawn[field] = st.sampled_from([choice["value"] for choice in told["choices"]])
        else:
            drawn[field] = st.floats(told["min"], max(told["min"], 4)).map(lambda number: round(number, 3))
    return st.fixed_dictionaries({}, optional=drawn)


@st.composite
def placed(draw: st.DrawFn, timeframes: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if timeframes and draw(st.booleans()):
        fields["timeframe"] = draw(st.sampled_from(timeframes))
    if draw(st.booleans()):
        fields["bars_ago"] = draw(st.integers(0, 4))
    return fields


@st.composite
def operands(draw: st.DrawFn, timeframes: tuple[str, ...] = ()) -> dict[str, Any]:
    """An indicator of the registry with any parameters, or a price."""
    if draw(st.booleans()):
        return {"price": draw(st.sampled_from(PRICES))} | draw(placed(timeframes))
    declared = draw(st.sampled_from(indicators.all()))
    output = {"output": draw(st.sampled_from(declared.outputs))} if draw(st.booleans()) else {}
    name = draw(st.sampled_from([declared.name, declared.name.upper()]))
    return {"indicator": name} | draw(small_periods(declared.name)) | output | draw(placed(timeframes))


@st.composite
def comparisons(draw: st.DrawFn, timeframes: tuple[str, ...] = ()) -> dict[str, Any]:
    node: dict[str, Any] = {"type": "compare", "left": draw(operands(timeframes))}
    condition = node["condition"] = draw(st.sampled_from(CONDITIONS))
    numbers = st.integers(-5, 120).map(lambda number: {"value": number})
    if condition == "between":
        node["low"], node["high"] = {"value": draw(st.integers(-5, 50))}, {"value": draw(st.integers(50, 120))}
    elif condition in ("rising", "falling"):
        node["bars"] = draw(st.integers(1, 5))
    else:
        node["right"] = draw(operands(timeframes) | numbers)
    return node


def _is_legal(node: dict[str, Any]) -> bool:
    """Something against itself is refused, and may be drawn in two spellings."""
    try:
        return bool(clean(node))
    except InputError:
        return False


def trees(timeframes: tuple[str, ...] = (), leaves: int = 6) -> st.SearchStrategy[Any]:
    """Legal trees as somebody sends them."""
    held = st.fixed_dictionaries({}, optional={"for_bars": st.integers(1, 4)})
    leaf = st.tuples(comparisons(timeframes).filter(_is_legal), held).map(lambda pair: pair[0] | pair[1])

    def groups(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        parts = st.tuples(st.sampled_from(["and", "or", "not"]), st.lists(inner, min_size=1, max_size=4), held)
        return parts.map(lambda part: {"type": part[0], "children": part[1]} | part[2])

    return st.recursive(leaf, groups, max_leaves=leaves)
