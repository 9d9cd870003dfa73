"""Reads of the reconciliation inbox, and of what accounts at brokers leave behind."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from accounts.models import BrokerAccount, User
from bots.models import BrokerExecution, CashFlow, Discrepancy, TradingSession
from bots.selectors.sessions import MAX_ID
from tradingsite.lib.errors import NotFound


def discrepancies(user: User, *, account: BrokerAccount | None = None, waiting: bool = True) -> QuerySet[Discrepancy]:
    """The inbox of all the user's accounts, or of one: what waits for somebody or is being done, or everything; the
    last found first. One query."""
    rows = Discrepancy.objects.filter(broker_account__owner=user).select_related(
        "broker_account", "session", "session__bot", "decided_by"
    )
    if account is not None:
        rows = rows.filter(broker_account=account)
    return rows.filter(ended_at__isnull=True) if waiting else rows


def discrepancy(user: User, discrepancy_id: int) -> Discrepancy:
    """One row of the user's inbox. Raises NotFound."""
    rows = discrepancies(user, waiting=False)
    found = rows.filter(pk=discrepancy_id).first() if 0 < discrepancy_id <= MAX_ID else None
    if found is None:
        raise NotFound
    return found


def waiting_in_inbox(user: User) -> int | None:
    """How many rows wait for a decision; None: the user has no account at a broker. One query."""
    waiting = Count("discrepancies", filter=Q(discrepancies__state=Discrepancy.State.OPEN))
    counts = list(BrokerAccount.objects.filter(owner=user).annotate(waiting=waiting).values_list("waiting", flat=True))
    return sum(counts) if counts else None


def adopters(row: Discrepancy) -> list[TradingSession]:
    """The sessions that may take the units of a difference over: active ones of its account that trade the symbol."""
    if row.kind != Discrepancy.Kind.POSITION:
        return []
    sessions = TradingSession.objects.filter(
        broker_account_id=row.broker_account_id, state__in=TradingSession.ACTIVE
    ).exclude(wanted=TradingSession.Wanted.STOP)
    return [session for session in sessions.select_related("bot").order_by("pk") if row.symbol in session.symbols]


def executions(account: BrokerAccount, *, external: bool | None = None) -> QuerySet[BrokerExecution]:
    """Executions of an account, the last first; external: only those that no session ordered, or only the others."""
    rows = account.executions.select_related("session", "session__bot", "order")
    return rows if external is None else rows.filter(session__isnull=external)


def cash_flows(account: BrokerAccount, *, kind: str = "") -> QuerySet[CashFlow]:
    """Money that moved on an account by another way than trades, the last first."""
    rows = account.cash_flows.prefetch_related("adjustments__session__bot")
    return rows.filter(kind=kind) if kind else rows
