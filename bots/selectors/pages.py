"""Reads that only pages need: what a chart draws, what a card or a tile says. Each costs a fixed number of queries."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum

from accounts.models import User
from bots.models import Bot, Cycle, Decision, Order, PortfolioSnapshot, Position, Trade, TradingSession
from bots.orders import WORKING
from bots.states import ACTIVE, SessionState
from tradingsite.lib.errors import NotFound

SECOND = 1_000_000_000
CANDLES = 1_500
SPARK_POINTS = 60
MOST_LINES = 5
CANDLE = ("open", "high", "low", "close", "volume")
# An input of a decision is drawn over the prices when its typical value lies this near to theirs; else in its own pane.
NEAR_PRICE = (0.5, 2.0)
LIVE = (*ACTIVE, SessionState.HALTED)


@dataclass(frozen=True, slots=True)
class Totals:
    """All live sessions of a user together. Money is Decimal; day_pnl counts from each session's opening equity.

    real_money: how many of them trade it.
    """

    sessions: int
    real_money: int
    equity: Decimal
    day_pnl: Decimal
    unrealised_pnl: Decimal
    realised_pnl: Decimal
    exposure: Decimal
    open_positions: int

    @property
    def day_pct(self) -> float | None:
        """Today's change in percent of this day's opening equity; None where there was none."""
        before = self.equity - self.day_pnl
        return float(self.day_pnl / before * 100) if before > 0 else None


@dataclass(frozen=True, slots=True)
class Left:
    """What a session still has at the venue: how far its stopping is."""

    working_orders: int
    open_positions: int

    @property
    def words(self) -> str:
        """``2 open positions, 0 working orders``."""
        positions = f"{self.open_positions} open position{'' if self.open_positions == 1 else 's'}"
        return f"{positions}, {self.working_orders} working order{'' if self.working_orders == 1 else 's'}"


def live_sessions(user: User) -> QuerySet[TradingSession]:
    """What runs, would run, or needs its owner, newest first; each with `heard_at` (see `with_sign`)."""
    rows = TradingSession.objects.filter(owner=user, state__in=LIVE)
    return with_sign(rows.select_related("bot", "broker_account"))


def with_sign(rows: QuerySet[TradingSession]) -> QuerySet[TradingSession]:
    """Each with `heard_at`: when it last decided, by the wall clock. The bars of a replay have times of their own."""
    last = Cycle.objects.filter(session=OuterRef("pk")).order_by("-ts_ns").values("decided_at")[:1]
    return rows.annotate(heard_at=Subquery(last))


def get(user: User, session_id: int) -> TradingSession:
    """One session of the user, with its bot and `heard_at`. Raises NotFound for anybody else's and unknown ids."""
    found = with_sign(
        TradingSession.objects.filter(owner=user, pk=session_id).select_related("bot", "broker_account")
    ).first()
    if found is None:
        raise NotFound()
    return found


def totals(sessions: Iterable[TradingSession]) -> Totals:
    """Sums over sessions, of those that are live."""
    live = [session for session in sessions if session.state in LIVE]
    zero = Decimal(0)
    return Totals(
        sessions=len(live),
        real_money=sum(bool(session.broker_account and session.broker_account.is_real_money) for session in live),
        equity=sum((worth(session) for session in live), zero),
        day_pnl=sum((day_pnl(session) for session in live), zero),
        unrealised_pnl=sum((session.unrealised_pnl for session in live), zero),
        realised_pnl=sum((session.total_pnl for session in live), zero),
        exposure=sum((session.exposure for session in live), zero),
        open_positions=sum(session.open_positions for session in live),
    )


def worth(session: TradingSession) -> Decimal:
    """Its equity; before the first bar, what it starts with."""
    return session.initial_cash if session.equity is None else session.equity


def day_pnl(session: TradingSession) -> Decimal:
    """Change of equity since its trading day began."""
    return Decimal(0) if session.day_start_equity is None else worth(session) - session.day_start_equity


def total_change(session: TradingSession) -> Decimal:
    """Change of equity since it started."""
    return worth(session) - session.initial_cash


def sparklines(sessions: Sequence[TradingSession]) -> dict[int, list[float]]:
    """The last `SPARK_POINTS` equity marks of each session, oldest first. Two queries for all of them."""
    found: dict[int, list[float]] = {}
    for key, value in _newest([session.pk for session in sessions], SPARK_POINTS).values_list("session", "total_value"):
        found.setdefault(key, []).append(float(value))
    return found


def _newest(keys: Sequence[int], each: int) -> QuerySet[PortfolioSnapshot]:
    """The newest `each` snapshots of every session, oldest first. Costs a query to find where they begin."""
    if not keys:
        return PortfolioSnapshot.objects.none()
    oldest = PortfolioSnapshot.objects.filter(session=OuterRef("pk")).order_by("-ts").values("ts")[each - 1 : each]
    begins = TradingSession.objects.filter(pk__in=keys).annotate(since=Subquery(oldest)).values_list("pk", "since")
    wanted = Q()
    for key, since in begins:
        wanted |= Q(session=key) if since is None else Q(session=key, ts__gte=since)
    return PortfolioSnapshot.objects.filter(wanted).order_by("ts")


def left_at_venue(sessions: Sequence[TradingSession]) -> dict[int, Left]:
    """What each of these sessions still has open. Two queries."""
    keys = [session.pk for session in sessions]
    working = _counts(Order.objects.filter(session__in=keys, state__in=WORKING))
    held = _counts(Position.objects.filter(session__in=keys, is_open=True))
    return {key: Left(working.get(key, 0), held.get(key, 0)) for key in keys}


def _counts(rows: QuerySet[Any]) -> dict[int, int]:
    return dict(rows.order_by().values_list("session").annotate(Count("pk")))


def open_positions(user: User) -> QuerySet[Position]:
    """What all of a user's sessions hold now."""
    return Position.objects.filter(session__owner=user, is_open=True).select_related("session").order_by("symbol", "pk")


def price_chart(session: TradingSession, symbol: str, *, since: int = 0) -> dict[str, Any]:
    """Candles of the bars that a session decided on, what its decisions were read from, and its trades.

    since: only candles that begin at this Unix second or later; at most the newest `CANDLES` of them.

    The shape of `backtests`' price charts: ``{"symbol", "time": [Unix s], "open", "high", "low", "close", "volume",
    "overlays": [{"name", "label", "pane", "values"}], "trades": [{"time", "price", "qty" (signed), "reason"}],
    "trades_total", "daily", "seconds", "lines": {"entry", "stop", "target", "trailing"}}``. Three queries.
    """
    rows = list(
        Decision.objects.filter(session=session, symbol=symbol, timeframe=session.timeframe, ts_ns__gte=since * SECOND)
        .order_by("-ts_ns")
        .values_list("ts_ns", "open", "high", "low", "close", "volume", "inputs")[:CANDLES]
    )[::-1]
    times = [row[0] // SECOND for row in rows]
    closes = [row[4] for row in rows]
    trades = _trades_at(session, symbol, times)
    return {
        "symbol": symbol,
        "time": times,
        **{name: [row[place] for row in rows] for place, name in enumerate(CANDLE, 1)},
        "overlays": _overlays([row[6] for row in rows], closes),
        "trades": trades,
        "trades_total": len(trades),
        "daily": session.timeframe == "1d",
        "seconds": session.timeframe == "1s",
        "lines": _lines(session, symbol),
    }


def _trades_at(session: TradingSession, symbol: str, times: Sequence[int]) -> list[dict[str, Any]]:
    """The session's trades within the candles, each at the candle in which it happened."""
    if not times:
        return []
    begins = datetime.fromtimestamp(times[0], tz=UTC)
    rows = Trade.objects.filter(session=session, symbol=symbol, executed_at__gte=begins).order_by("executed_at", "pk")
    found = []
    for at, side, qty, px, reason in rows.values_list("executed_at", "side", "qty", "px", "reason"):
        place = bisect.bisect_right(times, int(at.timestamp())) - 1
        signed = float(qty) if side == "BUY" else -float(qty)
        found.append({"time": times[place], "price": float(px), "qty": signed, "reason": reason})
    return found


def _lines(session: TradingSession, symbol: str) -> dict[str, float | None]:
    """Levels of the open position; all None without one."""
    columns = ("entry_px", "stop_px", "target_px", "trailing_px")
    held = Position.objects.filter(session=session, symbol=symbol, is_open=True).values_list(*columns).first()
    values = held or (None,) * len(columns)
    return {
        name.removesuffix("_px"): None if value is None else float(value)
        for name, value in zip(columns, values, strict=True)
    }


def _overlays(inputs: Sequence[dict[str, Any]], closes: Sequence[float]) -> list[dict[str, Any]]:
    """The first few numbers that decisions were read from, as lines; those of the candle itself are there already."""
    known = dict.fromkeys(name for each in inputs for name, value in each.items() if _is_number(value))
    names = [name for name in known if name not in CANDLE]
    lines = []
    for name in names[:MOST_LINES]:
        values = [each[name] if _is_number(each.get(name)) else None for each in inputs]
        ratios = [value / close for value, close in zip(values, closes, strict=True) if value is not None and close]
        near = bool(ratios) and NEAR_PRICE[0] <= median(ratios) <= NEAR_PRICE[1]
        label = name.replace("_", " ").capitalize()
        lines.append({"name": name, "label": label, "pane": "price" if near else "own", "values": values})
    return lines


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def bot_totals(bot: Bot) -> dict[str, Any]:
    """What a bot's sessions made together: ``{sessions, trades, wins, realised, win_rate_pct}``. One query."""
    found = bot.sessions.aggregate(
        sessions=Count("pk"),
        trades=Sum("total_trades", default=0),
        wins=Sum("winning_trades", default=0),
        realised=Sum("total_pnl", default=Decimal(0)),
    )
    closed = found["trades"]
    return {**found, "win_rate_pct": 100 * found["wins"] / closed if closed else None}
