"""News of sweeps for the pages that watch them."""

from __future__ import annotations

import uuid

from backtests.models import Sweep
from backtests.sweeps import selectors
from tradingsite.lib import realtime


def announce(sweep: Sweep) -> None:
    """Tell the pages that watch it, once the current transaction is committed."""
    realtime.publish(sweep.topic, "sweep_progress", selectors.progress(sweep))


def announce_id(sweep_id: uuid.UUID) -> None:
    """`announce` by id, with what the row says now."""
    sweep = Sweep.objects.filter(pk=sweep_id).first()
    if sweep is not None:
        announce(sweep)
