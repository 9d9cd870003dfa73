"""Statistics of moving windows for strategies over several symbols. Plain NumPy.

Sums over a window are taken place by place over all windows at once, each window's in the same order. So a value's bits
depend on its own window and on nothing before or after it: what was computed from fewer bars stays as it was.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Of the variance that a spread would have if its legs did not move together; what is below is rounding, not a spread.
_NOISE = 1e-13


class Moments(NamedTuple):
    """Of two series over a window, one value a row: means, population variances, covariance; NaN before the first."""

    mean_y: Array
    mean_x: Array
    var_y: Array
    var_x: Array
    cov: Array


def moments(y: Array, x: Array, window: int) -> Moments:
    """The moments of the last `window` rows. y, x: equal length, without gaps."""
    n = len(y)
    count = n - window + 1
    found = Moments(*(np.full(n, np.nan) for _ in Moments._fields))
    if count <= 0:
        return found
    mean_y, mean_x = np.zeros(count), np.zeros(count)
    for k in range(window):
        mean_y += y[k : k + count]
        mean_x += x[k : k + count]
    mean_y /= window
    mean_x /= window
    var_y, var_x, cov = np.zeros(count), np.zeros(count), np.zeros(count)
    # About the means: sums of squares of prices would drown the variance of a tight pair.
    for k in range(window):
        off_y, off_x = y[k : k + count] - mean_y, x[k : k + count] - mean_x
        var_y += off_y * off_y
        var_x += off_x * off_x
        cov += off_y * off_x
    for whole, part in zip(found, (mean_y, mean_x, var_y / window, var_x / window, cov / window), strict=True):
        whole[window - 1 :] = part
    return found


def slope(of: Moments) -> Array:
    """Slope of the least-squares line of y on x, with a constant; NaN where x did not move."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(of.var_x > 0, of.cov / of.var_x, np.nan)


def spread_zscore(y: Array, x: Array, ratio: Array, window: int) -> Array:
    """How many population deviations y - ratio·x lies from its mean over the window, at each row's own ratio.

    NaN where the spread did not move, up to rounding.
    """
    of = moments(y, x, window)
    deviation = (y - of.mean_y) - ratio * (x - of.mean_x)
    variance = of.var_y - 2.0 * ratio * of.cov + ratio * ratio * of.var_x
    apart = variance > _NOISE * (of.var_y + ratio * ratio * of.var_x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(apart, deviation / np.sqrt(np.where(apart, variance, np.nan)), np.nan)
