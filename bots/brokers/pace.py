"""How many requests an account may send: a share of its budget is kept for exits, and a venue's "wait" holds for all.

Every request of an adapter passes here first. What may not be sent is refused on this side, so that a ban sees no
request at all until it is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bots.brokers.base import Banned, RateLimited

KEPT_RATIO = 0.25  # of the budget: only exits may use it
LONGEST_S = 3 * 86_400.0  # no venue bans for longer

_thread = threading.local()


@contextmanager
def urgent() -> Iterator[None]:
    """What this thread sends meanwhile reduces risk: it may use the share that is kept back."""
    before = getattr(_thread, "is_urgent", False)
    _thread.is_urgent = True
    try:
        yield
    finally:
        _thread.is_urgent = before


class Pace:
    """A bucket of `per_minute` units that fills up evenly, and a time until which nothing may be sent.

    on_ban: called, in any thread, when the venue has banned the account, or for longer: for how many seconds.
    """

    on_ban: Callable[[float], None] | None = None

    def __init__(
        self, per_minute: float, *, kept_ratio: float = KEPT_RATIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_minute, self._kept, self._clock = per_minute, per_minute * kept_ratio, clock
        self._left, self._at = per_minute, clock()
        self._until, self._is_ban = 0.0, False
        self._lock = threading.Lock()

    def pass_by(self, cost: float = 1.0) -> None:
        """Use up `cost` units. Raises RateLimited or Banned where it may not be sent now; then nothing is used."""
        with self._lock:
            now = self._clock()
            if now < self._until:
                wait = self._until - now
                if self._is_ban:
                    raise Banned(f"The venue has banned this account for another {wait:.0f} s.", wait)
                raise RateLimited(f"The venue asked to wait for another {wait:.1f} s.", wait)
            self._left = min(self.per_minute, self._left + (now - self._at) * self.per_minute / 60)
            self._at = now
            floor = 0.0 if getattr(_thread, "is_urgent", False) else self._kept
            if self._left - cost < floor:
                wait = (floor + cost - self._left) * 60 / self.per_minute
                raise RateLimited(f"The budget of {self.per_minute:.0f} requests a minute is used up.", wait)
            self._left -= cost

    def block(self, seconds: float, *, ban: bool = False) -> None:
        """The venue said: nothing for so long."""
        with self._lock:
            until = self._clock() + min(max(seconds, 0.0), LONGEST_S)
            is_longer = until > self._until
            if until >= self._until:
                self._until, self._is_ban = until, ban
        if ban and is_longer and self.on_ban is not None:
            self.on_ban(until - self._clock())

    def told(self, left: float) -> None:
        """The venue counts so many as left; others may use the same keys."""
        with self._lock:
            self._left = min(self._left, left)

    @property
    def blocked_s(self) -> float:
        """For how long nothing may be sent; 0: now it may."""
        return max(self._until - self._clock(), 0.0)
