"""Whether any weights satisfy all limits; where none do, which limits are in conflict and what would end it.

Each limit is one or more linear rows with a common slack: how far the limit, as the user wrote it, would have to give.
A set of limits is in conflict when no weights satisfy it, and is minimal when every limit left out of it ends that
(Chinneck, "Feasibility and Infeasibility in Optimization", 2008: the deletion filter).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import Fault, InputError
from strategies.allocation.moments import mean
from strategies.allocation.problem import Array, Problem

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class _Limit:
    """matrix @ [w, traded] ≤ bound + slack. words: the limit as it stands; mended: what it would be with a slack."""

    path: str
    words: str
    matrix: Array
    bound: Array
    mended: Callable[[float], str]


def refuse_infeasible(problem: Problem, *, invested: bool) -> None:
    """Raises InputError (code ``infeasible``), one fault for each limit of a minimal conflict.

    invested: the weights must add up to 1; else to anything from 0 to 1, what is left is cash.
    """
    limits = _limits(problem)
    if _slack(problem, limits, None, invested) is not None:
        return
    conflict = list(limits)
    for limit in limits:
        without = [other for other in conflict if other is not limit]
        if _slack(problem, without, None, invested) is None:
            conflict = without
    raise InputError(_fault(problem, limits, conflict, limit, invested) for limit in conflict)


def _fault(
    problem: Problem, limits: Sequence[_Limit], conflict: Sequence[_Limit], limit: _Limit, invested: bool
) -> Fault:
    total = "the weights add up to 100 %" if invested else "the weights add up to 100 % at most"
    others = [other.words for other in conflict if other is not limit] + [total]
    message = f"{limit.words[0].upper()}{limit.words[1:]}: that cannot be while {_listed(others)}."
    slack = _slack(problem, limits, limit, invested)
    if slack is None:
        hint = "Changing this limit alone is not enough."
    else:
        hint = f"It can be {limit.mended(slack)}, with everything else as it is."
    return Fault(limit.path, "infeasible", message, hint)


def _limits(problem: Problem) -> list[_Limit]:
    n, eye = problem.n, np.eye(problem.n)
    found = []

    def add(path: str, words: str, rows: Array, bound: Array, mended: Callable[[float], str]) -> None:
        matrix = np.hstack([rows, np.zeros((len(rows), n))])
        found.append(_Limit(path, words, matrix, bound, mended))

    common = np.array([symbol not in problem.bounds for symbol in problem.symbols])
    count = int(common.sum())
    if count:
        least, most = problem.min_weight, problem.max_weight
        who = "the symbol has" if count == 1 else f"each of {count} symbols has"
        ones = np.ones(count)
        add("min_weight", f"{who} {_pct(least)} at least", -eye[common], -least * ones, lambda s: _low(least - s))
        add("max_weight", f"{who} {_pct(most)} at most", eye[common], most * ones, lambda s: _high(most + s))
    for place, symbol in enumerate(problem.symbols):
        if symbol in problem.bounds:
            low, high = problem.bounds[symbol]
            path, row = f"bounds.{symbol}", eye[place : place + 1]
            add(path, f"{symbol} has {_pct(low)} at least", -row, np.array([-low]), lambda s, low=low: _low(low - s))
            add(path, f"{symbol} has {_pct(high)} at most", row, np.array([high]), lambda s, high=high: _high(high + s))
    for i, group in enumerate(problem.groups):
        row = problem.members(group.symbols)[None, :]
        if (low := group.least) is not None:
            words = f"the group {group.name} has {_pct(low)} at least"
            add(f"groups[{i}].least", words, -row, np.array([-low]), lambda s, low=low: _low(low - s))
        if (high := group.most) is not None:
            words = f"the group {group.name} has {_pct(high)} at most"
            add(f"groups[{i}].most", words, row, np.array([high]), lambda s, high=high: _high(high + s))
    if (turnover := problem.max_turnover) is not None:
        matrix = np.hstack([np.zeros((1, n)), np.ones((1, n))])
        words = f"the turnover is {_pct(turnover)} at most"
        found.append(_Limit("max_turnover", words, matrix, np.array([turnover]), lambda s: _high(turnover + s)))
    if (target := problem.target_return) is not None:
        matrix = np.hstack([-mean(problem.returns)[None, :], np.full((1, n), problem.cost)])
        words = f"the mean return is {_per_bar(target)} a bar at least"
        found.append(
            _Limit("target_return", words, matrix, np.array([-target]), lambda s: f"{_per_bar(target - s, -1)} at most")
        )
    return found


def _slack(problem: Problem, limits: Sequence[_Limit], giving: _Limit | None, invested: bool) -> float | None:
    """The least slack of `giving` with which all limits hold (0 without one); None where none is enough."""
    from scipy.optimize import linprog

    n = problem.n
    eye = np.eye(n)
    # x = [weights, what is traded of each, slack]; traded ≥ |weight - held|.
    rows = [np.hstack([eye, -eye, np.zeros((n, 1))]), np.hstack([-eye, -eye, np.zeros((n, 1))])]
    bound = [problem.held, -problem.held]
    for limit in limits:
        slack = np.full((len(limit.matrix), 1), -1.0 if limit is giving else 0.0)
        rows.append(np.hstack([limit.matrix, slack]))
        bound.append(limit.bound + _TOLERANCE * (limit is not giving))
    total = np.concatenate([np.ones(n), np.zeros(n + 1)])[None, :]
    equal = {"A_eq": total, "b_eq": [1.0]} if invested else {}
    if not invested:
        rows += [total, -total]
        bound += [np.array([1.0]), np.array([0.0])]
    free, positive = (None, None), (0, None)
    found = linprog(
        np.concatenate([np.zeros(2 * n), [1.0]]),
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(bound),
        bounds=[free] * n + [positive] * n + [positive],
        method="highs",
        **equal,
    )
    return float(found.x[-1]) if found.status == 0 else None


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _pct(ratio: float) -> str:
    return f"{ratio * 100:.6g} %"


def _per_bar(ratio: float, towards: int = 0) -> str:
    """A return per bar in percent; rounded down or up (-1, 1) so that what is advised is legal."""
    scaled = ratio * 1e6
    rounded = {0: scaled, -1: np.floor(scaled + 1e-6), 1: np.ceil(scaled - 1e-6)}[towards]
    return f"{rounded / 1e4:.8g} %"


def _low(ratio: float) -> str:
    return f"{_per_bar(ratio, -1)} or less"


def _high(ratio: float) -> str:
    return f"{_per_bar(ratio, 1)} or more"
