"""What the venue knows of a session's orders when a host takes the session: asked once, before it may trade."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.utils import timezone

from bots import ids
from bots.brokers.base import BrokerOrder, Execution
from bots.brokers.link import OVERLAP
from bots.live import flows, grouping, reconcile
from bots.live.connection import Connection
from bots.models import Order, TradingSession
from bots.orders import WORKING
from tradingsite.lib.errors import Conflict

ASK_EVERY_S = 2.0
TRIES = 4  # to read positions and executions of one moment


@dataclass(slots=True)
class Known:
    """orders: by client id, of each of the session's orders that is not over, and of those that a leg was sent with
    whose name at the venue is not known; None: the venue has none with that id.

    executions: of the session's orders, oldest first, without those that are booked. positions: of the account, signed
    units.
    """

    orders: dict[str, BrokerOrder | None] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)


def ask(connection: Connection, session: TradingSession) -> Known:
    """Ask the venue, blocking. Raises what `bots.brokers.base.Broker` raises; Conflict: the account may not trade."""
    known = Known()
    broker = connection.broker
    if not broker.check_keys().may_trade:
        name = connection.account.name
        raise Conflict(f"{name} may not trade: its venue has blocked it, or these keys may only read.")
    connection.listen_for(session)
    reconcile.open_account(connection.account, broker, connection.lease.fence)  # type: ignore[arg-type]
    flows.fetch(connection.account, broker)  # type: ignore[arg-type]  # a split overnight, before units are compared
    rows = list(session.orders.filter(state__in=WORKING))
    newest = session.broker_executions.order_by("-executed_at").values_list("executed_at", flat=True).first()
    since = min([row.created_at for row in rows] + ([newest] if newest else []), default=None)
    executions: list[Execution] = []
    for _ in range(TRIES):
        known.positions = {position.symbol: position.qty for position in broker.positions()}
        if since is None:
            break
        before, executions = len(executions), broker.executions(since - OVERLAP, session.symbols)
        if len(executions) == before:
            break  # nothing was traded between the two: they tell of the same moment
    firsts = {row.sent_with for row in rows if not row.broker_order_id} - {row.client_order_id for row in rows}
    for row in [*rows, *session.orders.filter(client_order_id__in=firsts)]:
        known.orders[row.client_order_id] = _find(connection, row)
    legs = {
        told.broker_order_id: leg.client_order_id
        for first in known.orders.values()
        if first is not None
        for leg, told in grouping.pairs(first, first, rows)
    }
    known.executions = _named(connection, session, executions, legs)
    return known


def _find(connection: Connection, row: Order) -> BrokerOrder | None:
    """What the venue knows of one of ours. Where it cannot refuse an id that was used, an order is absent only once it
    can no longer arrive."""
    capabilities = connection.broker.capabilities
    while True:
        found: BrokerOrder | None = connection.broker.find(row.client_order_id, row.symbol)
        if found is None and row.broker_order_id:
            # A leg of a group has a name of the venue's own, and who it was sent with may be over.
            found = connection.broker.order(row.broker_order_id, row.symbol)
        left_s = capabilities.proof_window_s - (timezone.now() - row.created_at).total_seconds()
        if found is not None or capabilities.ids_stay_used or left_s <= 0:
            return found
        time.sleep(min(left_s, ASK_EVERY_S))


def _named(
    connection: Connection, session: TradingSession, executions: list[Execution], legs: Mapping[str, str]
) -> list[Execution]:
    """Those of the session's orders. legs: our ids by the venue's, of those that it names itself."""
    booked = set(session.broker_executions.values_list("execution_id", flat=True))
    mine = dict(Order.objects.filter(session=session).exclude(broker_order_id="").values_list("broker_order_id", "seq"))
    found = []
    for execution in executions:
        if execution.execution_id in booked:
            continue
        name = legs.get(execution.broker_order_id, execution.client_order_id)
        if not name and execution.broker_order_id not in mine:
            # An order whose answer never reached us is known by our id only, which executions do not always name.
            order = connection.broker.order(execution.broker_order_id, execution.symbol)
            name = order.client_order_id if order is not None else ""
        if ids.session_of(name) == session.pk or execution.broker_order_id in mine:
            found.append(replace(execution, client_order_id=name))
    return found
