"""How a host has the interpreter behave: its garbage is collected while no bar waits, and its threads take turns often.

A full collection of cycles stops every thread, and walks through everything that was ever made: 140 ms with the modules
of this process, in the middle of a bar. So what has survived one is left out of the next, which takes a few
milliseconds then; they happen when the work of a bar is done. Now and then everything is walked through after all, for
what had survived and was let go of later. Younger generations stay automatic.

Of the threads of a process one runs Python at a time. A thread that decides or sends comes back from the database or
the venue several times for each order, and finds others at it that only read or compare: they would keep the
interpreter for five milliseconds each time.
"""

from __future__ import annotations

import gc
import sys
import time

SWITCH_S = 0.001
COLLECT_EVERY_S = 20.0
WALK_EVERY_S = 900.0
_NEVER = 1_000_000  # collections of the middle generation before a full one comes by itself


class Interpreter:
    """Takes over until `end`; one for a process."""

    def __init__(self) -> None:
        self._thresholds, self._switch_s = gc.get_threshold(), sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        gc.set_threshold(*self._thresholds[:2], _NEVER)
        self._collected = self._walked = 0.0
        self._walk()

    def _walk(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._collected = self._walked = time.monotonic()

    def when_idle(self) -> None:
        """A full collection if one is due."""
        now = time.monotonic()
        if now - self._walked >= WALK_EVERY_S:
            self._walk()
        elif now - self._collected >= COLLECT_EVERY_S:
            gc.collect()
            gc.freeze()
            self._collected = time.monotonic()

    def end(self) -> None:
        """As it was: for a process that goes on without the host."""
        sys.setswitchinterval(self._switch_s)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
