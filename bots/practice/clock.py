"""The practice venue's time: the machine's, or one that a test holds in its hand."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable


class Clock:
    """Runs from the machine's time at `speed` seconds a second; can be set, stopped and moved on. Never backwards."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._at, self._since, self.speed = wall(), wall(), 1.0

    def now(self) -> datetime.datetime:
        """Aware UTC."""
        return datetime.datetime.fromtimestamp(self.seconds(), datetime.UTC)

    def seconds(self) -> float:
        """Since 1970."""
        return self._at + (self._wall() - self._since) * self.speed

    def go_to(self, moment: datetime.datetime) -> None:
        """Jump forward. Raises ValueError for a moment that has passed: what has happened stays behind."""
        if moment.timestamp() < self.seconds():
            raise ValueError(f"the venue's clock is past {moment.isoformat()} already")
        self._at, self._since = moment.timestamp(), self._wall()

    def run_at(self, speed: float) -> None:
        """0 stops it."""
        if not 0 <= speed <= 100_000:
            raise ValueError("the speed is from 0 (stopped) to 100,000 seconds a second")
        self._at, self._since, self.speed = self.seconds(), self._wall(), speed
