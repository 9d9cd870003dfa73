"""All tests of a passport over one study, in one pass over its variants."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtests.proof import VERSION, entries, judging, sharpe, variants
from backtests.proof.findings import Finding, overall
from backtests.proof.study import Outcome, Study, outcome
from backtests.proof.windows import PARTS, TRAINING, Window, windows

Progress = Callable[[int, int], bool | None]

FACTORS = (1, 2, 4)


class Stopped(Exception):
    """`on_progress` answered False."""


@dataclass(frozen=True, slots=True)
class _Walked:
    """One set of parameters: the whole run's daily returns, and those of each test stretch by itself."""

    parameters: dict[str, Any]
    returns: NDArray[np.float64]
    tests: list[NDArray[np.float64]]


def examine(study: Study, *, trials: int, seed: int, on_progress: Progress | None = None) -> dict[str, Any]:
    """Every test, JSON-ready: ``{"version", "seed", "trials", "verdict", "findings": [Finding], "runs", "hash"}``.

    trials: variants that the owner ever tried on these data, this one included. seed: of everything drawn; with the
    same bars, request and version, the same seed gives the same document, which `hash` tells.
    on_progress(done, total), in runs; answering False raises Stopped.
    Raises InputError as a run does.
    """
    streams = [np.random.default_rng([seed, VERSION, k]) for k in range(4)]
    moved = variants.neighbours(study.strategy, study.parameters)
    drawn = variants.draws(study.strategy, study.parameters, streams[0])
    candidates = _once([study.parameters, *(one[2] for one in moved), *drawn])
    total = len(candidates) + len(FACTORS)

    def tell(done: int) -> None:
        if on_progress is not None and on_progress(done, total) is False:
            raise Stopped

    tell(0)
    signals = study.signals(study.parameters)
    whole = study.run(study.parameters, signals)
    own = outcome(whole)
    stretches = windows(len(own.returns), anchored=True)
    walked = []
    for k, parameters in enumerate(candidates):
        asked = study.signals(parameters) if k else signals
        run = outcome(study.run(parameters, asked)) if k else own
        tests = [_part(study, parameters, asked, own, window) for window in stretches]
        walked.append(_Walked(parameters, run.returns, tests))
        tell(k + 1)
    growth, assumed = {}, False
    for k, factor in enumerate(FACTORS):
        settings, assumed = study.stressed(factor)
        growth[factor] = outcome(study.run(study.parameters, signals, settings)).growth
        tell(len(candidates) + k + 1)

    periods = study.periods_per_year
    held = study.held(whole)
    count = sum(len(one.entry) for one in held)
    p_value, real, random = None, 0.0, np.empty(0)
    if count >= judging.FEWEST_TRADES:
        p_value, real, random = entries.significance(held, judging.DRAWS, streams[1])
    findings = [
        judging.deflated_sharpe(own.returns, trials, periods),
        judging.probabilistic_sharpe(own.returns, periods),
        *(
            judging.walk_forward(
                name, _steps(walked, own, periods, anchored=name == "anchored"), len(candidates), periods
            )
            for name in ("rolling", "anchored")
        ),
        judging.neighbourhood(
            sharpe.per_period(own.returns) * math.sqrt(periods),
            _neighbours(moved, walked, periods),
            {name: param.label for name, param in study.strategy.params.items()},
        ),
        judging.entry_significance(p_value, real, random, count),
        judging.cost_stress(growth, assumed=assumed),
        judging.bootstrap(own.returns, streams[2]),
        judging.trade_order(own.trades, streams[3]),
    ]
    return _document(findings, trials=trials, seed=seed, runs=total, days=len(own.returns), trades=len(own.trades))


def _part(study: Study, parameters: dict[str, Any], signals: Any, own: Outcome, window: Window) -> NDArray[np.float64]:
    """The daily returns of one test stretch; zeros where it cannot be run."""
    first, end = int(own.days[window.test_start]), int(own.days[window.test_end - 1]) + 1
    part = study.part(parameters, signals, first, end)
    return np.zeros(window.test_end - window.test_start) if part is None else part.returns


def _steps(walked: Sequence[_Walked], own: Outcome, periods: float, *, anchored: bool) -> list[judging.Step]:
    """For each window, what the set of parameters with the best training Sharpe ratio did in the test."""
    year = math.sqrt(periods)
    steps = []
    for k, window in enumerate(windows(len(own.returns), anchored=anchored, gap=own.longest_held_days)):
        trained = [sharpe.per_period(one.returns[window.train_start : window.train_end]) for one in walked]
        best = int(np.argmax(trained))  # the owner's own first, on ties
        tested = walked[best].tests[k]
        steps.append(
            judging.Step(
                first_day=_day(own.days[window.test_start]),
                last_day=_day(own.days[window.test_end - 1]),
                in_sample=trained[best] * year,
                out_of_sample=sharpe.per_period(tested) * year,
                returns=tested,
                chosen=walked[best].parameters,
                changed=best != 0,
            )
        )
    return steps


def _neighbours(
    moved: Sequence[tuple[str, int, dict[str, Any]]], walked: Sequence[_Walked], periods: float
) -> list[tuple[str, int, Any, float]]:
    found = []
    for name, steps, parameters in moved:
        one = next(one for one in walked if one.parameters == parameters)
        found.append((name, steps, parameters[name], sharpe.per_period(one.returns) * math.sqrt(periods)))
    return found


def _once(sets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In order, each set of parameters once."""
    found: list[dict[str, Any]] = []
    for one in sets:
        if one not in found:
            found.append(one)
    return found


def _day(day: np.int64) -> str:
    return str(np.datetime64(int(day), "D"))


def _document(findings: Sequence[Finding], **told: Any) -> dict[str, Any]:
    """With a hash over every figure: two examinations agree in it when they agree to the last bit."""
    document = {
        "version": VERSION,
        **told,
        "verdict": overall(findings),
        "findings": [finding.as_dict() for finding in findings],
        "windows": {"parts": PARTS, "training": TRAINING},
    }
    plain = json.dumps(document, sort_keys=True, allow_nan=False)
    return document | {"hash": hashlib.sha256(plain.encode()).hexdigest()}
