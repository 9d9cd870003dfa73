"""Trees in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategies import indicators
from strategies.conditions.shapes import Operand, Tree
from strategies.params import ChoiceParam

_VERBS = {
    "above": "is above",
    "below": "is below",
    "crosses_above": "crosses above",
    "crosses_below": "crosses below",
    "between": "is between",
    "rising": "has risen",
    "falling": "has fallen",
}
STARTS = {"buy": "Buy when", "sell": "Sell when", "short": "Sell short when", "cover": "Cover when"}
_SHORT_NAME = 4  # letters of a name that people write in capitals: RSI, MACD


def sentence(tree: Tree) -> str:
    """A canonical tree in words: "RSI(14) is below 30 and SMA(20) is above the close"."""
    return _node(tree)


def sentences(parameters: Mapping[str, Any]) -> dict[str, str]:
    """A sentence for each tree of a strategy's parameters (buy, sell, short, cover): "Buy when …"."""
    return {name: f"{start} {sentence(parameters[name])}" for name, start in STARTS.items() if parameters.get(name)}


def operand(operand: Operand) -> str:
    """One operand in words: "RSI(14) on 1h, 2 bars ago"; an explained one with its value: "RSI(14) (26.9)"."""
    if "indicator" not in operand and "price" not in operand:
        return f"{operand['value']:,.10g}"
    words = f"the {operand['price']}" if "price" in operand else _indicator(operand)
    words += f" on {operand['timeframe']}" if "timeframe" in operand else ""
    ago = operand.get("bars_ago", 0)
    words += f", {_bars(ago)} ago" if ago else ""
    return f"{words} ({operand['value']:,.6g})" if operand.get("value") is not None else words


def _node(node: Tree) -> str:
    if node["type"] == "compare":
        return _compare(node)
    children = node["children"]
    if node["type"] == "not":
        inner = ", ".join(_node(child) for child in children)
        words = f"not ({inner})" if len(children) == 1 else f"none of ({inner})"
    else:
        # A group inside another one stands in brackets; a comparison never needs them.
        parts = [
            f"({_node(child)})" if child["type"] in ("and", "or") and "for_bars" not in child else _node(child)
            for child in children
        ]
        words = f" {node['type']} ".join(parts)
    return f"({words}) held for {_bars(node['for_bars'])}" if "for_bars" in node else words


def _compare(node: Tree) -> str:
    left, verb = operand(node["left"]), _VERBS[node["condition"]]
    if "bars_ago" in node["left"]:
        left += ","
    if node["condition"] == "between":
        words = f"{left} {verb} {operand(node['low'])} and {operand(node['high'])}"
    elif "bars" in node:
        words = f"{left} {verb} over {_bars(node['bars'])}"
    else:
        words = f"{left} {verb} {_other(node['left'], node['right'])}"
    return f"{words} (held for {_bars(node['for_bars'])})" if "for_bars" in node else words


def _other(left: Operand, right: Operand) -> str:
    """The right side; "its signal line" where it is another line of the same thing."""
    words, same = operand(right), dict.fromkeys(("output", "value", "before"))
    if "output" in right and left | same == right | same:
        return f"its {words.removeprefix('the ').split(' of ', 1)[0]}" if words.startswith("the ") else words
    return words


def _indicator(operand: Operand) -> str:
    declared = indicators.get(operand["indicator"])
    name = declared.name.upper() if len(declared.name) <= _SHORT_NAME else declared.label
    inside, behind = [], ""
    for field, param in declared.params.items():
        value = operand[field]
        if not isinstance(param, ChoiceParam):
            inside.append(param.words(value).removesuffix(param.unit).strip())
        elif field == "source":
            behind = f" of the {value}" if value != param.default else ""
        elif value != param.default:
            inside.append(param.words(value).lower())
    words = f"{name}({', '.join(inside)})" if inside else name
    output = operand.get("output", declared.name)
    if output != declared.name:
        words = f"the {output.replace('_', ' ')} line of {words}"
    return words + behind


def _bars(count: int) -> str:
    return f"{count:,} bar" if count == 1 else f"{count:,} bars"
