"""What a tree says on each bar.

A node is true, false or unknown: a comparison with a value that is not known yet (NaN) is unknown, `not` of unknown is
unknown, and unknown never signals. So each node can be asked two things, where it is true and where it is false; only
what stands below a `not` is ever asked the second (Kleene's logic of three values).

One `Evaluation` computes each different operand and node once. All is causal to the last bit: nothing here reads a
later bar, and coarser timeframes give only bars that have closed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategies import indicators
from strategies.conditions import shapes
from strategies.conditions.shapes import Operand, Tree
from strategies.timeframes import Aligned, aligned

if TYPE_CHECKING:
    from engine import Bars

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Series = tuple[Array | float, int]

# What is kept of one evaluation, in bytes; beyond it the longest unused is computed again when it is needed.
_KEPT_BYTES = 256 * 2**20
# Where it is true, and where it is false.
_COMPARE: dict[str, tuple[np.ufunc, np.ufunc]] = {
    "above": (np.greater, np.less_equal),
    "below": (np.less, np.greater_equal),
    "rising": (np.greater, np.less_equal),
    "falling": (np.less, np.greater_equal),
}


def evaluate(tree: Tree, bars: Bars) -> Flags:
    """Where a canonical tree is true; shape (len(bars),).

    Raises InputError (path ``timeframe``) where it reads bars that are finer than these.
    """
    return Evaluation(bars).true(tree)


class Evaluation:
    """Trees over one series. Answers are read-only by agreement: they are shared.

    every_node: keep the answers of nodes that stand in the tree only once, too, because each will be asked for again.
    """

    def __init__(self, bars: Bars, *, every_node: bool = False) -> None:
        self.bars = bars
        self.every_node = every_node
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._size = 0
        self._coarse: dict[str, Aligned] = {}
        self._names: dict[Hashable, int] = {}
        self._keys: dict[int, int] = {}
        self._places: Counter[int] = Counter()
        self._alive: list[Any] = []

    def true(self, node: Tree) -> Flags:
        """Where the node is true."""
        return self._asked(node, True)

    def false(self, node: Tree) -> Flags:
        """Where the node is known not to be true."""
        return self._asked(node, False)

    def values(self, operand: Operand) -> Array:
        """An operand that is no number, on each bar; NaN where it is not known."""
        series, ago = self._series(operand)
        out = np.full(len(self.bars), np.nan)
        out[ago:] = series[: max(len(series) - ago, 0)]
        return out

    def value(self, operand: Operand, row: int, earlier: int = 0) -> float:
        """Its value on one bar, `earlier` bars of its own timeframe before; NaN where it is not known."""
        series, ago = self._series(operand, earlier)
        return float(series[row - ago]) if row >= ago else np.nan

    # --- nodes ------------------------------------------------------------------------------------------------------

    def _asked(self, node: Tree, wanted: bool) -> Flags:
        key = self._key(node)
        if self.every_node or self._places[key] > 1:
            return self._keep((wanted, key), lambda: self._answer(node, wanted))
        return self._answer(node, wanted)

    def _answer(self, node: Tree, wanted: bool) -> Flags:
        if node["type"] == "compare":
            found = self._compare(node, wanted)
        elif node["type"] == "not":
            # None of its children: true where all are false, false where one is true.
            found = _join([self._asked(child, not wanted) for child in node["children"]], every=wanted)
        else:
            every = wanted == (node["type"] == "and")
            found = _join([self._asked(child, wanted) for child in node["children"]], every=every)
        held = node.get("for_bars", 1)
        if held == 1:
            return found
        # Held: true on each of the last n bars; not held where one of them is false.
        return _run(found, held) if wanted else ~_run(~found, held, before=True)

    def _compare(self, node: Tree, wanted: bool) -> Flags:
        condition, left = node["condition"], self._series(node["left"])
        if condition == "between":
            low, high = self._series(node["low"]), self._series(node["high"])
            if wanted:
                return self._pair(np.greater_equal, left, low) & self._pair(np.less_equal, left, high)
            return self._pair(np.less, left, low) | self._pair(np.greater, left, high)
        other = self._series(node["left"], node["bars"]) if condition in shapes.MOVES else self._series(node["right"])
        if condition not in shapes.CROSSINGS:
            return self._pair(_COMPARE[condition][not wanted], left, other)
        if condition == "crosses_below":
            left, other = other, left
        above, not_above = self._pair(np.greater, left, other), self._pair(np.less_equal, left, other)
        if wanted:
            above[1:] &= not_above[:-1]
            above[:1] = False
            return above
        # It did not cross where it is not above now, or was above before; on the first bar the latter is unknown.
        not_above[1:] |= above[:-1]
        return not_above

    def _pair(self, compare: np.ufunc, left: Series, right: Series) -> Flags:
        """Where `compare` holds between two series; not where one of them is not known."""
        start = min(max(left[1], right[1]), len(self.bars))
        out = np.zeros(len(self.bars), bool)
        compare(_from(left, start), _from(right, start), out=out[start:])
        return out

    # --- operands ---------------------------------------------------------------------------------------------------

    def _series(self, operand: Operand, earlier: int = 0) -> Series:
        """(its values, how many bars ago they are meant): nothing is moved that can be read where it lies."""
        if "value" in operand:
            return float(operand["value"]), 0
        ago = operand.get("bars_ago", 0) + earlier
        timeframe = operand.get("timeframe", self.bars.timeframe)
        if timeframe == self.bars.timeframe:
            return self._plain(operand, self.bars), ago
        return self._keep(("coarse", self._key(operand), earlier), lambda: self._spread(operand, timeframe, ago)), 0

    def _spread(self, operand: Operand, timeframe: str, ago: int) -> Array:
        if timeframe not in self._coarse:
            self._coarse[timeframe] = aligned(self.bars, timeframe)
        coarse = self._coarse[timeframe]
        return coarse.spread(self._plain(operand, coarse.bars), ago)

    def _plain(self, operand: Operand, bars: Bars) -> Array:
        """The operand on the bars of its timeframe."""
        if "price" in operand:
            return getattr(bars, operand["price"])
        name = operand["indicator"]
        given = {field: operand[field] for field in indicators.get(name).params}
        key = (name, bars.timeframe, tuple(given.items()))
        outputs = self._keep(key, lambda: indicators.calculate(name, bars, **given))
        return outputs[operand["output"]] if "output" in operand else next(iter(outputs.values()))

    # --- what is kept -----------------------------------------------------------------------------------------------

    def _key(self, form: Any) -> int:
        """A number for a node or an operand: equal ones that are spelled alike have the same."""
        known = self._keys.get(id(form))
        if known is None:
            entries = []
            for name, value in form.items():
                if name == "children":
                    value = tuple([self._key(child) for child in value])
                elif isinstance(value, dict):
                    value = tuple(value.items())
                entries.append((name, value))
            known = self._names.setdefault(tuple(entries), len(self._names))
            self._keys[id(form)] = known
            self._places[known] += 1
            self._alive.append(form)  # a number stands for an object only while that exists
        return known

    def _keep(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = self._kept[key] = make()
        self._size += _bytes(made)
        while self._size > _KEPT_BYTES and len(self._kept) > 1:
            self._size -= _bytes(self._kept.popitem(last=False)[1])
        return made


def _from(series: Series, start: int) -> Array | float:
    """The values that are meant from bar `start` on."""
    values, ago = series
    return values if isinstance(values, float) else values[start - ago : len(values) - ago]


def _join(parts: list[Flags], *, every: bool) -> Flags:
    found = parts[0]
    for part in parts[1:]:
        found = found & part if every else found | part
    return found


def _run(flags: Flags, count: int, *, before: bool = False) -> Flags:
    """Where the last `count` flags, this one included, are all set. before: what counts for bars before the first."""
    have, run = 1, flags
    while have < count:
        # A run of `have` bars that ends here and one that ends `step` bars earlier make a longer one.
        step = min(have, count - have)
        longer = np.empty(len(run), bool)
        longer[:step] = run[:step] & before
        np.logical_and(run[step:], run[: max(len(run) - step, 0)], out=longer[step:])
        have, run = have + step, longer
    return run


def _bytes(made: Any) -> int:
    arrays = made.values() if isinstance(made, dict) else (made,)
    return sum(array.nbytes for array in arrays)
