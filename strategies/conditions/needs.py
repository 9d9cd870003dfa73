"""How much history trees need, and whether they pass the causality check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies import indicators
from strategies.conditions import shapes
from strategies.conditions.shapes import Operand, Tree
from strategies.timeframes import base_bars

if TYPE_CHECKING:
    from engine import Bars

_TRIAL_BARS = 256
_LONGEST_TRIAL = 65_536


def warmup(trees: Iterable[Tree]) -> int:
    """Bars, the deciding one counted, until every operand of the trees that is read on the run's own bars is known."""

    def own_only(operand: Operand, count: int) -> int:
        return 1 if "timeframe" in operand else count

    return max((_need(tree, own_only) for tree in trees), default=1)


def bars_needed(trees: Iterable[Tree], timeframe: str, calendar: str) -> int:
    """`warmup` with the operands of coarser timeframes: bars of `timeframe` to load before the first decision."""

    def count_in_base(operand: Operand, count: int) -> int:
        return base_bars(count, operand.get("timeframe", timeframe), timeframe, calendar)

    return max((_need(tree, count_in_base) for tree in trees), default=1)


def timeframes(trees: Iterable[Tree]) -> list[str]:
    """The timeframes that operands of the trees name, the finest first."""
    named = {
        operand["timeframe"]
        for tree in trees
        for node in shapes.nodes(tree)
        for operand in shapes.operands(node)
        if "timeframe" in operand
    }
    return [name for name in shapes.TIMEFRAME_NAMES if name in named]


def measure(parameters: Mapping[str, Any], bars: Bars) -> dict[str, Any]:
    """The causality check of a strategy of trees over these bars, JSON-ready.

    `strategies.causality.CausalityReport` as a dict with `ok`; and how often each tree is true: `true_bars` by name of
    the tree, `always` and `never` the names of those that are so on every bar from the warm-up on.
    """
    from strategies.causality import check
    from strategies.conditions.evaluation import Evaluation
    from strategies.conditions.strategy import TREES, Conditions

    strategy = Conditions(**parameters)
    report = check(strategy, bars)
    evaluation = Evaluation(bars)
    known = bars[strategy.warmup() - 1 :]
    true = {
        name: int(np.count_nonzero(evaluation.true(tree)[len(bars) - len(known) :]))
        for name in TREES
        if (tree := getattr(strategy, name)) is not None
    }
    return asdict(report) | {
        "ok": report.ok,
        "problems": list(report.problems),
        "true_bars": true,
        "always": [name for name, count in true.items() if len(known) and count == len(known)],
        "never": [name for name, count in true.items() if not count],
    }


def _need(tree: Tree, counted: Any) -> int:
    held = tree.get("for_bars", 1) - 1
    if tree["type"] != "compare":
        return held + max(_need(child, counted) for child in tree["children"])
    crossing = tree["condition"] in shapes.CROSSINGS
    return held + crossing + max(counted(one, _own_bars(one) + tree.get("bars", 0)) for one in shapes.operands(tree))


def _own_bars(operand: Operand) -> int:
    """Bars of the operand's own timeframe until it has a value."""
    ago = operand.get("bars_ago", 0)
    if "indicator" not in operand:
        return 1 + ago
    params = indicators.get(operand["indicator"]).params
    given = tuple((name, operand[name]) for name in params)
    return _first_valid(operand["indicator"], given, operand.get("output")) + 1 + ago


@lru_cache(maxsize=4_096)
def _first_valid(name: str, params: tuple[tuple[str, Any], ...], output: str | None) -> int:
    """Index of an indicator's first value, tried out on made bars; those of the last trial where it never had one."""
    count = _TRIAL_BARS
    while True:
        outputs = indicators.calculate(name, _trial(count), **dict(params))
        values = outputs[output] if output else next(iter(outputs.values()))
        valid = np.flatnonzero(np.isfinite(values))
        if valid.size:
            return int(valid[0])
        if count >= _LONGEST_TRIAL:
            return count - 1
        count *= 4


@lru_cache(maxsize=8)
def _trial(count: int) -> Bars:
    """A wandering series on which every indicator has a value as soon as it can have one."""
    from engine import Bars

    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, count)))
    opened = close * np.exp(rng.normal(0, 0.001, count))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    ts = np.arange(count) * 60_000_000_000
    volume = rng.integers(1, 10_000, count).astype(float)
    return Bars.from_arrays("TRIAL", "1m", ts, opened, high, low, close, volume, calendar="24/7")
