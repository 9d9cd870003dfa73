"""Which host runs which session: a lease on the session's row, with a fencing token. The database decides, and its
clock counts; no queue and no worker does.

A lease lasts `TTL_S` and is renewed every `HEARTBEAT_S`. Each taking raises the fence, and every write of a host names
the fence it was given (`bots.host.ledger`): a host that was asleep and wakes up writes nothing. A session that trades
at a broker is taken together with its account (`bots.live.lease`), or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from bots.live import lease as account_leases
from bots.live.lease import AccountLease
from bots.models import SessionEvent, TradingSession
from bots.states import CLAIMABLE, SessionState

TTL_S = 15.0
HEARTBEAT_S = 5.0


class LostLease(Exception):
    """Another host has the session, or nobody does; whatever was about to be written must not be."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one session. account: of the broker account that it trades at; None on paper."""

    session_id: int
    fence: int
    account: AccountLease | None = None

    def rows(self) -> QuerySet[TradingSession]:
        """The session's row, while the lease, and that of its account, are ours; else none."""
        held = TradingSession.objects.filter(pk=self.session_id, fence=self.fence, lease_expires_at__gt=Now())
        if self.account is None:
            return held
        return held.filter(broker_account__fence=self.account.fence, broker_account__lease_expires_at__gt=Now())


def claim(host: str, most: int, *, only: Iterable[int] | None = None, resting: Collection[int] = ()) -> list[Lease]:
    """Take up to `most` sessions that nobody runs, those that lost their host first. Each is CLAIMED then.

    resting: broker accounts whose sessions are left alone.
    """
    free = TradingSession.objects.filter(state__in=CLAIMABLE).filter(
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    )
    free = free.filter(
        Q(broker_account__isnull=True)
        | Q(broker_account__lease_expires_at__isnull=True)
        | Q(broker_account__lease_expires_at__lt=Now())
        | Q(broker_account__host=host)
    )
    if resting:
        free = free.exclude(broker_account__in=list(resting))
    if only is not None:
        free = free.filter(pk__in=only)
    # In one go of reads, so that idle hosts cost a query; each is then taken by a conditional UPDATE of its own.
    ordered = free.order_by(F("lease_expires_at").asc(nulls_last=True), "pk")
    found = list(ordered.values_list("pk", "state", "broker_account_id")[:most])
    return [lease for pk, state, account in found if (lease := _take(host, pk, state, account)) is not None]


def _take(host: str, session_id: int, state: str, account_id: int | None) -> Lease | None:
    with transaction.atomic():
        account = None
        if account_id is not None:
            account = account_leases.take(host, account_id)
            if account is None:
                return None
        free = TradingSession.objects.filter(pk=session_id, state=state).filter(
            Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
        )
        # A host that was frozen in the middle of a write holds the row's lock: nobody waits for it here.
        if not list(free.select_for_update(skip_locked=True).values_list("pk")):
            return None
        taken = free.update(
            host=host,
            fence=F("fence") + 1,
            lease_expires_at=Now() + timedelta(seconds=TTL_S),
            state=SessionState.CLAIMED,
            state_reason="",
            updated_at=Now(),
        )
        if not taken:
            return None
        fence = TradingSession.objects.values_list("fence", flat=True).get(pk=session_id)
        if state != SessionState.SCHEDULED:
            text = f"Its host was lost while it was {SessionState(state).label.lower()}; another one takes over."
            detail = {"from": state, "via": SessionState.ORPHANED, "to": SessionState.CLAIMED, "fence": fence}
            SessionEvent(session_id=session_id, kind="recovery", level="warning", text=text, detail=detail).save()
    return Lease(session_id, fence, account)


def renew(host: str, leases: Iterable[Lease]) -> set[int]:
    """Prolong leases that are still ours; the ids of those that are not any more.

    A lease that has run out is lost even if nobody took the session yet: what we thought of it may be old.
    """
    mine = {lease.session_id: lease.fence for lease in leases}
    held = TradingSession.objects.filter(pk__in=mine, host=host, lease_expires_at__gt=Now())
    with transaction.atomic():
        # In the order in which a commit of several sessions locks them, so that the two never wait for each other.
        list(held.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        held.update(lease_expires_at=Now() + timedelta(seconds=TTL_S))
    still = dict(held.values_list("pk", "fence"))
    return {pk for pk, fence in mine.items() if still.get(pk) != fence}


def release(lease: Lease, **values: Any) -> None:
    """Let go of a session in good order: the next host takes it without waiting for the lease to run out. values:
    further columns of its row."""
    rows = TradingSession.objects.filter(pk=lease.session_id, fence=lease.fence)
    rows.update(lease_expires_at=None, host="", **values)
