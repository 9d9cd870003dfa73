"""Units that a session leaves to its owner, with real orders at rest: those let go of them first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from bots.live.reserve import sums
from bots.models import OrderRole
from bots.orders import WORKING
from bots.services import inbox, sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]
D = Decimal
HOLD: dict[str, Any] = {"strategy": "buy_and_hold", "strategy_parameters": {}}


@pytest.mark.row("W9", "W3", "I3")
@pytest.mark.parametrize("targets", [{}, {"take_profit_pct": 10.0}], ids=["stop", "bracket"])
def test_stops_let_go_before_units_are_external(alice: User, rig: Rig, targets: dict[str, float]) -> None:
    """Whatever fires afterwards sells what is the session's, and nothing of what its owner has."""
    session = rig.session(settings={"allow_fractional": False, "stop_loss_pct": 10.0, **targets}, **HOLD)

    def covered() -> Decimal:
        """Units that stops at the venue would sell."""
        over = ("filled", "canceled", "expired", "rejected", "replaced")
        rows = [row for row in rig.ledger()["orders"] if row["type"] == "stop" and row["status"] not in over]
        return sum((D(row["qty"]) - D(row["filled_qty"]) for row in rows), D(0))

    with host():
        until(session, lambda: covered() > 0 and session.positions.filter(is_open=True).exists())
        until(session, lambda: not session.orders.filter(state="PENDING_REPLACE").exists())
        held = session.positions.get().qty
        inbox.give_back(alice, session.pk, "SIM-ALPHA", D(3))
        until(session, lambda: session.adjustments.filter(kind="release").exists())
        assert covered() <= held - 3, "the stop had let go of them before"
        until(session, lambda: session.adjustments.filter(kind="cash").exists())
        until(session, lambda: covered() == held - 3)
        assert not session.booking_requests.filter(done_at__isnull=True).exists()
        rig.account.refresh_from_db()
        holding = rig.account.holdings.get(symbol="SIM-ALPHA")
        assert (holding.qty, holding.external) == (held, 3)
        seen = rig.account.seen_at
        until(session, lambda: type(rig.account).objects.get(pk=rig.account.pk).seen_at > seen)
        assert sums(rig.account).agrees
        assert not rig.account.discrepancies.filter(kind="position").exists()
        session.refresh_from_db()
        value = next(row.amount for row in session.adjustments.all() if row.kind == "cash")
        assert value == -3 * session.adjustments.get(kind="release").px
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    assert rig.ledger()["positions"] == {"SIM-ALPHA": "3"}
    check(rig, session, external=True)
    assert not session.orders.filter(role=OrderRole.STOP, state__in=WORKING).exists()
