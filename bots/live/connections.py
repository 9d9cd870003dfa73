"""The broker accounts of one host: each is opened once, with the first of its sessions, and closed with the last."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import BrokerAccount
from accounts.services import brokers as services
from bots.brokers.base import RateLimited, Refused, VenueDown
from bots.live import known
from bots.live import lease as leases
from bots.live.connection import Connection
from bots.live.known import Known
from bots.live.lease import AccountLease
from bots.live.pieces import Piece
from bots.models import Discrepancy, Order, Position, TradingSession
from bots.orders import WORKING
from bots.states import UNRUN
from tradingsite.lib.errors import ApiError

log = logging.getLogger(__name__)

__all__ = ["Connections", "NotNow", "Piece", "Ready"]
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0
MOST_WATCHED = 20


class NotNow(Exception):
    """The venue does not answer: the session is taken up again later."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a session at a broker begins with."""

    connection: Connection
    known: Known


def leftovers() -> QuerySet[BrokerAccount]:
    """Accounts in use where a session that no host runs holds something or has orders working, or the inbox waits."""
    unrun = {"session__broker_account": OuterRef("pk"), "session__state__in": UNRUN}
    return BrokerAccount.objects.filter(state=BrokerAccount.State.ACTIVE, closed_at__isnull=True).filter(
        Exists(Position.objects.filter(is_open=True, **unrun))
        | Exists(Order.objects.filter(state__in=WORKING, **unrun))
        | Exists(Discrepancy.objects.filter(broker_account=OuterRef("pk"), ended_at__isnull=True))
    )


class Connections:
    """host: the name under which leases are held. wake: called, in any thread, when a venue has told something."""

    def __init__(self, host: str, wake: Callable[[], None]) -> None:
        self.host, self._wake = host, wake
        self._open: dict[int, Connection] = {}
        self._resting: dict[int, tuple[float, float]] = {}  # account → until when, and how long the next time
        self._lock = threading.Lock()

    def ready(self, session_id: int, lease: AccountLease) -> Ready:
        """Open the account of a leased session, and ask the venue about its orders; blocking.

        Raises NotNow, Unauthorised, Conflict (the account is not in use).
        """
        session = TradingSession.objects.select_related("broker_account").get(pk=session_id)
        try:
            connection = self._connect(lease, f"session {session.pk} trades with them")
            told = known.ask(connection, session)
        except (VenueDown, RateLimited, Refused) as error:
            self._rest(lease.account_id, getattr(error, "retry_after_s", 0.0))
            raise NotNow(str(error)) from error
        self._resting.pop(lease.account_id, None)
        return Ready(connection, told)

    def watch(self) -> set[int]:
        """Keep an eye on accounts where something of ours is left and no session runs; their ids.

        What rests there may fill, and what somebody decided in the inbox is to be done. Blocks on the database only.
        """
        watched = set()
        ours = {connection.lease.account_id for connection in self.all()}
        for account_id in list(leftovers().values_list("pk", flat=True)[:MOST_WATCHED]):
            if account_id not in ours:
                with transaction.atomic():
                    lease = leases.take(self.host, account_id)
                if lease is None:
                    continue  # another host has it
                try:
                    self._connect(lease, "something that a session has left there is watched")
                except ApiError as error:
                    log.info("account %s is not watched: %s", account_id, error)
                    leases.release(lease)
                    continue
            watched.add(account_id)
        return watched

    def _connect(self, lease: AccountLease, why: str) -> Connection:
        with self._lock:
            found = self._open.get(lease.account_id)
            if found is not None and found.lease == lease:
                found.asked_for = time.monotonic()
                return found
            if found is not None:
                found.close()  # of a lease that was lost meanwhile
            account = BrokerAccount.objects.select_related("owner").get(pk=lease.account_id)
            opened = Connection(account, services.keys_for(account, why), self.host, lease, self._wake)
            self._open[lease.account_id] = opened
        opened.start()
        return opened

    def _rest(self, account_id: int, least_s: float) -> None:
        wait = max(self._resting.get(account_id, (0.0, FIRST_REST_S))[1], least_s)
        self._resting[account_id] = (time.monotonic() + wait, min(wait * 2, LONGEST_REST_S))

    def resting(self) -> list[int]:
        """Accounts whose venue did not answer a moment ago: their sessions are left alone for now."""
        now = time.monotonic()
        return [account for account, (until, _) in list(self._resting.items()) if until > now]

    def all(self) -> list[Connection]:
        with self._lock:
            return list(self._open.values())

    def renew(self) -> set[int]:
        """Prolong the leases of all accounts; those that were lost."""
        held = self.all()
        if not held:
            return set()
        began = time.monotonic()
        lost = leases.renew(self.host, [connection.lease for connection in held])
        for connection in held:
            if connection.lease.account_id not in lost:
                connection.permit.seen(began)
        return lost

    def close(self, account_ids: Iterable[int], *, release: bool, idle_s: float = 0.0) -> None:
        """Close these accounts. release: let go of their leases, too. idle_s: leave those that were asked for since."""
        for account_id in account_ids:
            with self._lock:
                connection = self._open.get(account_id)
                if connection is None or time.monotonic() - connection.asked_for < idle_s:
                    continue
                del self._open[account_id]
            connection.close()
            if release:
                leases.release(connection.lease)
