"""Reads for operators: session hosts, what they measure of themselves, and whether any session waits in vain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from bots.models import HostSign, TradingSession
from bots.states import CLAIMABLE

SILENT_S = 30.0


def system() -> dict[str, Any]:
    """{hosts: [{name, started_at, seen_at, alive, sessions, stats}], waiting, states: {state: sessions}}."""
    counts = TradingSession.objects.values_list("state").annotate(Count("pk")).order_by("state")
    hosts = [
        {
            "name": sign.name,
            "started_at": sign.started_at,
            "seen_at": sign.seen_at,
            "alive": is_alive(sign),
            "sessions": sign.sessions,
            "stats": sign.stats,
        }
        for sign in HostSign.objects.order_by("-seen_at", "name")
    ]
    return {"hosts": hosts, "waiting": waiting().count(), "states": dict(counts)}


def is_alive(sign: HostSign) -> bool:
    """Whether the host was seen within the last half minute."""
    return sign.seen_at > timezone.now() - timedelta(seconds=SILENT_S)


def waiting() -> QuerySet[TradingSession]:
    """Sessions that are to run and that no host holds."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    return TradingSession.objects.filter(free, state__in=CLAIMABLE)


def hosts_fault() -> str:
    """Why sessions do not run, in words; empty while a host is alive or no session waits. Two short queries."""
    if any(is_alive(sign) for sign in HostSign.objects.order_by("-seen_at")[:1]):
        return ""
    count = waiting().count()
    return f"{count} wait, and no host was seen for {SILENT_S:.0f} s" if count else ""
