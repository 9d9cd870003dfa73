"""Condition trees: rules of a strategy as data, never as code. `docs/conditions.md` has the shapes.

`clean` and `parse` let a tree in, `evaluate` and `explain` say what it says, `sentence` puts it in words, `Conditions`
trades it. Plain Python and NumPy; TA-Lib loads when something is first computed.
"""

from strategies.conditions.cleaning import clean, parse
from strategies.conditions.evaluation import Evaluation, evaluate
from strategies.conditions.explaining import explain
from strategies.conditions.indicator_rules import from_indicators
from strategies.conditions.needs import bars_needed, measure, timeframes, warmup
from strategies.conditions.shapes import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_JSON_DEPTH,
    MAX_NODES,
    Operand,
    Tree,
    depth,
    nodes,
    operands,
)
from strategies.conditions.strategy import TREES, Conditions, TreeParam, refuse_timeframe, uses_conditions
from strategies.conditions.words import sentence, sentences

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_JSON_DEPTH",
    "MAX_NODES",
    "TREES",
    "Conditions",
    "Evaluation",
    "Operand",
    "Tree",
    "TreeParam",
    "bars_needed",
    "clean",
    "depth",
    "evaluate",
    "explain",
    "from_indicators",
    "measure",
    "nodes",
    "operands",
    "parse",
    "refuse_timeframe",
    "sentence",
    "sentences",
    "timeframes",
    "uses_conditions",
    "warmup",
]
