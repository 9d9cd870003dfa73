"""Live prices of a user's running sessions, for the health page of data."""

from __future__ import annotations

from typing import Any

from bots.models import TradingSession
from bots.states import SessionState

_ON = (SessionState.RUNNING, SessionState.DEGRADED, SessionState.PAUSED)


def of(user: Any) -> list[dict[str, Any]]:
    """As `marketdata.health.show_feeds` wants it. While a session is DEGRADED it decides on exits alone: the reason
    says whether it is for want of prices."""
    rows = TradingSession.objects.filter(owner=user, state__in=_ON).order_by("pk")
    return [
        {
            "session": row.pk,
            "name": str(row),
            "feed": row.feed,
            "symbols": row.symbols,
            "mode": row.mode,
            "state": row.state,
            "reason": row.state_reason,
            "last_bar_at": row.last_bar_at,
            "blocks_entries": row.state == SessionState.DEGRADED,
        }
        for row in rows
    ]
