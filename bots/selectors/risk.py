"""Reads that only the risk page needs, beside `bots.selectors.exposure`: orders that count, limits, guards, stops."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet

from accounts.models import AuditEvent, RiskEnvelope, User
from bots.models import Order, SessionEvent, TradingSession
from bots.orders import WORKING
from bots.states import ACTIVE, OVER, SessionState

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit over all of a user's bots and how much of it is used. unit: "money" or "" (a count)."""

    name: str
    label: str
    value: Decimal
    maximum: Decimal | None
    unit: str = "money"

    @property
    def used_pct(self) -> float | None:
        """None where there is no limit; a limit of 0 is full."""
        if self.maximum is None:
            return None
        return float(100 * self.value / self.maximum) if self.maximum else 100.0


@dataclass(frozen=True, slots=True)
class Stopping:
    """How far one session has come after the stop button. done: nothing more will happen to it."""

    session: TradingSession
    working_orders: int
    open_positions: int

    @property
    def stops(self) -> bool:
        """Whether it is to end, not only to pause."""
        return self.session.wanted == TradingSession.Wanted.STOP or self.session.state in OVER

    @property
    def done(self) -> bool:
        if self.stops:
            return self.session.state in OVER
        return self.session.state in (SessionState.PAUSED, SessionState.HALTED)


def on_order(user: User) -> dict[str, Decimal]:
    """Signed money of entries that rest at the venue or are on their way, by symbol, at the price they were decided at.

    One query.
    """
    rows = Order.objects.filter(session__owner=user, session__state__in=ACTIVE, is_entry=True, state__in=WORKING)
    found: dict[str, Decimal] = {}
    for symbol, side, qty, filled, px in rows.values_list("symbol", "side", "qty", "filled_qty", "decision_px"):
        value = (qty - filled) * (px or _NONE) * (1 if side == "BUY" else -1)
        found[symbol] = found.get(symbol, _NONE) + value
    return found


def account_limits(
    envelope: RiskEnvelope, held: Mapping[str, Any], ordered: Mapping[str, Decimal], sessions: int
) -> list[Limit]:
    """The envelope's limits with what is used of each: what is held and what is on order count alike.

    held: `exposure.exposure`; ordered: `on_order`; sessions: how many are active.
    """
    net = held["net"] + sum(ordered.values(), _NONE)
    gross = held["gross"] + sum((abs(value) for value in ordered.values()), _NONE)
    symbols = {row["symbol"]: row["gross"] for row in held["symbols"]}
    for symbol, value in ordered.items():
        symbols[symbol] = symbols.get(symbol, _NONE) + abs(value)
    largest = max(symbols, key=lambda symbol: symbols[symbol], default="")
    label = f"Largest symbol: {largest}" if largest else "Largest symbol"
    most = None if envelope.max_sessions is None else Decimal(envelope.max_sessions)
    return [
        Limit("gross_cap", "Gross exposure", gross, envelope.gross_cap),
        Limit("net_cap", "Net exposure", abs(net), envelope.net_cap),
        Limit("symbol_cap", label, symbols.get(largest, _NONE), envelope.symbol_cap),
        *(
            Limit(
                f"group {name}",
                f"Group {name}",
                sum((symbols.get(symbol, _NONE) for symbol in group["symbols"]), _NONE),
                Decimal(group["cap"]),
            )
            for name, group in envelope.named_groups
        ),
        Limit("max_sessions", "Active sessions", Decimal(sessions), most, ""),
    ]


def guard_events(user: User, since: datetime.datetime, limit: int) -> QuerySet[SessionEvent]:
    """What guards did and what went wrong in the user's sessions since then, newest first. One query."""
    told = Q(kind="guard") | Q(level__in=(SessionEvent.Level.WARNING, SessionEvent.Level.ERROR))
    rows = SessionEvent.objects.filter(told, session__owner=user, at__gte=since)
    return rows.select_related("session__bot").order_by("-at", "-pk")[:limit]


def changes(user: User, limit: int) -> QuerySet[AuditEvent]:
    """The last changes of the user's limits and kill switch, newest first. One query."""
    return AuditEvent.objects.filter(chain=user.pk, action__startswith="risk.").order_by("-seq")[:limit]


def stopping(user: User, since: datetime.datetime | None) -> list[Stopping]:
    """Every session that the stop button reached: those that are live, and those that ended after it was pressed.

    One query.
    """
    reached = Q(state__in=(*ACTIVE, SessionState.HALTED))
    if since is not None:
        reached |= Q(state__in=OVER, ended_at__gte=since)
    rows = (
        TradingSession.objects.filter(reached, owner=user)
        .select_related("bot")
        .annotate(
            working=Count("orders", filter=Q(orders__state__in=WORKING), distinct=True),
            held=Count("positions", filter=Q(positions__is_open=True), distinct=True),
        )
        .order_by("pk")
    )
    return [Stopping(row, row.working, row.held) for row in rows]
