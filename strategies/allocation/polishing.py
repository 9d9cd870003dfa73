"""The last digits of a quadratic problem. An interior-point solver stops where the objective is flat, 1e-6 short of
the weights; once it is known which limits bind, they follow from linear equations."""

from __future__ import annotations

import numpy as np

from strategies.allocation.problem import Array

_BINDS = 1e-5
_HOLDS = 1e-10


def polished(found: Array, mu: Array, cov: Array, aversion: float, matrix: Array, bound: Array, fixed: int) -> Array:
    """The least aversion·w'Σw - μ'w under matrix @ w ≤ bound, whose first `fixed` rows are equations.

    found: near it. Limits that bind there become equations; those that push the wrong way are let go. What is given is
    feasible and has no such limit, so it is the optimum (Karush, Kuhn, Tucker); else `found`.
    """
    binds = np.abs(bound - matrix @ found) <= _BINDS
    binds[:fixed] = True
    n = len(found)
    for _ in range(n + 1):
        active, places = matrix[binds], np.flatnonzero(binds)
        k = len(active)
        system = np.block([[2.0 * aversion * cov, active.T], [active, np.zeros((k, k))]])
        # Limits may bind twice (a group of one symbol and its bound): least squares shares their push out.
        answer = np.linalg.lstsq(system, np.concatenate([mu, bound[binds]]), rcond=1e-13)[0]
        weights, pushes = answer[:n], np.where(places < fixed, 0.0, answer[n:])
        if k and pushes.min() < -_HOLDS:
            binds[places[pushes.argmin()]] = False
            continue
        over = matrix @ weights - bound
        over[:fixed] = np.abs(over[:fixed])
        return np.asarray(weights) if (over <= _HOLDS).all() else found
    return found
