"""Fills, orders and positions of all of a user's sessions: the lists of the pages, and the figures above them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Sum
from django.db.models.expressions import CombinedExpression

from accounts.models import User
from bots.models import Decision, Order, Position, SessionCommand, Trade, TradingSession
from bots.orders import GROUPS
from tradingsite.lib.errors import NotFound

_PRODUCT = DecimalField(max_digits=48, decimal_places=8)
ZERO = Decimal(0)


def trades(user: User, where: Q | None = None) -> QuerySet[Trade]:
    """The user's fills, with session, bot and position at hand."""
    found = Trade.objects.filter(where or Q(), session__owner=user)
    return found.select_related("session__bot", "session__custom_strategy", "position")


def trade(user: User, trade_id: int) -> Trade:
    """One fill with its order, position and session. Raises NotFound."""
    found = trades(user).select_related("order").filter(pk=trade_id).first()
    if found is None:
        raise NotFound("There is no such trade of yours.")
    return found


def decision_of(fill: Trade) -> Decision | None:
    """The line of the ledger that gave the fill's order; None where none is kept."""
    if fill.order is None:
        return None
    kept = Decision.objects.filter(session_id=fill.session_id, symbol=fill.symbol, order_seq=fill.order.seq)
    return kept.order_by("ts_ns").first()


def trade_figures(user: User, where: Q) -> dict[str, Any]:
    """Figures over the fills that pass `where`: fills, turnover, commission, slippage (money, adverse above 0),
    realised, closing and winning fills, win_rate_pct (None where nothing was closed)."""
    figures = Trade.objects.filter(where, session__owner=user).aggregate(
        fills=Count("pk"),
        turnover=Sum(_product(F("qty") * F("px"))),
        commission=Sum("commission"),
        slippage=Sum(_product(F("qty") * F("slippage"))),
        realised=Sum("realised_pnl"),
        closing=Count("pk", filter=Q(realised_pnl__isnull=False)),
        winning=Count("pk", filter=Q(realised_pnl__gt=0)),
    )
    closing = figures["closing"]
    return figures | {"win_rate_pct": 100.0 * figures["winning"] / closing if closing else None}


def orders(user: User, where: Q | None = None) -> QuerySet[Order]:
    """The user's orders, with session and bot at hand."""
    found = Order.objects.filter(where or Q(), session__owner=user)
    return found.select_related("session__bot", "session__custom_strategy")


def order(user: User, order_id: int) -> Order:
    """One order with its session. Raises NotFound."""
    found = orders(user).filter(pk=order_id).first()
    if found is None:
        raise NotFound("There is no such order of yours.")
    return found


def order_counts(user: User, where: Q) -> dict[str, int]:
    """How many orders that pass `where` are pending, active, closed."""
    counts = {group: Count("pk", filter=Q(state__in=states)) for group, states in GROUPS.items()}
    return Order.objects.filter(where, session__owner=user).aggregate(**counts)


def positions(user: User, where: Q | None = None) -> QuerySet[Position]:
    """The user's positions with session and bot at hand; `closing`: a request to close it waits."""
    waiting = SessionCommand.objects.filter(
        session_id=OuterRef("session_id"),
        symbol=OuterRef("symbol"),
        kind=SessionCommand.Kind.CLOSE_POSITION,
        done_at=None,
    )
    found = Position.objects.filter(where or Q(), session__owner=user).annotate(
        closing=Exists(waiting), value=_product(F("qty") * F("current_px"))
    )
    return found.select_related("session__bot", "session__custom_strategy")


def position(user: User, position_id: int) -> Position:
    """One position with its session. Raises NotFound."""
    found = positions(user).filter(pk=position_id).first()
    if found is None:
        raise NotFound("There is no such position of yours.")
    return found


def position_figures(user: User, since: datetime.datetime) -> dict[str, Any]:
    """Over all open positions: count, long and short (money at the last mark), unrealised; and what was realised by
    fills since that moment."""
    value = _product(F("qty") * F("current_px"))
    figures = Position.objects.filter(session__owner=user, is_open=True).aggregate(
        count=Count("pk"),
        long=Sum(value, filter=Q(side="BUY"), default=ZERO),
        short=Sum(value, filter=Q(side="SELL"), default=ZERO),
        unrealised=Sum("unrealised_pnl", default=ZERO),
    )
    realised = Trade.objects.filter(session__owner=user, executed_at__gte=since).aggregate(
        realised=Sum("realised_pnl", default=ZERO)
    )
    return figures | realised


def active_sessions(user: User) -> QuerySet[TradingSession]:
    """The user's sessions that a host runs or would run, and those that wait for a person."""
    states = (*TradingSession.ACTIVE, TradingSession.State.HALTED)
    found = TradingSession.objects.filter(owner=user, state__in=states)
    return found.select_related("bot", "custom_strategy").order_by("created_at", "pk")


def live_topics(user: User) -> list[str]:
    """The topics on which news of the user's trading arrives: one for each active session, and the user's own."""
    ids = TradingSession.objects.filter(owner=user, state__in=TradingSession.ACTIVE).values_list("pk", flat=True)[:40]
    return [f"user.{user.pk}", *(f"session.{pk}" for pk in ids)]


def _product(expression: CombinedExpression) -> Any:
    return ExpressionWrapper(expression, output_field=_PRODUCT)
