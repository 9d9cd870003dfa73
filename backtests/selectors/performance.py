"""Reads of performance records."""

from __future__ import annotations

from typing import Any

from django.db.models import Avg, Count, Max, Min, Q, QuerySet, Sum

from accounts.models import User
from backtests.models import PerformanceRecord
from backtests.selectors.backtests import runs_on
from tradingsite.lib.errors import NotFound

_PROFITABLE = Count("pk", filter=Q(total_return_pct__gt=0))


def performance_for_user(user: User, *, execution_type: str = "", symbol: str = "") -> QuerySet[PerformanceRecord]:
    """The user's performance records, newest first, without the long columns trades, equity and config."""
    rows = PerformanceRecord.objects.filter(owner=user).defer("trades", "equity_history", "config")
    if execution_type:
        rows = rows.filter(execution_type=execution_type)
    return runs_on(rows, symbol) if symbol else rows


def of_strategy(rows: QuerySet[PerformanceRecord], name: str) -> QuerySet[PerformanceRecord]:
    """Those of a strategy, by catalogue slug or by the name it was saved under."""
    return rows.filter(Q(strategy_type=name) | Q(strategy_name=name))


def performance_record(user: User, record_id: int) -> PerformanceRecord:
    """One record of the user, whole. Raises NotFound otherwise."""
    record = PerformanceRecord.objects.filter(owner=user, pk=record_id).first()
    if record is None:
        raise NotFound()
    return record


def performance_overview(user: User, **filters: str) -> dict[str, Any]:
    """Counts and averages over all records, with the best, the worst and the five newest. Four queries."""
    rows = performance_for_user(user, **filters)
    figures = rows.aggregate(
        records=Count("pk"),
        strategies=Count("strategy_type", distinct=True),
        total_trades=Sum("total_trades", default=0),
        average_return_pct=Avg("total_return_pct"),
        average_sharpe_ratio=Avg("sharpe_ratio"),
        worst_drawdown_pct=Max("max_drawdown_pct"),
        profitable=_PROFITABLE,
    )
    by_return = rows.order_by("-total_return_pct", "-id")
    return {**figures, "best": by_return.first(), "worst": by_return.last(), "latest": list(rows[:5])}


def performance_analytics(user: User, **filters: str) -> list[dict[str, Any]]:
    """One row for each strategy and kind of execution, the best average return first. One query."""
    return list(
        performance_for_user(user, **filters)
        .order_by()
        .values("strategy_type", "execution_type")
        .annotate(
            records=Count("pk"),
            profitable=_PROFITABLE,
            trades=Sum("total_trades"),
            average_return_pct=Avg("total_return_pct"),
            best_return_pct=Max("total_return_pct"),
            worst_return_pct=Min("total_return_pct"),
            average_sharpe_ratio=Avg("sharpe_ratio"),
            average_win_rate_pct=Avg("win_rate_pct"),
            worst_drawdown_pct=Max("max_drawdown_pct"),
        )
        .order_by("-average_return_pct", "strategy_type")
    )
