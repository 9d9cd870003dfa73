"""A look at an account on which nothing trades: what moved there, what differs, and what its owner asked to be undone.

While sessions run, their host does this each sweep. Without any, somebody has to come by: now and then where sessions
have traded, and at once when the owner wants to know or has decided something.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from accounts.models import BrokerAccount
from accounts.services import brokers
from bots.brokers.base import Broker, BrokerEvent, RateLimited, Refused, Unauthorised, VenueDown
from bots.brokers.registry import open_broker
from bots.live import bans, closing, flows, reconcile
from bots.live import lease as leases
from bots.live.differences import Doubts
from bots.models import Discrepancy, Order, TradingSession
from bots.states import ACTIVE

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=15)
AGAIN_S = 1.0  # between two looks that must say the same
CLOSING_S = 6.0  # how long a visit waits for what it has sent


def due() -> list[int]:
    """Accounts with no session that a host runs or will run, where sessions have traded and that were not looked at for
    a while; and those that have something to be undone."""
    asked = Discrepancy.objects.filter(
        broker_account=OuterRef("pk"), state=Discrepancy.State.CLOSING, ended_at__isnull=True
    )
    traded = TradingSession.objects.filter(broker_account=OuterRef("pk"))
    rows = BrokerAccount.objects.filter(state=BrokerAccount.State.ACTIVE).filter(
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now()), ~Exists(traded.filter(state__in=ACTIVE))
    )
    old = (Q(seen_at__isnull=True) | Q(seen_at__lt=Now() - EVERY)) & Exists(traded)
    return list(rows.filter(old | Exists(asked)).values_list("pk", flat=True))


def visit(account_id: int) -> reconcile.Found | None:
    """Look at it once, under its lease; None: a host has it or will have it, it is not in use, its venue is silent."""
    if TradingSession.objects.filter(broker_account=account_id, state__in=ACTIVE).exists():
        return None  # whoever runs it knows more of it than a visitor
    host = f"visit-{socket.gethostname()[:30]}-{os.getpid()}"
    with transaction.atomic():
        lease = leases.take(host, account_id)
    if lease is None:
        return None
    account = BrokerAccount.objects.select_related("owner").get(pk=account_id)
    try:
        if account.state != BrokerAccount.State.ACTIVE:
            return None
        broker = open_broker(
            account.kind, account.environment, *brokers.keys_for(account, "a look at the account"), account.options
        )
        bans.heed(account.pk, broker)
        try:
            return _look(account, broker, lease, host)
        finally:
            broker.close()
    except Unauthorised as error:
        brokers.mark_refused(account, str(error))
    except (VenueDown, RateLimited, Refused) as error:
        log.info("account %s: its venue was asked in vain: %s", account_id, error)
    finally:
        leases.release(lease)
    return None


def _look(account: BrokerAccount, broker: Broker, lease: leases.AccountLease, host: str) -> reconcile.Found:
    permit = leases.Permit(host, lease)
    doubts = Doubts(wait_s=AGAIN_S / 2, order_wait_s=AGAIN_S / 2)
    _undo(account, broker, permit)
    for _ in range(2):
        flows.fetch(account, broker)
        _fetch_executions(account, broker, lease)
        found = reconcile.take_down(account, reconcile.look(broker), doubts, fence=lease.fence)
        if not doubts.waits:
            break
        time.sleep(AGAIN_S)
    return found


def _undo(account: BrokerAccount, broker: Broker, permit: leases.Permit) -> None:
    """Until all is undone, as long as a visit may last; what is still under way is gone on with by the next one."""
    until = time.monotonic() + CLOSING_S
    while closing.waiting([account.pk]) and time.monotonic() < until and permit.holds():
        if not closing.carry_out(account, broker, permit.holds):
            time.sleep(AGAIN_S / 2)


def _fetch_executions(account: BrokerAccount, broker: Broker, lease: leases.AccountLease) -> None:
    """Book what was executed since the account was looked at last: for sessions that are over, or as nobody's."""
    from bots.live import absent  # here: it brings the engine with it

    if account.seen_at is None:
        return
    symbols = set(account.holdings.values_list("symbol", flat=True))
    symbols |= {position.symbol for position in broker.positions()}
    found = broker.executions(account.seen_at - flows.OVERLAP, symbols)
    told = [execution.execution_id for execution in found]
    known = set(account.executions.filter(execution_id__in=told).values_list("execution_id", flat=True))
    for execution in found:
        if execution.execution_id in known:
            continue
        ours = Q(broker_order_id=execution.broker_order_id)
        if execution.client_order_id:
            ours |= Q(client_order_id=execution.client_order_id)
        order = Order.objects.filter(ours, broker_account=account).select_related("session").first()
        if order is not None:
            absent.book(lease, order.session, BrokerEvent("fill", execution.at, execution=execution))
        else:
            absent.keep(lease, execution, "no order of ours")
