"""What happens on an account beside the sessions that this host runs: trades made by hand, and what does not add up."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from bots.live import absent, closing, flows, reconcile
from bots.live.asks import Answer
from bots.live.connection import Connection, Piece
from bots.models import TradingSession
from bots.states import ACTIVE

log = logging.getLogger(__name__)


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
    elif news.execution is not None:
        absent.keep(connection.lease, news.execution, "no order of ours")
        connection.look()


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
