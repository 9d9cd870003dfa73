"""Figures over all of a user's sessions: totals, periods, bots and symbols compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from django.utils import timezone

from accounts.models import User
from bots.models import Order, Position, Trade, TradingSession
from bots.orders import WORKING
from bots.selectors import curves
from bots.selectors.sessions import between, with_top
from bots.selectors.sums import settled
from engine import metrics
from engine.errors import Fault, InputError

PERIODS = {"1W": 7, "1M": 30, "3M": 91, "6M": 182, "1Y": 365, "ALL": None}
_NONE = Decimal(0)
_ACTIVE = Q(state__in=TradingSession.ACTIVE)


def since_of(period: str, now: datetime | None = None) -> datetime | None:
    """When a period of `PERIODS` began; None for ALL. Raises InputError for another."""
    if period not in PERIODS:
        raise InputError(Fault("period", "unknown_choice", f"{period!r:.20} is no period", ", ".join(PERIODS)))
    days = PERIODS[period]
    return None if days is None else (now or timezone.now()) - timedelta(days=days)


def totals(user: User) -> dict[str, Any]:
    """The user's sessions in a few figures. Two queries; money is Decimal.

    equity, cash, exposure, unrealised_pnl and day_pnl are of the active ones, total_pnl (realised) of all.
    """
    rows = TradingSession.objects.filter(owner=user)
    # A sum that bore a column's name would be taken for the column by the sums after it.
    sums = rows.aggregate(
        sum_sessions=Count("pk"),
        sum_active_sessions=Count("pk", filter=_ACTIVE),
        sum_paused_sessions=Count("pk", filter=Q(state="PAUSED")),
        sum_halted_sessions=Count("pk", filter=Q(state__in=("HALTED", "FAILED"))),
        sum_total_trades=Sum("total_trades", default=0),
        sum_winning_trades=Sum("winning_trades", default=0),
        sum_total_pnl=Sum("total_pnl", default=_NONE),
        sum_unrealised_pnl=Sum("unrealised_pnl", filter=_ACTIVE, default=_NONE),
        sum_equity=Sum("equity", filter=_ACTIVE, default=_NONE),
        sum_cash=Sum("cash", filter=_ACTIVE, default=_NONE),
        sum_exposure=Sum("exposure", filter=_ACTIVE, default=_NONE),
        sum_day_pnl=Sum(F("equity") - F("day_start_equity"), filter=_ACTIVE, default=_NONE),
        sum_open_positions=Sum("open_positions", filter=_ACTIVE, default=0),
        sum_last_bar_at=Max("last_bar_at", filter=_ACTIVE),
    )
    found = settled({name.removeprefix("sum_"): value for name, value in sums.items()})
    closed = found["total_trades"]
    found["win_rate_pct"] = 100 * found["winning_trades"] / closed if closed else None
    found["fees"] = Trade.objects.filter(session__owner=user).aggregate(sum=Sum("commission", default=_NONE))["sum"]
    return found


def performance(
    user: User, period: str = "ALL", *, bot_id: int | None = None, session_id: int | None = None
) -> dict[str, Any]:
    """How the user's trading went over a period of `PERIODS`: three queries.

    Return-based figures (Sharpe, drawdown, volatility, best and worst day) are of daily returns, each the day's P&L by
    the equity with which the sessions of that day began it; a year has 365 days where every market is round the clock,
    else 252. Trade-based ones are of positions closed in the period. None where a figure is not defined.
    """
    since = since_of(period)
    days = curves.days(user, since=since.date() if since else None, bot_id=bot_id, session_id=session_id)
    returns = [day["return_pct"] / 100 for day in days if day["return_pct"] is not None]
    owned = TradingSession.objects.filter(owner=user)
    closed = Position.objects.filter(session__owner=user, is_open=False)
    if bot_id is not None:
        owned, closed = owned.filter(bot_id=bot_id), closed.filter(session__bot_id=bot_id)
    if session_id is not None:
        owned, closed = owned.filter(pk=session_id), closed.filter(session_id=session_id)
    always_open = not owned.exclude(feed="synthetic").exists()
    figures = metrics.from_returns(returns, periods_per_year=365 if always_open else 252)
    return {
        "period": period,
        "since": since,
        "days": len(days),
        "pnl": sum((day["pnl"] for day in days), _NONE),
        "fees": sum((day["fees"] for day in days), _NONE),
        "fills": sum(day["trades"] for day in days),
        **{name: figures[name] for name in _RETURN_FIGURES},
        **_round_trips(between(closed, "closed_at", since, None)),
    }


def by_bot(user: User, period: str = "ALL") -> list[dict[str, Any]]:
    """Closed positions of the period for each bot (bot_id None: sessions without one), the best first. One query."""
    return _compared(user, period, bot_id=F("session__bot_id"), name=F("session__bot__name"))


def by_symbol(user: User, period: str = "ALL") -> list[dict[str, Any]]:
    """Closed positions of the period for each symbol, the best first. One query."""
    return _compared(user, period, name=F("symbol"))


def summary(user: User) -> dict[str, Any]:
    """What a dashboard shows at the top: `totals`, today's fills, working orders, the newest bar. Four queries."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    fills = Trade.objects.filter(session__owner=user, executed_at__gte=today).count()
    working = Order.objects.filter(session__owner=user, state__in=WORKING).count()
    return {**totals(user), "trades_today": fills, "working_orders": working, "at": timezone.now()}


def portfolio(user: User) -> dict[str, Any]:
    """Cash, equity and open positions of the active sessions, together and one by one. Two queries."""
    rows = list(with_top(TradingSession.objects.filter(_ACTIVE, owner=user).select_related("bot").order_by("pk")))
    held = Position.objects.filter(session__in=rows, is_open=True).select_related("session", "session__bot")
    return {
        "total_value": sum((row.equity or row.initial_cash for row in rows), _NONE),
        "cash": sum((row.initial_cash if row.cash is None else row.cash for row in rows), _NONE),
        "exposure": sum((row.exposure for row in rows), _NONE),
        "unrealised_pnl": sum((row.unrealised_pnl for row in rows), _NONE),
        "sessions": rows,
        "positions": list(held.order_by("symbol", "pk")),
    }


_RETURN_FIGURES = (
    "total_return_pct", "volatility_pct", "sharpe", "sortino", "max_drawdown_pct", "best_day_pct", "worst_day_pct",
    "var_95_pct",
)  # fmt: skip


def _round_trips(rows: Any) -> dict[str, Any]:
    found = rows.order_by().aggregate(**_TRIPS)
    return _derived(found)


_WON, _LOST = Q(realised_pnl__gt=0), Q(realised_pnl__lt=0)
_TRIPS: dict[str, Any] = {
    "round_trips": Count("pk"),
    "wins": Count("pk", filter=_WON),
    "losses": Count("pk", filter=_LOST),
    "realised": Sum("realised_pnl", default=_NONE),
    "won": Sum("realised_pnl", filter=_WON, default=_NONE),
    "lost": Sum("realised_pnl", filter=_LOST, default=_NONE),
    "best_trade": Max("realised_pnl"),
    "worst_trade": Min("realised_pnl"),
    "commission_sum": Sum("commission", default=_NONE),
}


def _derived(found: dict[str, Any]) -> dict[str, Any]:
    found = settled(found)
    count, wins, losses = found["round_trips"], found["wins"], found["losses"]
    won, lost = found.pop("won"), found.pop("lost")
    return {
        **{name: value for name, value in found.items() if name not in ("realised", "commission_sum")},
        "realised_pnl": found["realised"],
        "round_trip_fees": found["commission_sum"],
        "win_rate_pct": 100 * wins / count if count else None,
        "profit_factor": float(won / -lost) if lost else None,
        "average_win": won / wins if wins else None,
        "average_loss": lost / losses if losses else None,
    }


def _compared(user: User, period: str, **keys: Any) -> list[dict[str, Any]]:
    rows = between(Position.objects.filter(session__owner=user, is_open=False), "closed_at", since_of(period), None)
    grouped = rows.order_by().annotate(**{f"key_{name}": key for name, key in keys.items()})
    found = grouped.values(*(f"key_{name}" for name in keys)).annotate(**_TRIPS).order_by("-realised")
    return [
        _derived({name.removeprefix("key_"): value for name, value in row.items()}) for row in found
    ]  # fmt: skip
