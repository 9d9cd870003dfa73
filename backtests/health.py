"""Whether backtests are being run, for the API."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone
from redis.exceptions import RedisError

from backtests.models import Backtest
from tradingsite import heartbeat

QUEUE = "backtests"


def report() -> dict[str, Any]:
    """``{status, worker_seen_s, queued, running, oldest_queued_s}``.

    Degraded when the worker of backtests is silent (`tradingsite.heartbeat`) or Redis does not answer: what is
    submitted waits then, none is lost. worker_seen_s: since its last pulse.
    """
    try:
        seen_s, works = heartbeat.pulse_age_s(QUEUE), not heartbeat.silent([QUEUE])
    except RedisError:
        seen_s, works = None, False
    counts = Backtest.objects.filter(state__in=Backtest.ACTIVE).aggregate(
        queued=Count("pk", filter=Q(state=Backtest.State.QUEUED)),
        running=Count("pk", filter=Q(state=Backtest.State.RUNNING)),
        oldest=Min("created_at", filter=Q(state=Backtest.State.QUEUED)),
    )
    oldest = counts.pop("oldest")
    return {
        "status": "ok" if works else "degraded",
        "worker_seen_s": None if seen_s is None else round(seen_s, 3),
        **counts,
        "oldest_queued_s": None if oldest is None else (timezone.now() - oldest).total_seconds(),
    }
