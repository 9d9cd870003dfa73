"""LIVE sessions in a real host, at the practice venue, through the broker's own client library."""

from __future__ import annotations

import pytest

from accounts.models import User
from bots.services import sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.mark.row("I8", "C1")
def test_a_session_enters_and_exits_at_the_venue(alice: User, rig: Rig) -> None:
    session = rig.session()
    with host():
        until(session, lambda: state_of(session) == "RUNNING")
        until(session, lambda: session.positions.filter(is_open=False).count() >= 2)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    session.refresh_from_db()
    assert session.open_positions == 0
    assert not rig.ledger()["positions"]
    fill = session.trades.order_by("pk")[0]
    assert fill.broker_order_id
    assert (fill.order.ack_ms is not None, fill.order.attempts) == (True, 1)
