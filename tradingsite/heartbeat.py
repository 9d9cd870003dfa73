"""Are the workers alive, and do they take work? A worker can be alive and deaf, for example after a Redis restart.

Two signs, both in Redis with an expiry:

- the *pulse*, written by each worker's own loop every few seconds, with whether it is busy;
- the *answer*, written by a tiny task that beat sends to every queue: it proves that the queue is consumed.

A worker whose processes are all busy cannot answer, and is not silent for that reason: silence is a missing pulse, or a
worker that has been idle for a while and still did not answer.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from celery import bootsteps, shared_task
from django.core.cache import cache
from redis.exceptions import RedisError

QUEUES = ("backtests", "trading")
PULSE_EVERY_S = 5.0
SILENT_AFTER_S = 45.0
_KEEP_S = 3600


@shared_task(name="tradingsite.heartbeat.answer", ignore_result=True)
def answer(queue: str) -> None:
    """Prove that `queue` is consumed."""
    cache.set(f"heartbeat:answer:{queue}", time.time(), _KEEP_S)


class Pulse(bootsteps.StartStopStep):
    """A timer in the worker's own loop; it stops when that loop hangs."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker: Any, **_: Any) -> None:
        self.timer: Any = None
        self.idle_since = time.time()

    def start(self, worker: Any) -> None:
        self.timer = worker.timer.call_repeatedly(PULSE_EVERY_S, self.beat, (worker,), priority=10)
        self.beat(worker)

    def stop(self, worker: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def beat(self, worker: Any) -> None:
        from celery.worker import state  # loaded in a worker anyway, and not wanted in the web process

        if state.active_requests:
            self.idle_since = time.time()
        pulse = {"at": time.time(), "idle_since": self.idle_since}
        queues = worker.app.amqp.queues.consume_from
        # Redis may be away: the next beat tries again, and meanwhile the missing pulse tells.
        with contextlib.suppress(OSError, RedisError):
            cache.set_many({f"heartbeat:pulse:{queue}": pulse for queue in queues}, _KEEP_S)


def silent(now: float | None = None) -> dict[str, str]:
    """Queue → why its worker counts as silent; empty when all is well. Raises what the cache raises."""
    now = time.time() if now is None else now
    found = cache.get_many([f"heartbeat:{sign}:{queue}" for queue in QUEUES for sign in ("pulse", "answer")])
    reasons = {}
    for queue in QUEUES:
        pulse, answered = found.get(f"heartbeat:pulse:{queue}"), found.get(f"heartbeat:answer:{queue}", 0.0)
        if pulse is None or now - pulse["at"] > SILENT_AFTER_S:
            reasons[queue] = "no pulse"
        elif now - max(answered, pulse["idle_since"]) > SILENT_AFTER_S:
            reasons[queue] = "idle, but takes no work"
    return reasons
