"""When weights are computed anew, and what is kept of it. Plain NumPy."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from strategies.allocation.problem import Array

EVERY: Final = {
    "once": "Once",
    "daily": "Every day",
    "weekly": "Every week",
    "monthly": "Every month",
    "drift": "When they have drifted",
}
_MOST_KEPT = 4096
_DAY_NS = 86_400_000_000_000
_MONDAY_OFFSET = 3  # 1970-01-01 was a Thursday
T = TypeVar("T")
_kept: OrderedDict[bytes, object] = OrderedDict()
_keeping = threading.Lock()  # many sessions are threads of one process


def period_starts(ts: NDArray[np.int64], every: str) -> NDArray[np.bool_]:
    """Rows that are the first of their UTC day, ISO week or month; ts: starts of rows, ns UTC, ascending.

    "once" and "drift" have none: the first computation is the caller's, a drift is seen on the weights.
    """
    days = ts // _DAY_NS
    if every == "daily":
        period = days
    elif every == "weekly":
        period = (days + _MONDAY_OFFSET) // 7
    elif every == "monthly":
        period = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    else:
        return np.zeros(len(ts), bool)
    starts = np.zeros(len(ts), bool)
    starts[1:] = period[1:] != period[:-1]
    return starts


def drifted(weights: Array, before: Array, now: Array) -> Array:
    """What weights became as prices moved from `before` to `now`, cash lying still; shape (n,)."""
    worth = weights * (now / before)
    total: float = worth.sum() + (1.0 - weights.sum())
    return np.asarray(worth / total)


def kept(question: str, arrays: tuple[Array, ...], compute: Callable[[], T]) -> T:
    """`compute()`, or what it gave to the same question on the same numbers before, of the last few thousand.

    A session asks again with every bar, and a causality check with every prefix, what was answered long ago.
    """
    seen = hashlib.blake2b(question.encode(), digest_size=16)
    for array in arrays:
        seen.update(repr(array.shape).encode())
        seen.update(np.ascontiguousarray(array).tobytes())
    key = seen.digest()
    with _keeping:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]  # type: ignore[return-value]
    found = compute()
    with _keeping:
        _kept[key] = found
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return found
