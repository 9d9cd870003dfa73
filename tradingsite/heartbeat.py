"""Are the workers alive, and do they take work? A worker can be alive and deaf, for example after a Redis restart.

Two signs for each queue, kept in Redis:

- the *pulse*, written by each worker's own loop every few seconds, with the moment since when it is idle;
- the *answer*, written by a tiny task that beat sends to every queue: it proves that the queue is consumed.

A worker whose processes are all busy cannot answer, and is not silent for that reason: silence is a missing pulse, or a
worker that has been idle for a while and still did not answer. No Django here: a container's probe reads the signs too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from functools import cache

import redis

from tradingsite.environment import REDIS_URL

QUEUES = ("backtests", "trading")  # those whose silence means that the installation does not work
SILENT_AFTER_S = 45.0
_KEEP_S = 3600


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def write_pulse(queues: Iterable[str], idle_since: float) -> None:
    """A worker's own sign of life. `idle_since` is Unix time in seconds. Raises redis.RedisError."""
    pulse = json.dumps({"at": time.time(), "idle_since": idle_since})
    for queue in queues:
        _client().set(f"tw:pulse:{queue}", pulse, ex=_KEEP_S)


def write_answer(queue: str) -> None:
    """The sign that a task of `queue` ran just now. Raises redis.RedisError."""
    _client().set(f"tw:answer:{queue}", json.dumps(time.time()), ex=_KEEP_S)


def forget(queues: Iterable[str]) -> None:
    """A worker that stops in good order takes its pulse along. Raises redis.RedisError."""
    _client().delete(*(f"tw:pulse:{queue}" for queue in queues))


def pulse_age_s(queue: str) -> float | None:
    """Seconds since the last pulse of the queue's worker; None when there is none. Raises redis.RedisError."""
    pulse = json.loads(_client().get(f"tw:pulse:{queue}") or "null")
    return None if pulse is None else max(0.0, time.time() - pulse["at"])


def silent(queues: Iterable[str] = QUEUES) -> dict[str, str]:
    """Queue → why its worker counts as silent; empty when all is well. Raises redis.RedisError."""
    now, reasons = time.time(), {}
    for queue in queues:
        pulse, answer = (
            json.loads(sign or "null") for sign in _client().mget(f"tw:pulse:{queue}", f"tw:answer:{queue}")
        )
        if pulse is None or now - pulse["at"] > SILENT_AFTER_S:
            reasons[queue] = "no pulse"
        elif now - max(answer or 0.0, pulse["idle_since"]) > SILENT_AFTER_S:
            reasons[queue] = "idle, but takes no work"
    return reasons
