"""Reads of what sessions did: orders, trades, positions, decisions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, DecimalField, F, Max, Min, Q, QuerySet, Sum

from accounts.models import User
from bots.models import Decision, Order, Position, SessionCommand, Trade, TradingSession
from bots.orders import GROUPS
from bots.selectors.sessions import MAX_ID, between
from bots.selectors.sums import settled
from tradingsite.lib.errors import NotFound

TRADE_SORTS = ("executed_at", "symbol", "qty", "px", "commission", "slippage", "realised_pnl")
POSITION_SORTS = ("opened_at", "closed_at", "symbol", "unrealised_pnl", "realised_pnl")
_AMOUNT: Any = DecimalField(max_digits=40, decimal_places=8)
_NONE = Decimal(0)


def orders(
    user: User,
    *,
    group: str = "",
    session_id: int | None = None,
    bot_id: int | None = None,
    symbol: str = "",
    side: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Order]:
    """The user's orders that pass, the last decided first, with sessions and bots; one query.

    group: pending, active or closed. since, until: decided in [since, until).
    """
    rows = _of_user(Order.objects, user, session_id, bot_id, symbol)
    if group:
        rows = rows.filter(state__in=GROUPS[group])
    if side:
        rows = rows.filter(side=side)
    return between(rows, "decided_at", since, until).order_by("-decided_at", "-pk")


def order(user: User, order_id: int) -> Order:
    """One of the user's orders. Raises NotFound for any other."""
    return _one(orders(user), order_id, "order")


def trades(
    user: User,
    *,
    session_id: int | None = None,
    bot_id: int | None = None,
    symbol: str = "",
    side: str = "",
    reason: str = "",
    result: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    sort: str = "-executed_at",
) -> QuerySet[Trade]:
    """The user's fills that pass, with sessions, bots and orders; one query. sort: one of `TRADE_SORTS`, "-" falls.

    result: "win" or "loss", of those that closed something. since, until: executed in [since, until).
    """
    rows = _of_user(Trade.objects, user, session_id, bot_id, symbol).select_related("order", "position")
    if side:
        rows = rows.filter(side=side)
    if reason:
        rows = rows.filter(reason=reason)
    if result:
        rows = rows.filter(realised_pnl__gt=0) if result == "win" else rows.filter(realised_pnl__lt=0)
    return _sorted(between(rows, "executed_at", since, until), sort, TRADE_SORTS)


def trade(user: User, trade_id: int) -> Trade:
    """One of the user's fills. Raises NotFound for any other."""
    return _one(trades(user), trade_id, "trade")


def trade_statistics(rows: QuerySet[Trade]) -> dict[str, Any]:
    """Figures over fills. One query.

    count: all; closing: those that closed something, on which all of P&L is. win_rate_pct: of the closing ones.
    profit_factor: sum won by sum lost; None without a loss. Money is Decimal.
    """
    won, lost = Q(realised_pnl__gt=0), Q(realised_pnl__lt=0)
    found = rows.order_by().aggregate(
        count=Count("pk"),
        closing=Count("realised_pnl"),
        wins=Count("pk", filter=won),
        losses=Count("pk", filter=lost),
        total_pnl=Sum("realised_pnl", default=_NONE),
        won=Sum("realised_pnl", filter=won, default=_NONE),
        lost=Sum("realised_pnl", filter=lost, default=_NONE),
        average_win=Avg("realised_pnl", filter=won),
        average_loss=Avg("realised_pnl", filter=lost),
        best=Max("realised_pnl"),
        worst=Min("realised_pnl"),
        fees=Sum("commission", default=_NONE),
        volume=Sum(F("qty") * F("px"), default=_NONE, output_field=_AMOUNT),
        first_at=Min("executed_at"),
        last_at=Max("executed_at"),
    )
    found = settled(found)
    won_sum, lost_sum = found.pop("won"), found.pop("lost")
    found["win_rate_pct"] = 100 * found["wins"] / found["closing"] if found["closing"] else None
    found["profit_factor"] = float(won_sum / -lost_sum) if lost_sum else None
    return found


def positions(
    user: User,
    *,
    is_open: bool | None = None,
    session_id: int | None = None,
    bot_id: int | None = None,
    symbol: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    sort: str = "-opened_at",
) -> QuerySet[Position]:
    """The user's positions that pass, with sessions and bots; one query. sort: one of `POSITION_SORTS`, "-" falls.

    since, until: closed in [since, until), which leaves open ones out.
    """
    rows = _of_user(Position.objects, user, session_id, bot_id, symbol)
    if is_open is not None:
        rows = rows.filter(is_open=is_open)
    return _sorted(between(rows, "closed_at", since, until), sort, POSITION_SORTS)


def position(user: User, position_id: int) -> Position:
    """One of the user's positions. Raises NotFound for any other."""
    return _one(positions(user), position_id, "position")


def position_summary(rows: QuerySet[Position]) -> dict[str, Any]:
    """Figures over positions: counts, market value (gross and net), P&L, fees. One query; money is Decimal."""
    held = Q(is_open=True)
    value = F("qty") * F("current_px")
    found = rows.order_by().aggregate(
        count=Count("pk"),
        open=Count("pk", filter=held),
        long_value=Sum(value, filter=held & Q(side="BUY"), default=_NONE, output_field=_AMOUNT),
        short_value=Sum(value, filter=held & Q(side="SELL"), default=_NONE, output_field=_AMOUNT),
        unrealised=Sum("unrealised_pnl", filter=held, default=_NONE),
        realised=Sum("realised_pnl", default=_NONE),
        fees=Sum("commission", default=_NONE),
        wins=Count("pk", filter=~held & Q(realised_pnl__gt=0)),
        losses=Count("pk", filter=~held & Q(realised_pnl__lt=0)),
    )
    found = settled(found)
    found["unrealised_pnl"], found["realised_pnl"] = found.pop("unrealised"), found.pop("realised")
    found["gross_value"] = found["long_value"] + found["short_value"]
    found["net_value"] = found["long_value"] - found["short_value"]
    return found


def closing(rows: list[Position]) -> set[int]:
    """Ids of those positions that somebody asked to close and that are not closed yet. One query."""
    waiting = SessionCommand.objects.filter(
        kind=SessionCommand.Kind.CLOSE_POSITION, done_at__isnull=True, session_id__in={row.session_id for row in rows}
    )
    asked = set(waiting.values_list("session_id", "symbol")) if rows else set()
    return {row.pk for row in rows if row.is_open and {(row.session_id, row.symbol), (row.session_id, "")} & asked}


def decisions(
    session: TradingSession, *, symbol: str = "", outcome: str = "", only_deciding: bool = True
) -> QuerySet[Decision]:
    """Why it did, or did not, trade: one row for each symbol and bar, newest first. One query.

    outcome: an order's reason, or the gate that refused. only_deciding: leave out bars that orders are matched on only.
    """
    rows = session.decisions.all()
    if symbol:
        rows = rows.filter(symbol=symbol.upper())
    if outcome:
        rows = rows.filter(outcome=outcome)
    return rows.filter(decides=True) if only_deciding else rows


def outcome_counts(session: TradingSession) -> dict[str, int]:
    """How often each outcome was, the most frequent first. One query."""
    rows = session.decisions.filter(decides=True).order_by().values("outcome").annotate(count=Count("pk"))
    return {row["outcome"]: row["count"] for row in rows.order_by("-count", "outcome")}


def _of_user(rows: Any, user: User, session_id: int | None, bot_id: int | None, symbol: str) -> QuerySet[Any]:
    found = rows.filter(session__owner=user).select_related("session", "session__bot")
    if session_id is not None:
        found = found.filter(session_id=session_id)
    if bot_id is not None:
        found = found.filter(session__bot_id=bot_id)
    return found.filter(symbol=symbol.upper()) if symbol else found


def _sorted(rows: QuerySet[Any], sort: str, allowed: tuple[str, ...]) -> QuerySet[Any]:
    column = sort.removeprefix("-")
    if column not in allowed:
        raise ValueError(f"no sort here: {sort}")
    by = F(column).desc(nulls_last=True) if sort.startswith("-") else F(column).asc(nulls_last=True)
    return rows.order_by(by, "-pk")


def _one(rows: QuerySet[Any], pk: int, word: str) -> Any:
    # A number wider than the column is an error on PostgreSQL, not a miss.
    found = rows.filter(pk=pk).first() if 0 < pk <= MAX_ID else None
    if found is None:
        raise NotFound(f"There is no such {word}.")
    return found
