"""The forms that a condition tree may have, and its limits. `docs/conditions.md` shows them with examples."""

from __future__ import annotations

from typing import Any, Final

from engine.types import TIMEFRAMES

Tree = dict[str, Any]  # a node in its canonical form
Operand = dict[str, Any]

MAX_BYTES: Final = 65_536
MAX_DEPTH: Final = 32
MAX_NODES: Final = 500
MAX_FAULTS: Final = 20
MAX_BARS: Final = 1_000  # for_bars, bars, bars_ago
MAX_NUMBER: Final = 1e15
# Brackets that a tree of MAX_DEPTH levels can need, its longest operand and what it is sent in (a list of members of an
# ensemble, say) included; what a reader of JSON has to let through.
MAX_JSON_DEPTH: Final = 2 * MAX_DEPTH + 16

GROUPS: Final = ("and", "or", "not")
CROSSINGS: Final = ("crosses_above", "crosses_below")
MOVES: Final = ("rising", "falling")
CONDITIONS: Final = ("above", "below", *CROSSINGS, "between", *MOVES)
PRICES: Final = ("open", "high", "low", "close", "volume")
TIMEFRAME_NAMES: Final = tuple(TIMEFRAMES)

# Fields of each form. Those of the short form stand beside the parameters of its indicator.
GROUP_FIELDS: Final = ("type", "children", "for_bars")
COMPARE_FIELDS: Final = ("type", "left", "condition", "right", "low", "high", "bars", "for_bars")
OPERAND_FIELDS: Final = ("indicator", "output", "timeframe", "bars_ago")
SHORT_FIELDS: Final = ("type", "condition", "value", "indicator", "price", "bars", "for_bars", *OPERAND_FIELDS[1:])


def operands(node: Tree) -> list[Operand]:
    """The operands of a comparison, in the order of reading; none of a group."""
    return [node[name] for name in ("left", "right", "low", "high") if name in node]


def nodes(tree: Tree) -> list[Tree]:
    """Every node of a tree, the root first, in the order of reading."""
    found, pending = [], [tree]
    while pending:
        node = pending.pop()
        found.append(node)
        pending += reversed(node.get("children", ()))
    return found


def depth(tree: Tree) -> int:
    """Levels of nodes: 1 for a single comparison."""
    return 1 + max((depth(child) for child in tree.get("children", ())), default=0)
