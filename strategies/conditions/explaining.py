"""Why a tree is true or false on a bar: the tree again, with every value and every verdict in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from strategies.conditions import words
from strategies.conditions.evaluation import Evaluation
from strategies.conditions.shapes import CROSSINGS, MOVES, Operand, Tree

if TYPE_CHECKING:
    from engine import Bars

_OPERANDS = ("left", "right", "low", "high")


def explain(tree: Tree, bars: Bars, places: list[int], evaluation: Evaluation | None = None) -> list[Tree]:
    """The tree for each of these bars, with ``"is"`` on every node and ``"value"`` on every operand; JSON-ready.

    is: true or false as `evaluate` has it; null: not known yet, which counts as not true. value: the number that was
    compared, null where there is none yet; a constant has its own. Operands of crossings have ``"before"``, the value
    on the bar before, and that of a rising or falling one the value it is held against. places: indexes of bars,
    negative ones count from the end.
    """
    asked = evaluation or Evaluation(bars)
    asked.every_node = True  # each node is asked for by itself, after the ones above it
    rows = [range(len(bars))[place] for place in places]
    return [_node(tree, asked, row) for row in rows]


def holding(explained: Tree) -> str:
    """What of an explained tree that is true makes it true, in words."""
    return words.sentence(_true_part(explained))


def _node(node: Tree, asked: Evaluation, row: int) -> Tree:
    told: dict[str, Any] = {}
    for name, entry in node.items():
        if name == "children":
            told[name] = [_node(child, asked, row) for child in entry]
        elif name in _OPERANDS:
            told[name] = _operand(node, entry, asked, row)
        else:
            told[name] = entry
    told["is"] = True if asked.true(node)[row] else False if asked.false(node)[row] else None
    return told


def _operand(node: Tree, operand: Operand, asked: Evaluation, row: int) -> Operand:
    if "value" in operand:
        return operand
    told = operand | {"value": _number(asked.value(operand, row))}
    if node["condition"] in MOVES:
        told["before"] = _number(asked.value(operand, row, node["bars"]))
    elif node["condition"] in CROSSINGS:
        told["before"] = _number(asked.value(operand, row - 1)) if row else None
    return told


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _true_part(node: Tree) -> Tree:
    if node["type"] == "and":
        return node | {"children": [_true_part(child) for child in node["children"]]}
    if node["type"] == "or" and "for_bars" not in node:
        # Held over several bars, one of the others may have made it true on an earlier one.
        true = [_true_part(child) for child in node["children"] if child["is"]]
        return true[0] if len(true) == 1 else node | {"children": true}
    return node
