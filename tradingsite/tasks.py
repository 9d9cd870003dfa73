"""How workers give the two signs of life that `tradingsite.heartbeat` describes."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import redis
from celery import bootsteps, shared_task

from tradingsite import heartbeat

PULSE_EVERY_S = 5.0


@shared_task(name="tradingsite.answer", ignore_result=True)
def answer(queue: str) -> None:
    """Prove that `queue` is consumed."""
    heartbeat.write_answer(queue)


class Pulse(bootsteps.StartStopStep):
    """A timer in the worker's own loop; it falls silent when that loop hangs."""

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
        with contextlib.suppress(redis.RedisError):
            heartbeat.forget(worker.app.amqp.queues.consume_from, worker.hostname)

    terminate = stop  # also when the worker is told to hurry

    def beat(self, worker: Any) -> None:
        from celery.worker import state  # loaded in a worker anyway, and not wanted in the web process

        if state.active_requests:
            self.idle_since = time.time()
        # Redis may be away: the next beat tries again, and meanwhile the missing pulse tells.
        with contextlib.suppress(redis.RedisError):
            heartbeat.write_pulse(worker.app.amqp.queues.consume_from, worker.hostname, self.idle_since)
