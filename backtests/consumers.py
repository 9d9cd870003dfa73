"""Who may hear of the progress of a backtest, a sweep or a study of a portfolio."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Model

from backtests.models import AllocationStudy, Backtest, Sweep


def may_listen(user: Any, backtest_id: str) -> bool:
    """Whether the backtest is this user's; False for unknown and malformed ids."""
    return _owns(user, Backtest, backtest_id)


def may_listen_to_sweep(user: Any, sweep_id: str) -> bool:
    """Whether the sweep is this user's; False for unknown and malformed ids."""
    return _owns(user, Sweep, sweep_id)


def may_listen_to_portfolio(user: Any, study_id: str) -> bool:
    """Whether the study is this user's; False for unknown and malformed ids."""
    return _owns(user, AllocationStudy, study_id)


def _owns(user: Any, model: type[Model], key: str) -> bool:
    try:
        found = UUID(key)
    except ValueError:
        return False
    return model._default_manager.filter(pk=found, owner_id=user.pk).exists()
