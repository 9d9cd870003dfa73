"""The stop button: for one session, for all of a user's, for the whole platform; and how far it has come.

It has ended only when every session is stopped, which a host writes when the venue shows no working order.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from accounts.models import User
from bots import selectors
from bots.models import TradingSession
from bots.orders import WORKING
from bots.services import sessions
from strategies import readers
from tradingsite.lib.errors import Conflict, NotAllowed

SCOPES = ("session", "user", "platform")
LEVELS = ("pause_entries", "stop_keep", "flatten")
_POLICY = {"stop_keep": TradingSession.StopPolicy.KEEP, "flatten": TradingSession.StopPolicy.FLATTEN}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one session has come. done: nothing more will happen to it by this button."""

    session: TradingSession
    working_orders: int
    open_positions: int
    done: bool


def stop_everything(user: User, scope: str, level: str, session_id: int | None = None) -> list[Progress]:
    """Press the button; the progress of every session in its reach. Pressed again it changes nothing, or goes further.

    scope: "session" (needs session_id), "user", "platform" (operators only). level: "pause_entries" (exits go on),
    "stop_keep" (positions stay), "flatten" (positions are closed). Raises InputError, NotFound, NotAllowed.
    """
    readers.strict(readers.choice, "level", level, choices=LEVELS)
    rows = _reach(user, scope, session_id).filter(state__in=(*TradingSession.ACTIVE, TradingSession.State.HALTED))
    reached = list(rows.select_related("owner", "bot"))
    for session in reached:
        if level == "pause_entries":
            _pause(session)
        else:
            reason = "user" if session.owner_id == user.pk else "kill_switch"
            sessions.end(session, _POLICY[level], reason=reason, by=user)
    return progress_of([session.pk for session in reached], level)


def progress(user: User, scope: str, level: str, session_id: int | None = None) -> list[Progress]:
    """`stop_everything` without pressing: how far those have come that are wanted stopped, or are paused."""
    readers.strict(readers.choice, "level", level, choices=LEVELS)
    rows = _reach(user, scope, session_id)
    rows = rows.filter(state__in=(*TradingSession.ACTIVE, TradingSession.State.HALTED))
    return progress_of(list(rows.values_list("pk", flat=True)), level)


def progress_of(ids: list[int], level: str) -> list[Progress]:
    """The progress of these sessions, oldest first. One query."""
    rows = (
        selectors.with_top(TradingSession.objects.filter(pk__in=ids))
        .select_related("owner", "bot")
        .annotate(
            working=Count("orders", filter=Q(orders__state__in=WORKING), distinct=True),
            held=Count("positions", filter=Q(positions__is_open=True), distinct=True),
        )
        .order_by("pk")
    )
    return [Progress(row, row.working, row.held, _is_done(row, level)) for row in rows]


def _is_done(session: TradingSession, level: str) -> bool:
    if level == "pause_entries":
        return session.state in ("PAUSED", "HALTED") or not session.is_active
    return session.state in ("STOPPED", "FAILED")


def _pause(session: TradingSession) -> None:
    try:
        sessions.pause(session.owner, session.pk)
    except Conflict:
        return  # it stops already, or has halted: no entries either way


def _reach(user: User, scope: str, session_id: int | None) -> QuerySet[TradingSession]:
    readers.strict(readers.choice, "scope", scope, choices=SCOPES)
    if scope == "platform":
        if not user.is_staff:
            raise NotAllowed("Only operators may stop the whole platform.")
        return TradingSession.objects.all()
    if scope == "user":
        return TradingSession.objects.filter(owner=user)
    key = readers.strict(readers.integer, "session_id", session_id, low=1, high=2**63 - 1)
    return TradingSession.objects.filter(pk=selectors.session(user, key).pk)
