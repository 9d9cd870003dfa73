"""Orders and signals as queues on Redis Streams, for programs beside ours: dashboards, recorders, other venues.

`tw:orders` and `tw:signals`, an entry a JSON text under the field `data`, the newest 10,000 of each. Rows stay the
truth: an entry may be missing after a crash or while Redis is away, and none is ever needed to go on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import redis
from django.conf import settings

log = logging.getLogger(__name__)

ORDERS, SIGNALS = "tw:orders", "tw:signals"
KEPT = 10_000


def add(stream: str, entries: list[Mapping[str, Any]]) -> None:
    """Append entries in order, in one round trip. Never raises for want of Redis."""
    if not entries:
        return
    try:
        pipe = _client().pipeline(transaction=False)
        for entry in entries:
            pipe.xadd(stream, {"data": json.dumps(entry, allow_nan=False)}, maxlen=KEPT, approximate=True)
        pipe.execute()
    except (redis.RedisError, OSError):
        log.warning("%d entries of %s were not told", len(entries), stream, exc_info=True)


def read(stream: str, group: str, consumer: str, *, block_ms: int = 1_000) -> Iterator[dict[str, Any]]:
    """Entries that no other consumer of the group has had, for ever; each is acknowledged once the next is asked for.

    What this consumer was given before and never acknowledged comes first. Raises redis.RedisError.
    """
    client = _client()
    try:
        client.xgroup_create(stream, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    start = "0"
    while True:
        answer = client.xreadgroup(group, consumer, {stream: start}, count=100, block=block_ms)
        entries = answer[0][1] if answer else []
        if not entries:
            start = ">"
        for entry_id, fields in entries:
            yield json.loads(fields[b"data"])
            client.xack(stream, group, entry_id)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=5)
