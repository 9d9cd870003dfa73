"""`?wait=true`: hold a request until its backtest is over."""

from __future__ import annotations

from backtests.models import Backtest
from tradingsite.lib.waiting import wait_until

LONGEST_S = 30.0


def wait_for_end(backtest: Backtest, longest_s: float = LONGEST_S) -> Backtest:
    """The backtest as it is when it is over, or after `longest_s` seconds, or at once when too many wait already."""
    rows = Backtest.objects.filter(pk=backtest.pk)
    wait_until(lambda: rows.values_list("state", flat=True).first() not in Backtest.ACTIVE, longest_s)
    # Deleted meanwhile: what the caller was told at the start is all there is.
    return rows.first() or backtest
