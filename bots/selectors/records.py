"""Reads that only the lists of fills, orders and positions need, beside `bots.selectors.ledger`."""

from __future__ import annotations

import bisect
import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Q, QuerySet, Sum

from accounts.models import User
from bots.models import Decision, Order, Position, Trade, TradingSession
from bots.orders import GROUPS
from marketdata.columns import TIMEFRAME_NS

SECOND = 1_000_000_000
MOST_BARS, BARS_BEFORE, BARS_AFTER = 600, 60, 20
MOST_TOPICS = 40  # a websocket takes 50 subscriptions
_AMOUNT: Any = DecimalField(max_digits=40, decimal_places=8)
_NONE = Decimal(0)


def decision_of(fill: Trade) -> Decision | None:
    """The line of the ledger that gave the fill's order; None where none is kept."""
    if fill.order is None:
        return None
    kept = Decision.objects.filter(session_id=fill.session_id, symbol=fill.symbol, order_seq=fill.order.seq)
    return kept.order_by("ts_ns").first()


def slippage_cost(rows: QuerySet[Trade]) -> Decimal:
    """What slippage cost over these fills: money, adverse above 0. One query."""
    amount = F("qty") * F("slippage")
    return rows.order_by().aggregate(cost=Sum(amount, default=_NONE, output_field=_AMOUNT))["cost"]


def order_counts(rows: QuerySet[Order]) -> dict[str, int]:
    """How many of these orders are pending, active, closed. One query."""
    counts = {group: Count("pk", filter=Q(state__in=states)) for group, states in GROUPS.items()}
    return rows.order_by().aggregate(**counts)


def with_value(rows: QuerySet[Position]) -> QuerySet[Position]:
    """Each with `value`: money at the last mark, whatever its side."""
    return rows.annotate(value=ExpressionWrapper(F("qty") * F("current_px"), output_field=_AMOUNT))


def realised_since(user: User, moment: datetime.datetime) -> Decimal:
    """P&L that the user's fills have realised since then, after costs. One query."""
    rows = Trade.objects.filter(session__owner=user, executed_at__gte=moment)
    return rows.aggregate(realised=Sum("realised_pnl", default=_NONE))["realised"]


def position_chart(found: Position) -> dict[str, Any]:
    """The bars around a position, as its session saw them, for a chart of candles.

    time (Unix seconds, bar starts), open, high, low, close, volume; trades [{time, qty (signed), price, reason}] with
    their number in trades_total; lines {entry, stop, target, trailing}: its levels, the last ones it had; daily,
    seconds: how times are written. At most `MOST_BARS` bars; lists are empty where the session has kept none.
    """
    step = TIMEFRAME_NS[found.session.timeframe]
    first = _ns(found.opened_at) - BARS_BEFORE * step
    kept = Decision.objects.filter(
        session_id=found.session_id, symbol=found.symbol, timeframe=found.session.timeframe, ts_ns__gte=first
    )
    if found.closed_at is not None:
        kept = kept.filter(ts_ns__lte=_ns(found.closed_at) + BARS_AFTER * step)
    names = ("ts_ns", "open", "high", "low", "close", "volume")
    bars = list(kept.order_by("-ts_ns").values_list(*names)[:MOST_BARS])[::-1]
    columns = dict(zip(names, zip(*bars, strict=True), strict=True)) if bars else dict.fromkeys(names, ())
    times = [ns // SECOND for ns in columns.pop("ts_ns")]
    fills = [
        {
            "time": times[bisect.bisect_right(times, fill.executed_at.timestamp()) - 1],
            "qty": float(fill.qty) * (1 if fill.side == "BUY" else -1),
            "price": float(fill.px),
            "reason": fill.reason,
        }
        for fill in found.fills.order_by("executed_at", "pk")
        if times and fill.executed_at.timestamp() >= times[0]
    ]
    return {
        "time": times,
        **columns,
        "trades": fills,
        "trades_total": len(fills),
        "overlays": [],
        "daily": found.session.timeframe == "1d",
        "seconds": found.session.timeframe == "1s",
        "lines": {
            "entry": float(found.entry_px),
            "stop": _number(found.stop_px),
            "target": _number(found.target_px),
            "trailing": _number(found.trailing_px),
        },
    }


def live_topics(user: User) -> list[str]:
    """The topics on which news of the user's trading arrives: the user's own, and one for each active session."""
    ids = TradingSession.objects.filter(owner=user, state__in=TradingSession.ACTIVE).values_list("pk", flat=True)
    return [f"user.{user.pk}", *(f"session.{pk}" for pk in ids[:MOST_TOPICS])]


def _ns(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * SECOND


def _number(px: Decimal | None) -> float | None:
    return None if px is None else float(px)
