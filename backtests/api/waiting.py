"""`?wait=true`: hold a request until its backtest is over."""

from __future__ import annotations

import threading
import time

from django.db import connection

from backtests.models import Backtest

LONGEST_S = 30.0
# Every request has a thread of its own, so a waiting one holds up nobody; but threads are not free. Beyond this many
# in one process the answer is an immediate 202, which every client has to understand anyway.
_MAX_WAITING = 64
_places = threading.BoundedSemaphore(_MAX_WAITING)


def wait_for_end(backtest: Backtest, longest_s: float = LONGEST_S) -> Backtest:
    """The backtest as it is when it is over, or after `longest_s` seconds, or at once when too many wait already."""
    if not _places.acquire(blocking=False):
        return backtest
    try:
        deadline, pause = time.monotonic() + longest_s, 0.02
        while time.monotonic() < deadline:
            state = Backtest.objects.filter(pk=backtest.pk).values_list("state", flat=True).first()
            if state not in Backtest.ACTIVE:
                break
            if not connection.in_atomic_block:
                connection.close()  # a sleeping request needs no database connection
            time.sleep(pause)
            pause = min(pause * 1.3, 0.25)
    finally:
        _places.release()
    # Deleted meanwhile: what the caller was told at the start is all there is.
    return Backtest.objects.filter(pk=backtest.pk).first() or backtest
