"""Whether backtests are being run: said by workers, read by the API."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Min, Q
from django.utils import timezone
from redis.exceptions import RedisError

from backtests.models import Backtest

_SEEN = "backtests:worker-seen"
_SILENT_S = 30.0


def worker_speaks() -> None:
    """Called by workers: by the reaper's tick every few seconds, and while a backtest runs."""
    with suppress(RedisError, OSError):
        cache.set(_SEEN, time.time(), timeout=86_400)


def report() -> dict[str, Any]:
    """``{status, worker_seen_s, queued, running, oldest_queued_s}``.

    Degraded when no worker has spoken for 30 s, or Redis does not answer: submitted backtests wait then, none is lost.
    """
    try:
        seen = cache.get(_SEEN)
    except (RedisError, OSError):
        seen = None
    seen_s = None if seen is None else max(0.0, time.time() - seen)
    counts = Backtest.objects.filter(state__in=Backtest.ACTIVE).aggregate(
        queued=Count("pk", filter=Q(state=Backtest.State.QUEUED)),
        running=Count("pk", filter=Q(state=Backtest.State.RUNNING)),
        oldest=Min("created_at", filter=Q(state=Backtest.State.QUEUED)),
    )
    oldest = counts.pop("oldest")
    return {
        "status": "ok" if seen_s is not None and seen_s <= _SILENT_S else "degraded",
        "worker_seen_s": None if seen_s is None else round(seen_s, 3),
        **counts,
        "oldest_queued_s": None if oldest is None else (timezone.now() - oldest).total_seconds(),
    }
