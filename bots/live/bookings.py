"""Requests to book something in a session by another way than its trades: which wait, and which are done.

A request (`bots.models.BookingRequest`) waits until the session's host looks; `bots.live.posting` books it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.utils import timezone

from accounts.models import BrokerAccount
from bots.models import BookingRequest, Discrepancy, TradingSession

_Kind = BookingRequest.Kind
_OVER = "The session was over before its host could book it"


def waiting(session_ids: Iterable[int]) -> dict[int, list[BookingRequest]]:
    """What waits for these sessions' hosts, oldest first; one query."""
    found: dict[int, list[BookingRequest]] = {}
    ids = list(session_ids)
    for row in BookingRequest.objects.filter(session__in=ids, done_at__isnull=True) if ids else ():
        found.setdefault(row.session_id, []).append(row)
    return found


def busy(account: BrokerAccount) -> frozenset[str]:
    """Symbols whose units will move in our books as soon as a host looks."""
    rows = BookingRequest.objects.filter(session__broker_account=account, done_at__isnull=True).exclude(kind=_Kind.CASH)
    return frozenset(rows.values_list("symbol", flat=True).order_by("symbol").distinct())


def tidy(account: BrokerAccount, at: datetime.datetime) -> None:
    """End requests that no host will do any more, and rows of the inbox whose adoption is booked or refused."""
    waits = BookingRequest.objects.filter(session__broker_account=account, done_at__isnull=True)
    waits.exclude(session__state__in=TradingSession.ACTIVE).update(done_at=timezone.now(), refused=_OVER)
    adopted = account.discrepancies.filter(state=Discrepancy.State.ADOPTED, ended_at__isnull=True)
    for row in adopted.prefetch_related("booking_requests"):
        request = row.booking_requests.last()
        if request is None or request.done_at is None:
            continue
        if request.refused:
            row.state, row.decided_by, row.decided_at = Discrepancy.State.OPEN, None, None
            row.detail = {**row.detail, "refused": request.refused}
        else:
            row.ended_at = at
        row.save(update_fields=["state", "decided_by", "decided_at", "detail", "ended_at"])
