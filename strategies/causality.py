"""The causality check: what a strategy says about a bar may depend on that bar and earlier ones only.

Truncate and replay: the outputs computed from the first k bars must equal, to the last bit, the first k outputs
computed from all bars. Any use of a later bar (a negative shift, a centred window, a mean of the whole series, scaling
by the last value, a coarse bar read before it closed) changes some output of some prefix. Signals, confidence and every
line are compared, so a leak is seen even where it has not changed a decision yet. Plain Python and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategies import indicators
from strategies.base import Strategy, utc

if TYPE_CHECKING:
    from engine import Bars

DEFAULT_POINTS = 300
_MEMORY_POINTS = 24
Outputs = Mapping[str, NDArray[Any]]


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

    signals = np.flatnonzero(strategy.signals(bars))
    report = check_outputs(strategy.slug, outputs, bars, points=points, near=signals, warmup=strategy.warmup())
    early = signals[signals < strategy.warmup() - 1]
    if early.size:
        text = f"a signal at bar {early[0]}, before its declared warm-up of {strategy.warmup()} bars"
        return _with_problem(report, text)
    return report


def check_indicator(name: str, bars: Bars, *, points: int = DEFAULT_POINTS, **params: object) -> CausalityReport:
    """Checks every output of a registered indicator."""
    return check_outputs(name, lambda part: indicators.calculate(name, part, **params), bars, points=points)


def check_outputs(
    subject: str,
    compute: Callable[[Bars], Outputs],
    bars: Bars,
    *,
    points: int = DEFAULT_POINTS,
    near: NDArray[np.integer] | None = None,
    warmup: int | None = None,
) -> CausalityReport:
    """Checks any function from bars to named arrays, one value a bar: features, model outputs, decisions.

    near: bars around which most prefixes end, e.g. those with a signal. warmup: as declared.
    """
    full = dict(compute(bars))
    problems = [
        f"{name} has {values.shape[0] if values.ndim else 0} values for {len(bars)} bars"
        for name, values in full.items()
        if values.shape != (len(bars),)
    ]
    if problems:
        return CausalityReport(subject, len(bars), 0, None, None, warmup, None, None, tuple(problems))
    if (unstable := _first_difference(full, compute(bars), len(bars))) is not None:
        problems.append(
            f"not repeatable: computed twice from the same bars, {unstable[1]} differs at bar {unstable[0]}"
        )
    cuts = _cuts(len(bars), points, near, warmup)
    leak = None
    for known in cuts:
        part = compute(bars[:known])
        if (found := _first_difference(full, part, known)) is not None and (leak is None or found[0] < leak.bar):
            leak = _leak(found, known, full, part)
    if leak is not None:
        problems.append(f"looks ahead: {leak}")
    return CausalityReport(
        subject=subject,
        bars=len(bars),
        replays=len(cuts),
        first_leak=leak,
        first_leak_time=utc(int(bars.ts[leak.bar])).isoformat().replace("+00:00", "Z") if leak else None,
        declared_warmup=warmup,
        first_valid=_first_valid(full),
        memory=_memory(full, compute, bars, near) if leak is None else None,
        problems=tuple(problems),
    )


def _cuts(n: int, points: int, near: NDArray[np.integer] | None, warmup: int | None) -> list[int]:
    """Lengths of the prefixes to replay, ascending; all of them where n ≤ points."""
    if n <= points:
        return list(range(1, n + 1))
    rng = np.random.default_rng(0)
    wanted: set[int] = {1, n - 1, n}
    if warmup is not None:
        wanted.update(range(max(1, warmup - 2), min(n, warmup + 3)))
    if near is not None and near.size:
        # Just before, at and just after bars with a signal: where a look ahead by a few bars shows.
        chosen = rng.choice(near, size=min(near.size, max(points // 8, 1)), replace=False)
        for offset in (0, 1, 2, 3):
            wanted.update((chosen + offset).tolist())
    rest = max(points - len(wanted), 0)
    wanted.update(rng.choice(np.arange(1, n + 1), size=rest, replace=False).tolist())
    return sorted(int(k) for k in wanted if 1 <= k <= n)


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


def _memory(
    full: Outputs, compute: Callable[[Bars], Outputs], bars: Bars, near: NDArray[np.integer] | None
) -> int | None:
    """Least history from which the decision (else: every output) on the last bar is that of the whole series."""
    decided = {"signals": full["signals"]} if "signals" in full else full
    half = np.arange(len(bars) // 2, len(bars))
    if len(bars) < 2:
        return None
    rng = np.random.default_rng(0)
    places = {int(i) for i in rng.choice(half, min(_MEMORY_POINTS, half.size), replace=False)}
    if near is not None:
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


def _with_problem(report: CausalityReport, problem: str) -> CausalityReport:
    return replace(report, problems=(*report.problems, problem))
