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


def write_pulse(queues: Iterable[str], worker: str, idle_since: float) -> None:
    """A worker's own sign of life. `worker` is its node name, `idle_since` Unix time in seconds.

    What workers left that died without a word goes after an hour. Raises redis.RedisError.
    """
    now = time.time()
    pulse = json.dumps({"at": now, "idle_since": idle_since})
    for queue in queues:
        key = _pulses_key(queue)
        gone = [name for name, other in _pulses(_client().hgetall(key)).items() if now - other["at"] > _KEEP_S]
        pipe = _client().pipeline()
        pipe.hset(key, worker, pulse)
        pipe.expire(key, _KEEP_S)
        if gone:
            pipe.hdel(key, *gone)
        pipe.execute()


def write_answer(queue: str) -> None:
    """The sign that a task of `queue` ran just now. Raises redis.RedisError."""
    _client().set(f"tw:answer:{queue}", json.dumps(time.time()), ex=_KEEP_S)


def forget(queues: Iterable[str], worker: str) -> None:
    """A worker that stops in good order takes its pulse along, and no other's. Raises redis.RedisError."""
    for queue in queues:
        _client().hdel(_pulses_key(queue), worker)


def pulse_age_s(queue: str) -> float | None:
    """Seconds since the newest pulse of the queue's workers; None when there is none. Raises redis.RedisError."""
    pulses = _pulses(_client().hgetall(_pulses_key(queue))).values()
    return max(0.0, time.time() - max(pulse["at"] for pulse in pulses)) if pulses else None


def silent(queues: Iterable[str] = QUEUES) -> dict[str, str]:
    """Queue → why its workers count as silent; empty when all is well: one that works is enough for a queue.

    Raises redis.RedisError.
    """
    now, reasons = time.time(), {}
    for queue in queues:
        pipe = _client().pipeline(transaction=False)
        pipe.hgetall(_pulses_key(queue))
        pipe.get(f"tw:answer:{queue}")
        pulses, answer = pipe.execute()
        idle_since = [pulse["idle_since"] for pulse in _pulses(pulses).values() if now - pulse["at"] <= SILENT_AFTER_S]
        if not idle_since:
            reasons[queue] = "no pulse"
        elif now - max(json.loads(answer or "0"), *idle_since) > SILENT_AFTER_S:
            reasons[queue] = "idle, but takes no work"
    return reasons


def _pulses_key(queue: str) -> str:
    return f"tw:pulses:{queue}"  # a hash: node name of a worker → its pulse


def _pulses(stored: dict[bytes, bytes]) -> dict[bytes, dict[str, float]]:
    return {worker: json.loads(pulse) for worker, pulse in stored.items()}
