"""The clock of this machine in a test's hand."""

from __future__ import annotations

import datetime
import time

import pytest
from django.utils import timezone


class MachineClock:
    """Our own wall clock, `offset_s` off for everything in this process that asks Python for the time: our code, the
    libraries of brokers, the columns that Django fills in.

    It leaves alone what a wrong clock leaves alone, too: distances in time (`time.monotonic`, sleeps), the clock of the
    database, by which leases run, and that of the practice venue. It cannot move what is asked of the system past
    Python's `time` (`datetime.now`, C code; SQLite asks that way, and so counts as a database with a clock of its own).
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.offset_s = 0.0
        seconds, nanoseconds, now = time.time, time.time_ns, timezone.now
        patch.setattr(time, "time", lambda: seconds() + self.offset_s)
        patch.setattr(time, "time_ns", lambda: nanoseconds() + int(self.offset_s * 1e9))
        patch.setattr(timezone, "now", lambda: now() + datetime.timedelta(seconds=self.offset_s))
