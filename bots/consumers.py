"""Who may hear of a session."""

from __future__ import annotations

from typing import Any

from bots.models import TradingSession


def may_hear_session(user: Any, session_id: str) -> bool:
    """Whether the session is this user's; False for unknown and malformed ids."""
    if not (session_id.isascii() and session_id.isdecimal() and len(session_id) < 19):
        return False
    return TradingSession.objects.filter(pk=int(session_id), owner_id=user.pk).exists()
