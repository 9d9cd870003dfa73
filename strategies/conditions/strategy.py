"""The strategy that trades condition trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies import indicators
from strategies.base import BUY, EXIT, EXIT_LONG, EXIT_SHORT, HOLD, SELL, Line, Signal, Strategy, register
from strategies.conditions import needs, shapes, words
from strategies.conditions.cleaning import clean, parse
from strategies.conditions.evaluation import Evaluation
from strategies.conditions.explaining import explain, holding
from strategies.conditions.guard import too_large
from strategies.conditions.shapes import Operand, Tree
from strategies.params import Param
from strategies.timeframes import refuse_finer

if TYPE_CHECKING:
    from engine import Bars

TREES = ("buy", "sell", "short", "cover")
_MOST_LINES = 12


class TreeParam(Param[Tree]):
    """A condition tree, or none. The value is its canonical form: `docs/conditions.md`."""

    type = "conditions"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(None, **kwargs)

    def rule(self) -> str:
        return "A condition, or a list of conditions that must all hold."

    def _clean(self, value: object) -> Tree:
        return clean(value, self.name)

    def _parse(self, text: str) -> object:
        return parse(text, self.name)

    def _words(self, value: Any) -> str:
        return words.sentence(value)


@register
class Conditions(Strategy):
    """Trade where conditions that you have put together hold: each compares indicators, prices and numbers on a bar.

    Four trees of conditions, each optional, at least one of the first and the third: buy opens a long position, sell
    closes it, short opens a short one, cover closes that. A sell closes and never opens. Where buy and sell hold on one
    bar they cancel out, as do short and cover, and buy and short.

    Conditions see bars and nothing else, never the position: time, profit and stop exits belong to the settings.
    """

    slug, label, kind = "conditions", "Conditions", "custom"
    listed = False
    depends_on = (
        *(f"strategies.conditions.{name}" for name in ("shapes", "evaluation", "cleaning", "needs")),
        "strategies.timeframes",
    )
    buy = TreeParam(help="Opens a long position where it holds")
    sell = TreeParam(help="Closes the long position where it holds")
    short = TreeParam(help="Opens a short position where it holds")
    cover = TreeParam(help="Closes the short position where it holds")

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.trees: dict[str, Tree] = {name: tree for name in TREES if (tree := getattr(self, name)) is not None}
        self.allows_short = self.short is not None
        self._drawn = _drawn(self.trees.values())
        self.line_info = {name: line for name, (line, _) in self._drawn.items()}
        self._last: tuple[Bars, Evaluation] | None = None

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        if values["buy"] is None and values["short"] is None:
            hint = "Give a buy or a short condition."
            yield Fault("buy", "required", "There is nothing that opens a position.", hint)
        given = [tree for tree in values.values() if tree is not None]
        if sum(len(shapes.nodes(tree)) for tree in given) > shapes.MAX_NODES:
            yield too_large(next(name for name in TREES if values[name] is not None))

    def warmup(self) -> int:
        return needs.warmup(self.trees.values())

    def bars_needed(self, timeframe: str, calendar: str) -> int:
        return needs.bars_needed(self.trees.values(), timeframe, calendar)

    def timeframes(self) -> Iterable[str]:
        return needs.timeframes(self.trees.values())

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        nowhere = np.zeros(len(bars), bool)
        evaluation = self._evaluation(bars)
        holds = {name: evaluation.true(self.trees[name]) if name in self.trees else nowhere for name in TREES}
        signals = _codes(**holds)
        signals[: self.warmup() - 1] = HOLD
        return signals

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        evaluation = self._evaluation(bars)
        return {name: evaluation.values(operand) for name, (_, operand) in self._drawn.items()}

    def evidence(self, bars: Bars, places: list[int]) -> list[Any]:
        """`explain` of each tree, by its name."""
        evaluation = self._evaluation(bars)
        told = {name: explain(tree, bars, places, evaluation) for name, tree in self.trees.items()}
        return [{name: told[name][i] for name in told} for i in range(len(places))]

    def _explained(self, bars: Bars, places: list[int]) -> list[Signal]:
        needed = self.warmup()
        explained = super()._explained(bars, places)
        # A session asks once a bar, and nobody else about that bar: what is kept would only lie there.
        self._last = None
        return [
            signal if place + 1 < needed else replace(signal, reasoning=_reason(signal))
            for place, signal in zip(places, explained, strict=True)
        ]

    def _evaluation(self, bars: Bars) -> Evaluation:
        """One for the bars that were asked about last: signals, lines and reasons of a decision share it."""
        if self._last is None or self._last[0] is not bars:
            self._last = (bars, Evaluation(bars))
        return self._last[1]


def refuse_timeframe(trees: Mapping[str, Any], timeframe: str) -> None:
    """Raises InputError (path ``timeframe``) where trees, by their names, read bars that cannot be made of these."""
    for wanted in needs.timeframes(tree for name in TREES if (tree := trees.get(name)) is not None):
        refuse_finer(wanted, timeframe)


def uses_conditions(slug: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a strategy is a condition tree, or has one among its members, however deep."""
    pending: list[tuple[Any, Any]] = [(slug, parameters)]
    for _ in range(shapes.MAX_NODES):
        if not pending:
            return False
        name, given = pending.pop()
        if name == Conditions.slug:
            return True
        members = given.get("members") if isinstance(given, Mapping) else None
        for member in members if isinstance(members, (list, tuple)) else ():
            if isinstance(member, Mapping):
                pending.append((member.get("strategy"), member.get("parameters")))
    return bool(pending)


def _codes(
    buy: NDArray[np.bool_], sell: NDArray[np.bool_], short: NDArray[np.bool_], cover: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """One action a bar. An entry and the exit from it cancel out, and so do the two entries."""
    long, leave_long = buy & ~sell, sell & ~buy
    down, leave_short = short & ~cover, cover & ~short
    codes = np.zeros(len(buy), np.int8)
    codes[leave_long] = EXIT_LONG
    codes[leave_short] = EXIT_SHORT
    codes[leave_long & leave_short] = EXIT
    # An entry closes what is open on the other side by itself.
    codes[long] = BUY
    codes[down] = SELL
    codes[long & down] = HOLD
    return codes


def _reason(signal: Signal) -> str:
    """What was true on the bar, from its evidence."""
    true = {name: told for name, told in signal.metadata["evidence"].items() if told["is"]}
    if not true:
        return f"No condition holds ({', '.join(signal.metadata['evidence'])})."
    told = "; ".join(f"{words.STARTS[name]} {holding(tree)}" for name, tree in true.items())
    return f"{told}." if signal.code else f"{told}. They cancel each other out."


def _drawn(trees: Iterable[Tree]) -> dict[str, tuple[Line, Operand]]:
    """Lines for a chart: the different indicators that the trees read, the first twelve."""
    drawn: dict[str, tuple[Line, Operand]] = {}
    for operand in (one for tree in trees for node in shapes.nodes(tree) for one in shapes.operands(node)):
        if "indicator" in operand and len(drawn) < _MOST_LINES:
            own = indicators.get(operand["indicator"]).pane == "own" or operand.get("source") == "volume"
            name = words.operand(operand)
            drawn[name] = (Line(name, "own" if own else "price"), operand)
    return drawn
