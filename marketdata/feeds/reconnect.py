"""How long to wait before the next attempt to connect: quick at first, never a storm."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reconnect:
    """All in seconds. connect_timeout_s: until the provider has accepted us. ping_*: for feeds over websockets.
    mute_s: a connection that has been silent for so long, though a market is open, is made anew.

    The first `fast_attempts` wait `delay_s`, each later one twice as long as the one before, at most `most_s`; half of
    a wait is random, so that many hosts do not come back at once. A connection that held for `steady_s` counts the
    attempts anew: one that flaps does not.
    """

    connect_timeout_s: float = 10.0
    ping_interval_s: float = 15.0
    ping_timeout_s: float = 5.0
    delay_s: float = 2.0
    fast_attempts: int = 3
    most_s: float = 60.0
    steady_s: float = 60.0
    mute_s: float = 20.0

    def wait_s(self, attempt: int, source: random.Random) -> float:
        """Before attempt 1, 2, … after a failure."""
        doublings = min(max(attempt - self.fast_attempts, 0), 32)
        longest = min(self.most_s, self.delay_s * 2**doublings)
        return longest * (0.5 + 0.5 * source.random())
