"""How every adapter's stream stays polite to a venue, and tells those who listen to it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
REFUSALS_BEFORE_LONG_WAIT, LONG_WAIT_S = 3, 900.0
STEADY_S = 60.0  # a connection that held so long was a good one: the next failure is the first again
STOP_S = 2.5


class SignInRefused(Exception):
    """The venue does not take these keys."""


def wait_s(failures: int, refusals: int) -> float:
    """Seconds until the next try: doubled from one to sixty and drawn from the upper half, so that many clients do not
    come back in step; long where the keys are refused again and again."""
    if refusals >= REFUSALS_BEFORE_LONG_WAIT:
        return LONG_WAIT_S
    longest = min(SHORTEST_WAIT_S * 2 ** min(failures, 10), LONGEST_WAIT_S)
    return random.uniform(max(longest / 2, SHORTEST_WAIT_S), longest)  # noqa: S311


def tell(whom: Callable[..., None], *what: Any) -> None:
    """Call a listener of a stream; what it raises is logged and ends nothing."""
    try:
        whom(*what)
    except Exception:
        log.exception("A listener of a broker's stream failed")
