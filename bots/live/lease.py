"""Which host talks to which broker account: a lease on the account's row, as `bots.host.lease` has it for sessions.

One host at a time holds an account, so that there is one event stream for each pair of keys and one queue of orders.
All sessions of an account run where its lease is, and each of their writes names its fence beside their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from accounts.models import BrokerAccount

TTL_S = 15.0
FRESH_S = 1.0  # for so long after it was looked up the lease is taken for granted


@dataclass(frozen=True, slots=True)
class AccountLease:
    """The right to send orders for one broker account."""

    account_id: int
    fence: int


class Permit:
    """Whether this process may send for an account now. It is asked before each byte of an order leaves.

    A process that was frozen does not know it: a look at the database that is older than `FRESH_S` is done again.
    """

    def __init__(self, host: str, lease: AccountLease) -> None:
        self.host, self.lease = host, lease
        self._seen = time.monotonic()

    def seen(self, at: float) -> None:
        """The database has said so; at: `time.monotonic` before it was asked."""
        self._seen = max(self._seen, at)

    def holds(self) -> bool:
        """A query, unless the last one was a moment ago."""
        now = time.monotonic()
        if now - self._seen < FRESH_S:
            return True
        if not is_held(self.host, self.lease):
            return False
        self.seen(now)
        return True


def take(host: str, account_id: int) -> AccountLease | None:
    """The lease of an account that is free, or this host's already; None: another host has it, or it is closed."""
    mine = _held(host).filter(pk=account_id).values_list("fence", flat=True).first()
    if mine is not None:
        return AccountLease(account_id, mine)
    free = BrokerAccount.objects.filter(pk=account_id).filter(
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    )
    if not list(free.select_for_update(skip_locked=True).values_list("pk")):
        return None
    if not free.update(host=host, fence=F("fence") + 1, lease_expires_at=Now() + timedelta(seconds=TTL_S)):
        return None
    return AccountLease(account_id, BrokerAccount.objects.values_list("fence", flat=True).get(pk=account_id))


def renew(host: str, leases: Iterable[AccountLease]) -> set[int]:
    """Prolong leases that are still ours; the ids of the accounts that are not any more."""
    mine = {lease.account_id: lease.fence for lease in leases}
    _held(host).filter(pk__in=mine).update(lease_expires_at=Now() + timedelta(seconds=TTL_S))
    still = dict(_held(host).filter(pk__in=mine).values_list("pk", "fence"))
    return {pk for pk, fence in mine.items() if still.get(pk) != fence}


def release(lease: AccountLease) -> None:
    """Let go of an account in good order."""
    BrokerAccount.objects.filter(pk=lease.account_id, fence=lease.fence).update(lease_expires_at=None, host="")


def is_held(host: str, lease: AccountLease) -> bool:
    """Whether the database says that this is our lease still."""
    return _held(host).filter(pk=lease.account_id, fence=lease.fence).exists()


def _held(host: str) -> QuerySet[BrokerAccount]:
    return BrokerAccount.objects.filter(host=host, lease_expires_at__gt=Now())
