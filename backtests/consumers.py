"""Who may hear of a backtest's progress."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from backtests.models import Backtest


def may_listen(user: Any, backtest_id: str) -> bool:
    """Whether the backtest is this user's; False for unknown and malformed ids."""
    try:
        key = UUID(backtest_id)
    except ValueError:
        return False
    return Backtest.objects.filter(pk=key, owner_id=user.pk).exists()
