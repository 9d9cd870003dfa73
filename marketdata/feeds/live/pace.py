"""How long a stream may be quiet before that is a fault: learned from the stream itself."""

from __future__ import annotations

from collections import deque

from marketdata.columns import SECOND

LEAST_NS, FIRST_NS, MOST_NS = 2 * SECOND, 30 * SECOND, 70 * SECOND
_REMEMBERED, _ENOUGH = 256, 8


class Pace:
    """limit_ns: twice the longest pause among the last 256 messages, from 2 s to a minute bar and 10 s.

    A lively symbol is missed after 2 s; one that trades twice a minute is no fault between its trades. A pause that was
    a fault, or a night, doubles the limit and no more.
    """

    def __init__(self, least_ns: int = LEAST_NS) -> None:
        self._least = least_ns
        self._pauses: deque[int] = deque(maxlen=_REMEMBERED)
        self._last = 0
        self.limit_ns = max(FIRST_NS, least_ns)

    def beat(self, now_ns: int) -> None:
        """A message came at `now_ns` of a clock that never goes back."""
        if self._last:
            self._pauses.append(min(now_ns - self._last, self.limit_ns))
            if len(self._pauses) >= _ENOUGH:
                self.limit_ns = min(max(2 * max(self._pauses), self._least), MOST_NS)
        self._last = now_ns

    def rest(self) -> None:
        """The connection is new: the pause before it counts for nothing."""
        self._last = 0
