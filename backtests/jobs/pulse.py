"""The heartbeat of a job in a worker: a backtest, a chunk of a sweep, a passport, a portfolio study."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from django.db import DatabaseError, connection

log = logging.getLogger(__name__)

_TELL_S = 0.25  # at most four times a second


class Lost(Exception):
    """The claim is lost or the owner canceled: nothing of this work may be written any more."""


class Reached(NamedTuple):
    """How far the work is: `done` of `total`, in what its phase is counted in."""

    phase: str
    done: int
    total: int


class Pulse:
    """Says, from a thread of its own, that the worker lives and how far it is, and hears whether to stop.

    A thread, because loading bars or compiling a kernel can take longer than a heartbeat may be late. As a context
    manager it beats for as long as its block runs.
    """

    def __init__(
        self,
        work: str,
        beat: Callable[[Reached], bool],
        *,
        every_s: float = 1.0,
        tell: Callable[[Reached], None] | None = None,
    ) -> None:
        """work: its name in the log. beat: writes the heartbeat down; False: stop. tell: for who watches, when there is
        news."""
        self._work, self._beat, self._tell = work, beat, tell
        self._every_s = every_s
        self._reached, self._counted = Reached("loading", 0, 0), 0
        self._over, self.lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse of {work}", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def phase(self, name: str, total: int = 0) -> None:
        """Enter a phase that is counted up to `total` (0: as its progress is told). Raises Lost where it should end."""
        self._reached, self._counted = Reached(name, 0, total), total
        if self.lost.is_set():
            raise Lost

    def progress(self, done: int, total: int) -> bool:
        """How far the phase is, in any unit. False: stop."""
        phase, counted = self._reached.phase, self._counted
        self._reached = Reached(phase, done * counted // max(total, 1) if counted else done, counted or total)
        return not self.lost.is_set()

    def _run(self) -> None:
        try:
            self._watch()
        finally:
            connection.close()

    def _watch(self) -> None:
        told, beaten = None, 0.0
        while not self._over.wait(self._every_s if self._tell is None else _TELL_S):
            reached, now = self._reached, time.monotonic()
            if now - beaten >= self._every_s:
                try:
                    if not self._beat(reached):
                        self.lost.set()
                        return
                except DatabaseError:
                    # One missed beat is harmless; a database that stays away makes the claim go stale, as it should.
                    log.warning("%s: heartbeat not written", self._work, exc_info=True)
                    connection.close()
                beaten = now
            if self._tell is not None and told != reached:
                told = reached
                self._tell(reached)
