"""The causality check: what a strategy says about a bar may depend on that bar and earlier ones only.

Truncate and replay: the outputs computed from the first k bars must equal, to the last bit, the first k outputs
computed from all bars. Any use of a later bar (a negative shift, a centred window, a mean of the whole series, scaling
by the last value, a coarse bar read before it closed) changes some output of some prefix. Signals, confidence and every
line are compared, so a leak is seen even where it has not changed a decision yet. Plain Python and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from strategies import indicators
from strategies.base import Strategy, utc
from strategies.panel import Panel, PanelStrategy

if TYPE_CHECKING:
    from engine import Bars

DEFAULT_POINTS = 300
_MEMORY_POINTS = 24
_FIRST_POINTS = 17
Outputs = Mapping[str, NDArray[Any]]


class Series(Protocol):
    """What a prefix can be cut from: `engine.Bars`, or a `Panel` of several."""

    ts: NDArray[np.int64]

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> Self: ...


S = TypeVar("S", bound=Series)


@dataclass(frozen=True, slots=True)
class Leak:
    """One value that changed when the future was cut away.

    bar: index of the value; known: how many bars there were when it was computed again. output: which array. full: the
    value from all bars; cut: the value from the first `known` bars (None: there was none).
    """

    bar: int
    known: int
    output: str
    full: float
    cut: float | None

    def __str__(self) -> str:
        return (
            f"{self.output} at bar {self.bar} is {self.cut} from the first {self.known} bars and {self.full} from all"
        )


@dataclass(frozen=True, slots=True)
class CausalityReport:
    """The outcome. Use `ok`; `first_leak` and `problems` say what is wrong.

    subject: what was checked. bars: length of the series. replays: how many prefixes were computed again.
    first_leak: the one at the earliest bar that was found. first_leak_time: that bar's start, ISO-8601.
    declared_warmup: bars that the strategy says it needs before its first signal; None for an indicator.
    first_valid: index of the first bar on which every line has a value; None where there is none.
    memory: measured warm-up: the least number of bars from which the latest decision (an indicator: value) is the same
        as from all, on the bars that were tried; of averages with an infinite memory it tells how much matters here.
        None: more than there are, or it looks ahead.
    """

    subject: str
    bars: int
    replays: int
    first_leak: Leak | None
    first_leak_time: str | None
    declared_warmup: int | None
    first_valid: int | None
    memory: int | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def check(strategy: Strategy, bars: Bars, *, points: int = DEFAULT_POINTS) -> CausalityReport:
    """Checks a strategy's signals, confidence and lines over `bars`.

    points: how many prefixes are replayed; all of them where the series is no longer than that. They are chosen around
    the signals, around the warm-up and evenly, the same ones on every call.
    """

    def outputs(part: Bars) -> Outputs:
        return {"signals": strategy.signals(part), "confidence": strategy.confidence(part), **strategy.lines(part)}

    return check_outputs(strategy.slug, outputs, bars, points=points, warmup=strategy.warmup())


def check_panel(strategy: PanelStrategy, bars: Mapping[str, Bars], *, points: int = DEFAULT_POINTS) -> CausalityReport:
    """Checks a strategy over several symbols: every field of every symbol's signals, and its lines.

    Prefixes are cut by rows of the panel, at one time for all symbols; `Leak.bar` is a row. See `check`.
    """

    def outputs(part: Panel) -> Outputs:
        found: dict[str, NDArray[Any]] = {"signals": np.zeros(len(part), np.int64)}
        answers = strategy.panel_signals(part)
        for symbol in sorted(part.symbols):
            answer, silent = answers[symbol], np.ones(len(part), bool)
            silent[part.rows[symbol]] = False
            # One number for what all symbols are told: each has its digit.
            found["signals"] = found["signals"] * 7 + np.where(silent, 0, answer["action"])
            for name in answer.dtype.names or ():
                found[f"{symbol} {name}"] = np.where(silent, np.nan, answer[name].astype(np.float64))
            found |= {f"{symbol} {name}": line for name, line in strategy.panel_lines(part, symbol).items()}
        return found

    return check_outputs(strategy.slug, outputs, Panel(bars), points=points, warmup=strategy.warmup())


def check_indicator(name: str, bars: Bars, *, points: int = DEFAULT_POINTS, **params: object) -> CausalityReport:
    """Checks every output of a registered indicator."""
    return check_outputs(name, lambda part: indicators.calculate(name, part, **params), bars, points=points)


def check_outputs(
    subject: str,
    compute: Callable[[S], Outputs],
    bars: S,
    *,
    points: int = DEFAULT_POINTS,
    warmup: int | None = None,
) -> CausalityReport:
    """Checks any function from bars to named arrays, one value a bar: features, model outputs, decisions.

    An output called "signals" is a decision: most prefixes end near its non-zero bars. warmup: bars needed before the
    first one, as declared.
    """

    def guarded(part: S) -> Outputs:
        try:
            return compute(part)
        except Exception as error:  # whatever a user's function raises is its fault, and belongs into the report
            raise _Failure(f"fails on {len(part)} bars: {type(error).__name__}: {error}") from error

    try:
        return _checked(subject, guarded, bars, points, warmup)
    except _Failure as failure:
        return CausalityReport(subject, len(bars), 0, None, None, warmup, None, None, (str(failure),))


class _Failure(Exception):
    """The checked function raised."""


def _checked(
    subject: str, compute: Callable[[S], Outputs], bars: S, points: int, warmup: int | None
) -> CausalityReport:
    n = len(bars)
    # Some prefixes are computed before the whole series was ever seen: what is remembered from it cannot help them.
    first = {k: compute(bars[:k]) for k in np.unique(np.linspace(0, n, _FIRST_POINTS, dtype=int)).tolist()}
    full = dict(compute(bars))
    problems = [
        f"{name} has {values.shape[0] if values.ndim else 0} values for {n} bars"
        for name, values in full.items()
        if values.shape != (n,)
    ]
    if problems:
        return CausalityReport(subject, n, 0, None, None, warmup, None, None, tuple(problems))
    if (unstable := _first_difference(full, compute(bars), n)) is not None:
        problems.append(
            f"not repeatable: computed twice from the same bars, {unstable[1]} differs at bar {unstable[0]}"
        )
    decided = np.flatnonzero(full["signals"]) if "signals" in full else np.empty(0, np.int64)
    cuts = _cuts(n, points, decided, warmup)
    leak = None
    for known, part in [*first.items(), *((k, None) for k in cuts)]:
        answer = compute(bars[:known]) if part is None else part
        found = _first_difference(full, answer, known)
        if found is not None and (leak is None or found[0] < leak.bar):
            leak = _leak(found, known, full, answer)
    if leak is not None:
        problems.append(f"looks ahead: {leak}")
    early = decided[decided < warmup - 1] if warmup is not None else decided[:0]
    if early.size:
        problems.append(f"a signal at bar {early[0]}, before its declared warm-up of {warmup} bars")
    return CausalityReport(
        subject=subject,
        bars=n,
        replays=len(cuts),
        first_leak=leak,
        first_leak_time=utc(int(bars.ts[leak.bar])).isoformat().replace("+00:00", "Z") if leak else None,
        declared_warmup=warmup,
        first_valid=_first_valid(full),
        memory=_memory(full, compute, bars, decided) if leak is None else None,
        problems=tuple(problems),
    )


def _cuts(n: int, points: int, near: NDArray[np.integer], warmup: int | None) -> list[int]:
    """Lengths of the prefixes to replay, ascending; all of them where n ≤ points."""
    if n <= points:
        return list(range(1, n + 1))
    rng = np.random.default_rng(0)
    wanted: set[int] = {1, n - 1, n}
    if warmup is not None:
        wanted.update(range(max(1, warmup - 2), min(n, warmup + 3)))
    if near.size:
        # Just before, at and just after bars with a signal: where a look ahead by a few bars shows.
        chosen = rng.choice(near, size=min(near.size, max(points // 8, 1)), replace=False)
        for offset in (0, 1, 2, 3):
            wanted.update((chosen + offset).tolist())
    wanted = {int(k) for k in wanted if 1 <= k <= n}
    others = np.setdiff1d(np.arange(1, n + 1), list(wanted))
    wanted.update(rng.choice(others, size=max(points - len(wanted), 0), replace=False).tolist())
    return sorted(wanted)


def _first_difference(full: Outputs, part: Outputs, known: int) -> tuple[int, str] | None:
    """(bar, output) of the earliest value that is not bit for bit the same (NaN is NaN); None where all are."""
    found: tuple[int, str] | None = None
    for name, values in full.items():
        mine = part.get(name)
        if mine is None or mine.shape != (known,):
            return 0, name
        expected = values[:known]
        same = (expected == mine) | ((expected != expected) & (mine != mine))
        if not same.all():
            bar = int(np.argmin(same))
            found = (bar, name) if found is None or bar < found[0] else found
    return found


def _leak(found: tuple[int, str], known: int, full: Outputs, part: Outputs) -> Leak:
    bar, name = found
    mine = part.get(name)
    cut = float(mine[bar]) if mine is not None and bar < len(mine) else None
    return Leak(bar=bar, known=known, output=name, full=float(full[name][bar]), cut=cut)


def _first_valid(full: Outputs) -> int | None:
    """The first bar on which every floating-point output has a value."""
    valid = np.logical_and.reduce([np.isfinite(v) for v in full.values() if v.dtype.kind == "f"] or [np.ones(0, bool)])
    return int(np.argmax(valid)) if valid.any() else None


def _memory(full: Outputs, compute: Callable[[S], Outputs], bars: S, near: NDArray[np.integer]) -> int | None:
    """Least history from which the decision (else: every output) on the last bar is that of the whole series."""
    decided = {"signals": full["signals"]} if "signals" in full else full
    half = np.arange(len(bars) // 2, len(bars))
    if len(bars) < 2:
        return None
    rng = np.random.default_rng(0)
    places = {int(i) for i in rng.choice(half, min(_MEMORY_POINTS, half.size), replace=False)}
    places |= {int(i) for i in near[near >= half[0]][:_MEMORY_POINTS]}

    def enough(history: int) -> bool:
        for i in places:
            last = compute(bars[max(0, i + 1 - history) : i + 1])
            if any(not _same(values[i], last[name][-1]) for name, values in decided.items()):
                return False
        return True

    # With more history than this, some of the places would have all there is and prove nothing.
    longest = min(places)
    low, high = 0, min(1, longest)
    while not enough(high):
        if high >= longest:
            return None
        low, high = high, min(high * 2, longest)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _same(a: Any, b: Any) -> bool:
    # A running sum that began elsewhere ends in other last bits; for memory that is the same value.
    return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))
