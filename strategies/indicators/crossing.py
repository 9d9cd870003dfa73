"""Crossings: the one definition of the platform.

a crosses above b at i when a[i] > b[i] and a[i-1] ≤ b[i-1]. NaN never crosses: comparing with it is false.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64] | float


def crosses_above(a: Series, b: Series) -> NDArray[np.bool_]:
    """True on the bar on which `a` crosses above `b`; one of the two may be a number. At least one is an array."""
    out = np.zeros(np.broadcast(a, b).shape, bool)
    above, not_above = np.greater(a, b), np.less_equal(a, b)
    np.logical_and(above[1:], not_above[:-1], out=out[1:])
    return out


def crosses_below(a: Series, b: Series) -> NDArray[np.bool_]:
    """True on the bar on which `a` crosses below `b`, which is where `b` crosses above `a`."""
    return crosses_above(b, a)
