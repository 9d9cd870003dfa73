"""What an allocation is asked: returns, limits, costs; and what is wrong with them, said before anything is solved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError

Array = NDArray[np.float64]
COVARIANCES: Final = {"sample": "Sample", "ledoit_wolf": "Ledoit-Wolf"}
MOST_SYMBOLS: Final = 100
# Of a symbol's mean square return: a variance below it is rounding of a price that stands still.
_STILL: Final = 1e-18


@dataclass(frozen=True, slots=True)
class Group:
    """Symbols whose weights together lie between `least` and `most`: a sector, a country, what you will."""

    name: str
    symbols: tuple[str, ...]
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """An opinion on a mean return per bar: of `symbol`, or of how much it will beat `over`. confidence: 0 < c ≤ 1."""

    symbol: str
    expected: float
    over: str | None = None
    confidence: float = 0.5


@dataclass(frozen=True)
class Problem:
    """Everything that weights are computed from. Ratios and returns per bar throughout; nothing is in percent.

    symbols: n names. returns: simple returns, shape (T, n), oldest first; bars in which a symbol has none are NaN and
    refused. min_weight, max_weight: of every symbol; bounds: (least, most) of single ones in their place. groups:
    limits on sums. current: weights held now, 0 where silent. max_turnover: most Σ|w - current|. cost_ratio: cost of
    trading as a ratio of what is traded; cost_bars: the bars over which it is earned back, so that the expected return
    per bar falls by cost_ratio / cost_bars · Σ|w - current|. It counts wherever an expected return does. covariance:
    one of `COVARIANCES`. risk_free: per bar. target_return: per bar, after costs. kelly_ratio: share of full Kelly.
    views, market (weights; silent: equal), tau, risk_aversion: of Black and Litterman's model.
    """

    symbols: tuple[str, ...]
    returns: Array
    min_weight: float = 0.0
    max_weight: float = 1.0
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    current: Mapping[str, float] = field(default_factory=dict)
    max_turnover: float | None = None
    cost_ratio: float = 0.0
    cost_bars: int = 21
    covariance: str = "sample"
    risk_free: float = 0.0
    target_return: float | None = None
    kelly_ratio: float = 0.5
    views: tuple[View, ...] = ()
    market: Mapping[str, float] = field(default_factory=dict)
    tau: float = 0.05
    risk_aversion: float = 2.5

    @property
    def n(self) -> int:
        return len(self.symbols)

    @property
    def cost(self) -> float:
        """What one unit of turnover takes off the return per bar."""
        return self.cost_ratio / self.cost_bars

    @property
    def held(self) -> Array:
        """`current`, one a symbol."""
        return np.array([self.current.get(symbol, 0.0) for symbol in self.symbols])

    def without_turnover(self) -> Problem:
        """The same without a limit on turnover."""
        return replace(self, max_turnover=None)

    def least_and_most(self) -> tuple[Array, Array]:
        """The bounds of each symbol's weight."""
        pairs = [self.bounds.get(symbol, (self.min_weight, self.max_weight)) for symbol in self.symbols]
        return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])

    def members(self, symbols: Iterable[str]) -> Array:
        """1 for each of `symbols`, else 0; one a symbol of the problem."""
        chosen = set(symbols)
        return np.array([1.0 if symbol in chosen else 0.0 for symbol in self.symbols])


def refuse_bad(problem: Problem, *, needs_covariance: bool) -> None:
    """Raises InputError for what no method can work on; every fault at once. Paths are fields of `Problem`.

    needs_covariance: the method reads how the returns move, so prices must move and there must be enough of them.
    """
    if faults := [*_shape(problem), *_declared(problem)]:
        raise InputError(faults)
    if faults := list(_data(problem, needs_covariance)):
        raise InputError(faults)


def _shape(problem: Problem) -> Iterable[Fault]:
    if not 1 <= problem.n <= MOST_SYMBOLS:
        yield Fault("symbols", "out_of_range", f"There are {problem.n} symbols.", f"From 1 to {MOST_SYMBOLS}.")
    if len(set(problem.symbols)) != problem.n:
        yield Fault("symbols", "conflict", "A symbol is named twice.", "Name each symbol once.")
    if problem.returns.ndim != 2 or problem.returns.shape[1] != problem.n:
        message = f"The returns have the shape {problem.returns.shape} and there are {problem.n} symbols."
        yield Fault("returns", "wrong_type", message, "One row a bar, one column a symbol.")


def _declared(problem: Problem) -> Iterable[Fault]:
    known = set(problem.symbols)
    hint = f"One of: {', '.join(problem.symbols)}."
    if problem.covariance not in COVARIANCES:
        message = f"There is no covariance {problem.covariance!r}."
        yield Fault("covariance", "unknown_choice", message, f"One of: {', '.join(COVARIANCES)}.")
    if not problem.min_weight <= problem.max_weight:
        message = f"The least weight ({problem.min_weight:.4g}) is above the most ({problem.max_weight:.4g})."
        yield Fault("min_weight", "conflict", message, f"At most {problem.max_weight:.4g}.")
    for symbol, (low, high) in problem.bounds.items():
        if symbol not in known:
            yield Fault(f"bounds.{symbol}", "unknown_choice", f"{symbol} is none of the symbols.", hint)
        elif not low <= high:
            message = f"The least weight of {symbol} ({low:.4g}) is above its most ({high:.4g})."
            yield Fault(f"bounds.{symbol}", "conflict", message, f"At most {high:.4g}.")
    for i, group in enumerate(problem.groups):
        if strangers := [symbol for symbol in group.symbols if symbol not in known]:
            message = f"The group {group.name} holds {strangers[0]}, which is none of the symbols."
            yield Fault(f"groups[{i}].symbols", "unknown_choice", message, hint)
        if not group.symbols:
            yield Fault(f"groups[{i}].symbols", "required", f"The group {group.name} holds no symbol.", hint)
        if group.least is not None and group.most is not None and group.least > group.most:
            message = f"The least of {group.name} ({group.least:.4g}) is above its most ({group.most:.4g})."
            yield Fault(f"groups[{i}].least", "conflict", message, f"At most {group.most:.4g}.")
    for i, view in enumerate(problem.views):
        for name, symbol in (("symbol", view.symbol), ("over", view.over)):
            if symbol is not None and symbol not in known:
                yield Fault(f"views[{i}].{name}", "unknown_choice", f"{symbol} is none of the symbols.", hint)
        if view.symbol == view.over:
            yield Fault(f"views[{i}].over", "conflict", f"{view.symbol} cannot beat itself.", hint)
        if not 0 < view.confidence <= 1:
            message = f"The confidence is {view.confidence:.4g}."
            yield Fault(f"views[{i}].confidence", "out_of_range", message, "Above 0, at most 1.")
    if problem.max_turnover is not None and not problem.max_turnover >= 0:
        yield Fault("max_turnover", "out_of_range", "A turnover cannot be negative.", "At least 0.")


def _data(problem: Problem, needs_covariance: bool) -> Iterable[Fault]:
    rows = len(problem.returns)
    for place, symbol in enumerate(problem.symbols):
        missing = rows - int(np.isfinite(problem.returns[:, place]).sum())
        if missing == rows and rows:
            yield Fault("symbols", "no_bars", f"{symbol} has no bars in this period.", f"Leave {symbol} out.")
        elif missing:
            message = f"{symbol} has no return in {missing} of {rows} bars."
            yield Fault("symbols", "missing_bars", message, f"Leave {symbol} out, or choose a period it has bars for.")
        elif needs_covariance and rows > 1 and _stands_still(problem.returns[:, place]):
            message = f"The price of {symbol} moves alike in every bar, so it has no risk to weigh."
            yield Fault("symbols", "constant_price", message, f"Leave {symbol} out.")
    if not needs_covariance:
        return
    least = 2 if problem.covariance == "ledoit_wolf" else problem.n + 1
    if rows < least:
        message = f"There are {rows} returns for {problem.n} symbols; the covariance needs {least}."
        hint = f"Look back on {least} bars at least"
        more = ", or choose the Ledoit-Wolf estimator" if problem.covariance == "sample" and rows >= 2 else ""
        yield Fault("returns", "too_few", message, f"{hint}{more}.")


def _stands_still(returns: Array) -> bool:
    return bool(np.var(returns) <= _STILL + 1e-20 * np.mean(returns * returns))
