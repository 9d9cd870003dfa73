"""Series for charts, thinned in the database: the equity of a session, the P&L of all, day by day."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Count, F, Max, Min, QuerySet, Sum

from accounts.models import User
from bots.models import Cycle, DailyStats, TradingSession
from bots.selectors.sums import settled

MOST_POINTS = 2_000
_SECOND = 1_000_000_000


def session_equity(
    session: TradingSession, *, since: datetime | None = None, points: int = MOST_POINTS
) -> dict[str, Any]:
    """Equity over time, at most `points` of it: the last mark in each stretch of time, its lowest and its highest.

    ``{time: [Unix s, start of the bar], equity: [], low: [], high: [], drawdown_pct: [], starting_cash, points (before
    thinning), decimated}``. drawdown_pct: of the marks shown, from the highest mark so far. Three queries.
    """
    rows = _since(Cycle.objects.filter(session=session), since)
    span = rows.order_by().aggregate(first=Min("ts_ns"), last=Max("ts_ns"))
    found = [] if span["first"] is None else _buckets(rows, _size(span["first"], span["last"], points))
    start = float(session.initial_cash)
    top, falls = start, []
    for row in found:
        low, top = row["low"], max(top, row["high"])
        falls.append(100 * (1 - low / top) if top > 0 else 0.0)
    total = sum(row["count"] for row in found)
    return {
        "time": [row["last"] // _SECOND for row in found],
        "equity": [row["equity"] for row in found],
        "low": [row["low"] for row in found],
        "high": [row["high"] for row in found],
        "drawdown_pct": falls,
        "starting_cash": start,
        "points": total,
        "decimated": total > len(found),
    }


def user_pnl(
    user: User,
    *,
    since: datetime | None = None,
    bot_id: int | None = None,
    session_id: int | None = None,
    points: int = 500,
) -> dict[str, Any]:
    """Live P&L of all the user's sessions together over time: each adds equity minus initial cash, the last it had.

    ``{time: [Unix s], pnl: [], equity: []}``; equity is the initial cash of those that traded by then, plus pnl.
    P&L from before `since` counts as what it was then. At most `points` points. Four queries.
    """
    owned = TradingSession.objects.filter(owner=user)
    if bot_id is not None:
        owned = owned.filter(bot_id=bot_id)
    if session_id is not None:
        owned = owned.filter(pk=session_id)
    cash = {pk: float(value) for pk, value in owned.values_list("pk", "initial_cash")}
    cycles = Cycle.objects.filter(session__in=owned)
    value = _before(cycles, since) if since is not None else {}
    rows = _since(cycles, since)
    span = rows.order_by().aggregate(first=Min("ts_ns"), last=Max("ts_ns"))
    answer: dict[str, Any] = {"time": [], "pnl": [], "equity": []}
    if span["first"] is None:
        return answer
    size = _size(span["first"], span["last"], points)
    equity, base = sum(value.values()), sum(cash[pk] for pk in value)
    for bucket, group in itertools.groupby(_buckets(rows, size, "session_id"), key=lambda row: row["bucket"]):
        for row in group:
            pk = row["session_id"]
            base += 0.0 if pk in value else cash[pk]
            equity += row["equity"] - value.get(pk, 0.0)
            value[pk] = row["equity"]
        answer["time"].append(bucket * size // _SECOND)
        answer["pnl"].append(equity - base)
        answer["equity"].append(equity)
    return answer


def days(
    user: User, *, since: date | None = None, bot_id: int | None = None, session_id: int | None = None
) -> list[dict[str, Any]]:
    """The user's trading days, oldest first, all sessions together. One query; money is Decimal.

    Each ``{day, pnl, realised_pnl, fees, trades, round_trips, wins, losses, start_equity, return_pct}``; start_equity
    is that of the sessions that traded on the day, return_pct the day's P&L by it (None where it is 0).
    """
    rows = DailyStats.objects.filter(session__owner=user)
    if since is not None:
        rows = rows.filter(day__gte=since)
    if bot_id is not None:
        rows = rows.filter(session__bot_id=bot_id)
    if session_id is not None:
        rows = rows.filter(session_id=session_id)
    # Names of columns would be taken for those of the sums.
    summed = rows.order_by("day").values("day").annotate(
        began=Sum("start_equity"),
        ended=Sum("end_equity"),
        won=Sum("realised_pnl"),
        paid=Sum("fees"),
        fills=Sum("trades"),
        trips=Sum("round_trips"),
        good=Sum("wins"),
        bad=Sum("losses"),
    )  # fmt: skip
    return [
        {
            "day": row["day"],
            "pnl": row["ended"] - row["began"],
            "realised_pnl": row["won"],
            "fees": row["paid"],
            "trades": row["fills"],
            "round_trips": row["trips"],
            "wins": row["good"],
            "losses": row["bad"],
            "start_equity": row["began"],
            "return_pct": float((row["ended"] / row["began"] - 1) * 100) if row["began"] else None,
        }
        for row in map(settled, summed)
    ]


def _buckets(rows: QuerySet[Cycle], size: int, *keys: str) -> list[dict[str, Any]]:
    """One row for each stretch of `size` ns that has cycles (and each of `keys`), in the order of time. Two queries."""
    stretches = rows.order_by().annotate(bucket=F("ts_ns") / size).values("bucket", *keys)
    # Cycles are written in the order of time, so the newest row of a stretch is its last mark. The stretches are read
    # first: a session that runs adds cycles between two queries, and rows that were there then still are.
    newest = stretches.annotate(newest=Max("pk"))
    grouped = newest.annotate(last=Max("ts_ns"), low=Min("equity"), high=Max("equity"), count=Count("pk"))
    found = list(grouped.order_by("bucket", "newest"))
    marks = dict(Cycle.objects.filter(pk__in=[row["newest"] for row in found]).values_list("pk", "equity"))
    return [{**row, "equity": marks[row["newest"]]} for row in found]


def _before(rows: QuerySet[Cycle], since: datetime) -> dict[int, float]:
    """{session: equity of its last cycle before `since`}. One query."""
    newest = rows.filter(ts_ns__lt=_ns(since)).order_by().values("session_id").annotate(newest=Max("pk"))
    found: Iterable[tuple[int, float]] = Cycle.objects.filter(pk__in=newest.values("newest")).values_list(
        "session_id", "equity"
    )
    return dict(found)


def _since(rows: QuerySet[Cycle], since: datetime | None) -> QuerySet[Cycle]:
    return rows if since is None else rows.filter(ts_ns__gte=_ns(since))


def _size(first: int, last: int, points: int) -> int:
    """Length of a stretch of time in ns, such that at most `points` of them hold all from first to last."""
    return (last - first) // max(1, points - 1) + 1


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND
