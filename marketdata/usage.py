"""What each provider was asked for on each day: counted in Redis as it happens, written as rows in batches.

A count is added to a hash of its day and provider; `write` takes the hashes away whole and adds them to the rows. What
is counted while Redis is away waits in the process. A worker that dies within a write loses that minute's counts, and
never counts any twice.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from marketdata.budget import redis_client

log = logging.getLogger(__name__)

COUNTERS = ("requests", "errors", "bars", "hits", "misses")
_INDEX, _TTL_S = "data:usage", 7 * 86_400
_waiting: Counter[tuple[str, str, str]] = Counter()
_lock = threading.Lock()


def count(provider: str, **more: int) -> None:
    """Add to today's counters (`COUNTERS`) of a provider. Never raises for want of Redis."""
    import redis
    from django.utils import timezone

    day = timezone.now().date().isoformat()
    with _lock:
        _waiting.update({(day, provider, name): number for name, number in more.items() if number})
        batch = dict(_waiting)
        _waiting.clear()
    if not batch:
        return
    try:
        pipe = redis_client().pipeline(transaction=True)
        for (of, name, counter), number in batch.items():
            pipe.sadd(_INDEX, f"{of}|{name}")
            pipe.hincrby(f"{_INDEX}:{of}|{name}", counter, number)
            pipe.expire(f"{_INDEX}:{of}|{name}", _TTL_S)
        pipe.execute()
    except (redis.RedisError, OSError):
        with _lock:
            _waiting.update(batch)


def write() -> int:
    """Move what was counted into the rows; returns how many of them changed. For a worker, every minute."""
    import redis
    from django.db import transaction

    try:
        names: Any = redis_client().smembers(_INDEX)
        found = [(name.decode(), counts) for name in names if (counts := _taken(name.decode()))]
    except (redis.RedisError, OSError):
        log.warning("usage of providers is not written: Redis does not answer")
        return 0
    with transaction.atomic():
        for name, counts in found:
            day, _, provider = name.partition("|")
            _add(date.fromisoformat(day), provider, counts)
    return len(found)


def price_of(provider: str) -> Decimal:
    """What one request costs beyond the plan's price, in USD (`DATA_PRICE_PER_REQUEST`)."""
    from django.conf import settings

    return settings.DATA_PRICE_PER_REQUEST.get(provider, Decimal(0))


def plan_price_of(provider: str) -> Decimal:
    """What the plan costs a month, in USD (`DATA_PRICE_PER_MONTH`)."""
    from django.conf import settings

    return settings.DATA_PRICE_PER_MONTH.get(provider, Decimal(0))


def _taken(name: str) -> dict[str, int]:
    """The counters of one hash, which is gone then."""
    pipe = redis_client().pipeline(transaction=True)
    pipe.hgetall(f"{_INDEX}:{name}")
    pipe.delete(f"{_INDEX}:{name}")
    pipe.srem(_INDEX, name)
    counts: Mapping[bytes, bytes] = pipe.execute()[0]
    return {counter.decode(): int(number) for counter, number in counts.items()}


def _add(day: date, provider: str, counts: Mapping[str, int]) -> None:
    from marketdata.models import ProviderUsage

    row, _ = ProviderUsage.objects.select_for_update().get_or_create(day=day, provider=provider)
    for name in COUNTERS:
        setattr(row, name, getattr(row, name) + counts.get(name, 0))
    row.cost += counts.get("requests", 0) * price_of(provider)
    row.save()
