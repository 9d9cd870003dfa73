"""Protective orders of LIVE sessions at the practice venue: they rest there, and hold through what goes wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from bots.models import OrderRole, TradingSession
from bots.orders import WORKING
from bots.services import sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, until

pytestmark = [pytest.mark.django_db(transaction=True)]

PROTECTED: dict[str, Any] = {"allow_fractional": False, "stop_loss_pct": 10.0, "take_profit_pct": 10.0}
# Enters once, and has no opinion after that.
HOLD = {"strategy": "buy_and_hold", "strategy_parameters": {}}


def state_of(session: TradingSession) -> str:
    return str(TradingSession.objects.values_list("state", flat=True).get(pk=session.pk))


def resting(session: TradingSession, role: str) -> list[Any]:
    return list(session.orders.filter(role=role, state__in=WORKING))


def working(rig: Rig, kind: str) -> list[dict[str, Any]]:
    over = ("filled", "canceled", "expired", "rejected", "replaced")
    return [row for row in rig.ledger()["orders"] if row["type"] == kind and row["status"] not in over]


def held(rig: Rig) -> Decimal:
    return Decimal(rig.ledger()["positions"].get("SIM-ALPHA", "0"))


@pytest.mark.row("I3", "I1")
def test_an_entry_leaves_with_its_stop_and_its_target(alice: User, rig: Rig) -> None:
    session = rig.session(settings=PROTECTED, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and resting(session, OrderRole.STOP))
        until(session, lambda: resting(session, OrderRole.STOP)[0].broker_order_id)
        stop, target = resting(session, OrderRole.STOP)[0], resting(session, OrderRole.TARGET)[0]
        assert stop.sent_with == target.sent_with == session.orders.filter(is_entry=True).latest("pk").client_order_id
        assert Decimal(working(rig, "stop")[0]["qty"]) == held(rig)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    assert not rig.ledger()["positions"]
    assert not working(rig, "stop")
    assert not working(rig, "limit")
