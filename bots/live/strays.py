"""What happens on an account beside the sessions that this host runs: trades made by hand, and what does not add up."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import transaction

from bots.brokers.base import BrokerEvent
from bots.live import closing, flows, reconcile
from bots.live.account import execution_row
from bots.live.connection import Connection, Piece
from bots.models import BrokerExecution, Order, TradingSession
from bots.states import ACTIVE

log = logging.getLogger(__name__)


def book(connection: Connection, piece: Piece) -> None:
    """Keep an execution that none of our running sessions has, of a session that is over or of nobody, and money that
    moved by another way than trades.

    What is of a session that is being opened waits for it.
    """
    news = piece.news
    if piece.session_id and TradingSession.objects.filter(pk=piece.session_id, state__in=ACTIVE).exists():
        connection.hold(piece)
        return
    if isinstance(news, BrokerEvent) and news.activity is not None:
        flows.keep(connection.account, news.activity)
    if not isinstance(news, BrokerEvent) or news.execution is None:
        return
    execution = news.execution
    order = None
    if piece.session_id:
        rows = Order.objects.filter(session=piece.session_id, broker_account=connection.account)
        order = rows.filter(client_order_id=execution.client_order_id).first()
        order = order or rows.filter(broker_order_id=execution.broker_order_id).first()
    row = execution_row(connection.account.pk, execution, order)
    with transaction.atomic():
        BrokerExecution.objects.bulk_create([row], ignore_conflicts=True)
    if order is None:
        connection.look()


def undo(connections: Iterable[Connection]) -> None:
    """Have those venues asked that are to undo something; see `bots.live.closing`."""
    by_account = {connection.account.pk: connection for connection in connections}
    for account_id in closing.waiting(by_account):
        by_account[account_id].undo()


def compare(connection: Connection) -> dict[int, str]:
    """Take down what looks at the account have found; {session: why} of those whose book it breaks."""
    broken: dict[int, str] = {}
    for truth in connection.looks():
        found = reconcile.take_down(connection.account, truth, connection.doubts, fence=connection.lease.fence)
        broken |= found.broken
    return broken
