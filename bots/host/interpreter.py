"""How a host has the interpreter behave, whose threads share one lock: what would keep an order waiting is kept short.

Garbage: a full collection of cycles stops every thread. With the modules of this process among what it walks through
that took 140 ms, every twenty seconds and in the middle of a bar. So what is there at the start is left out, and full
collections happen when the work of a bar is done; younger generations, a millisecond or two, stay automatic.

Turns: a thread that comes back from the database has to wait until another one, busy with prices, gives up the lock: by
default 5 ms, and a commit comes back a dozen times.
"""

from __future__ import annotations

import gc
import sys
import time

COLLECT_EVERY_S = 20.0
TURN_S = 0.0005
_NEVER = 1_000_000  # collections of the middle generation before a full one comes by itself


class Interpreter:
    """Takes over until `end`; one for a process."""

    def __init__(self) -> None:
        self._thresholds, self._turn_s = gc.get_threshold(), sys.getswitchinterval()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*self._thresholds[:2], _NEVER)
        sys.setswitchinterval(TURN_S)
        self._collected = time.monotonic()

    def when_idle(self) -> None:
        """A full collection if one is due."""
        if time.monotonic() - self._collected >= COLLECT_EVERY_S:
            gc.collect()
            self._collected = time.monotonic()

    def end(self) -> None:
        """As it was: for a process that goes on without the host."""
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
        sys.setswitchinterval(self._turn_s)
