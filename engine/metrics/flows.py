"""Returns of an account to which money came and from which it went, by the two standard definitions.

Time-weighted: what one unit of money would have earned that was there all the time; what came and went makes no
difference to it. Money-weighted: the constant rate at which everything that was put in would have grown to what is
there. Source: CFA Institute, Global Investment Performance Standards (GIPS) 2020, "time-weighted return" and
"money-weighted return".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.metrics.returns import Floats

# Growth a year, as logarithms, among which a money-weighted return is looked for: from -99.9999 % to a billion-fold.
_LOWEST, _HIGHEST, _PIECES = math.log(1e-6), math.log(1e9), 4_000
_HALVINGS = 60  # of one piece: below the last digit of a float64


def time_weighted(start: float, flows: Sequence[tuple[float, float]], end: float) -> float | None:
    """The return over the whole time, as a ratio: the sub-periods between flows, chained,

        (before_1 / start) × (before_2 / (before_1 + flow_1)) × … × (end / (before_n + flow_n)) - 1.

    start, end: value of the account at both ends. flows: in order of time, (value just before it, amount: above 0 what
    came in). None where a sub-period begins with nothing or less: there is nothing that could have earned.
    """
    growth, opening = 1.0, start
    for before, amount in (*flows, (end, 0.0)):
        if not (math.isfinite(before) and math.isfinite(amount) and opening > 0.0):
            return None
        growth *= before / opening
        opening = before + amount
    return growth - 1.0


def money_weighted(flows: Sequence[tuple[float, float]], end: float, years: float) -> float | None:
    """The internal rate of return a year, as a ratio: the r for which

        sum(amount × (1 + r) ** (years - t)) = end.

    flows: (t: years since the start, amount: above 0 what was put in), the opening value among them, at 0. end: value
    after `years`. -1 where all is lost. None where no rate does it, or more than one.
    """
    if not flows or not (math.isfinite(end) and end >= 0.0 and years > 0.0):
        return None
    times, amounts = (np.array(column, dtype=np.float64) for column in zip(*flows, strict=True))
    if not (np.isfinite(amounts).all() and (times >= 0.0).all() and (times <= years).all()):
        return None
    if end == 0.0 and (amounts >= 0.0).all() and amounts.any():
        return -1.0
    times, amounts = np.append(times, years), np.append(amounts, -end)
    grid = np.linspace(_LOWEST, _HIGHEST, _PIECES + 1)
    signs = np.sign(_gaps(grid, times, amounts, years))
    crossings = np.flatnonzero(signs[:-1] * signs[1:] < 0.0)
    exact = np.flatnonzero(signs == 0.0)
    if len(crossings) + len(exact) != 1:
        return None
    if len(exact):
        return math.expm1(grid[exact[0]])
    low, high = float(grid[crossings[0]]), float(grid[crossings[0] + 1])
    rises = signs[crossings[0] + 1] > 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        above = float(_gaps(np.array([middle]), times, amounts, years)[0]) > 0.0
        low, high = (low, middle) if above == rises else (middle, high)
    return math.expm1((low + high) / 2.0)


def _gaps(growths: Floats, times: Floats, amounts: Floats, years: float) -> Floats:
    """What the flows have grown to at the end, less what is there; shape (n,). growths: logarithms a year. Each is
    scaled by a factor above 0, so that nothing overflows: only where it is 0 and which sign it has counts."""
    exponents = growths[:, None] * (years - times)[None, :]
    exponents -= exponents.max(axis=1, keepdims=True)
    gaps: Floats = np.exp(exponents) @ amounts
    return gaps
