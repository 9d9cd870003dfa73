"""Reads of bots and sessions, their settings and their log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum

from accounts.models import User
from bots.models import Bot, DailyStats, ParityReport, SessionEvent, SessionSettings, TradingSession
from strategies.models import CustomStrategy
from tradingsite.lib.errors import NotFound

MAX_ID = 2**63 - 1
SESSION_SORTS = ("created_at", "total_pnl", "equity", "total_trades", "last_bar_at")


def sessions(
    user: User,
    *,
    state: str = "",
    active: bool | None = None,
    bot_id: int | None = None,
    symbol: str = "",
    search: str = "",
    sort: str = "-created_at",
) -> QuerySet[TradingSession]:
    """The user's sessions that pass, with their bots and `top_equity`; one query.

    sort: one of `SESSION_SORTS`, "-" before it falls.
    search: words, each part of the name, the bot's name, the strategy or a symbol.
    """
    rows = with_top(TradingSession.objects.filter(owner=user).select_related("bot", "broker_account"))
    if state:
        rows = rows.filter(state=state)
    if active is not None:
        rows = rows.filter(state__in=TradingSession.ACTIVE) if active else rows.exclude(state__in=TradingSession.ACTIVE)
    if bot_id is not None:
        rows = rows.filter(bot_id=bot_id)
    if symbol:
        rows = trading(rows, symbol)
    for word in search.split():
        rows = rows.filter(
            Q(name__icontains=word)
            | Q(bot__name__icontains=word)
            | Q(strategy__icontains=word)
            | Q(symbols__icontains=word)
        )
    if sort.removeprefix("-") not in SESSION_SORTS:
        raise ValueError(f"no sort of sessions: {sort}")
    return rows.order_by(sort, "-pk")


def drawdown_pct(session: TradingSession) -> float | None:
    """How far its equity is below the highest it had at a bar's close, in percent, 0 or less; None before a bar.

    A query, unless `session` came through `with_top`.
    """
    if session.equity is None:
        return None
    stored = session.top_equity if hasattr(session, "top_equity") else _tops_of(session.pk).first()
    top = max(session.initial_cash, session.equity, stored or session.equity)
    return 100 * float(session.equity / top - 1)


def with_top(rows: QuerySet[TradingSession]) -> QuerySet[TradingSession]:
    """These rows with `top_equity`, the highest at a bar's close (Decimal; None before one), in the same query."""
    return rows.annotate(top_equity=Subquery(_TOPS))


def _tops_of(session_id: Any) -> QuerySet[Any]:
    rows = DailyStats.objects.filter(session=session_id).order_by("-max_equity")
    return rows.values_list("max_equity", flat=True)[:1]


_TOPS = _tops_of(OuterRef("pk"))


def trading(rows: QuerySet[TradingSession], symbol: str) -> QuerySet[TradingSession]:
    """Those of `rows` that trade the symbol, perhaps among others."""
    # The column holds JSON text on SQLite and JSON on PostgreSQL; a quoted symbol stands in both.
    return rows.filter(symbols__icontains=f'"{symbol.upper()}"')


def session(user: User, session_id: int) -> TradingSession:
    """One of the user's sessions. Raises NotFound for any other."""
    found = sessions(user).filter(pk=session_id).first() if 0 < session_id <= MAX_ID else None
    if found is None:
        raise NotFound("There is no such session.")
    return found


def active_ids(user: User) -> list[int]:
    """Ids of the sessions that count against the user's tier, oldest first."""
    rows = TradingSession.objects.filter(owner=user, state__in=TradingSession.ACTIVE)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def active_count(user: User) -> int:
    """How many sessions count against the user's tier."""
    return TradingSession.objects.filter(owner=user, state__in=TradingSession.ACTIVE).count()


def active_session(user: User) -> TradingSession | None:
    """The active session started last; None without one."""
    return sessions(user, active=True).first()


def active_of_bot(bot: Bot) -> TradingSession | None:
    """The bot's active session; None without one."""
    return bot.sessions.filter(state__in=TradingSession.ACTIVE).select_related("bot").order_by("-pk").first()


def bots(user: User, *, search: str = "") -> QuerySet[Bot]:
    """The user's bots by name, one query. Each has `session_count`, `pnl` (realised, Decimal) and `active_id`, the id
    of its active session or None."""
    active = TradingSession.objects.filter(bot=OuterRef("pk"), state__in=TradingSession.ACTIVE).order_by("-pk")
    rows = Bot.objects.filter(owner=user).annotate(
        session_count=Count("sessions"),
        pnl=Sum("sessions__total_pnl"),
        active_id=Subquery(active.values("pk")[:1]),
        active_state=Subquery(active.values("state")[:1]),
    )
    for word in search.split():
        rows = rows.filter(Q(name__icontains=word) | Q(strategy__icontains=word) | Q(symbols__icontains=word))
    return rows.prefetch_related("broker_account").order_by("name", "pk")


def bot(user: User, bot_id: int) -> Bot:
    """One of the user's bots. Raises NotFound for any other."""
    related = ("saved_strategy", "custom_strategy", "broker_account")
    rows = Bot.objects.filter(owner=user, pk=bot_id).select_related(*related)
    found = rows.first() if 0 < bot_id <= MAX_ID else None
    if found is None:
        raise NotFound("There is no such bot.")
    return found


def sessions_of_custom(row: CustomStrategy) -> list[str]:
    """The active sessions that run a custom strategy, in words."""
    return [f"session {pk}" for pk in row.sessions.filter(state__in=TradingSession.ACTIVE).values_list("pk", flat=True)]


def settings_history(session: TradingSession) -> QuerySet[SessionSettings]:
    """Every version of its settings, the latest first, with who changed it. One query."""
    return session.settings_versions.select_related("changed_by").order_by("-version")


def events(session: TradingSession, *, level: str = "", kind: str = "") -> QuerySet[SessionEvent]:
    """Its log, newest first. One query."""
    rows = session.events.select_related("by")
    if level:
        rows = rows.filter(level=level)
    return rows.filter(kind=kind) if kind else rows


def parity_report(session: TradingSession) -> ParityReport | None:
    """The latest comparison with a backtest; None before the first."""
    return session.parity_reports.first()


def between(rows: QuerySet[Any], column: str, since: datetime | None, until: datetime | None) -> QuerySet[Any]:
    """Those of `rows` whose `column` lies in [since, until)."""
    if since is not None:
        rows = rows.filter(**{f"{column}__gte": since})
    return rows.filter(**{f"{column}__lt": until}) if until is not None else rows
