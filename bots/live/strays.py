"""What happens on an account beside the sessions that this host runs: trades made by hand, and what does not add up."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from bots.brokers.base import Execution, Refused
from bots.live import absent, closing, flows, grouping, reconcile
from bots.live.asks import Answer, Ask
from bots.live.connection import Connection
from bots.live.pieces import Piece
from bots.models import Order, TradingSession
from bots.orders import WORKING, OrderState
from bots.states import ACTIVE, UNRUN

log = logging.getLogger(__name__)
ASK_EVERY_S = 30.0
MOST_ASKED = 20
GONE_AFTER = timedelta(minutes=10)  # nothing is sent again for so long
WAITING = tuple(OrderState[name] for name in ("INTENT", "SUBMITTED", "UNKNOWN", "PENDING_CANCEL", "PENDING_REPLACE"))


def book(connection: Connection, piece: Piece) -> None:
    """Book what is of none of our running sessions: of one that is over, or of nobody, and money that moved by another
    way than trades.

    What is of a session that is being opened waits for it.
    """
    news = piece.news
    session = TradingSession.objects.filter(pk=piece.session_id).first() if piece.session_id else None
    if session is not None and session.state in ACTIVE:
        connection.hold(piece)
        return
    if isinstance(news, Answer):
        if session is not None and session.broker_account_id == connection.account.pk:
            absent.answered(connection.lease, session, news)
        return
    if news.activity is not None:
        flows.keep(connection.account, news.activity)
    if session is not None and session.broker_account_id == connection.account.pk:
        absent.book(connection.lease, session, news)
        if news.execution is not None:
            _ask_for_end(connection, session, news.execution)
    elif news.execution is not None:
        absent.keep(connection.lease, news.execution, "no order of ours")
        connection.look()


def _ask_for_end(connection: Connection, session: TradingSession, execution: Execution) -> None:
    """Its order may have ended, and that been told before the last of its fills: nobody remembers it here."""
    name = execution.client_order_id
    orders = session.orders.filter(state__in=WORKING)
    order = orders.filter(client_order_id=name).first() if name else None
    order = order or orders.filter(broker_order_id=execution.broker_order_id).first()
    if order is not None:
        connection.ask_about(order)


def ask(connection: Connection) -> None:
    """Have the venue asked about orders of sessions that nobody runs, and that wait for an answer: it may have been
    lost with their host. Entries that were to end are canceled again. Now and then, however often it is called."""
    if time.monotonic() < connection.strays_due:
        return
    connection.strays_due = time.monotonic() + ASK_EVERY_S
    waiting = Order.objects.filter(broker_account=connection.account, session__state__in=UNRUN, state__in=WAITING)
    for order in waiting.select_related("replaces").order_by("pk")[:MOST_ASKED]:
        if order.state == OrderState.PENDING_CANCEL and order.is_entry:
            connection.send(Ask("cancel", order, True))
        never = Refused("not_placed", "The venue has it not: it was lost on its way.")
        absent = Answer(Ask("submit", order, True), refusal=never, tries=0, kind="refused")
        is_sent_no_more = timezone.now() - order.created_at > GONE_AFTER
        is_leg = order.client_order_id != grouping.group_of(order) and order.replaces_id is None  # named by the venue
        connection.ask_about(order, absent=absent if is_sent_no_more and not is_leg else None)


def undo(connections: Iterable[Connection]) -> None:
    """Have those venues asked that are to undo something; see `bots.live.closing`."""
    by_account = {connection.account.pk: connection for connection in connections}
    for account_id, decided_at in closing.waiting(by_account).items():
        by_account[account_id].undo(decided_at)


def compare(connection: Connection) -> dict[int, str]:
    """Take down what looks at the account have found; {session: why} of those whose book it breaks.

    Not in the trading thread, which has no time for it: what is booked meanwhile counts as moved, or is in doubt until
    the next look.
    """
    broken: dict[int, str] = {}
    for truth in connection.looks():
        found = reconcile.take_down(
            connection.account, truth, connection.doubts, fence=connection.lease.fence,
            unsure=connection.unexplained.held() | connection.unnamed.symbols,
        )  # fmt: skip
        broken |= found.broken
    return broken
