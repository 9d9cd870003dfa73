"""Asks for a comparison of a session with a backtest over the same tape; a worker makes it."""

from __future__ import annotations

from celery import current_app

from accounts.models import User
from bots import selectors
from bots.models import TradingSession
from tradingsite.lib.errors import Conflict

TASK = "bots.parity"


def ask(user: User, session_id: int) -> TradingSession:
    """Have the session's tape run again. Raises NotFound, Conflict before its first bar, kombu's when Redis is away."""
    session = selectors.session(user, session_id)
    if not session.cycles.exists():
        raise Conflict("The session has not worked through a bar yet, so there is nothing to compare.")
    current_app.send_task(TASK, args=[session.pk], retry=False)
    return session
