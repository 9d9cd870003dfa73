"""Holding a request until work that it started is over, for a while and without a database connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import connection

# Every request has a thread of its own, so a waiting one holds up nobody; but threads are not free. Beyond this many
# in one process nobody waits, and the answer is an immediate 202, which every client has to understand anyway.
_MAX_WAITING = 64
_places = threading.BoundedSemaphore(_MAX_WAITING)


def wait_until(over: Callable[[], bool], longest_s: float) -> None:
    """Asks `over` now and then until it says so, for at most `longest_s` seconds; not at all where too many wait."""
    if not _places.acquire(blocking=False):
        return
    try:
        deadline, pause = time.monotonic() + longest_s, 0.02
        while time.monotonic() < deadline:
            if over():
                break
            if not connection.in_atomic_block:
                connection.close()  # a sleeping request needs no database connection
            time.sleep(pause)
            pause = min(pause * 1.3, 0.25)
    finally:
        _places.release()
