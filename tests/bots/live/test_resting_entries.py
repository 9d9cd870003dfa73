"""Entries that rest at the venue: their offset, their patience, and how long what they opened is held."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from bots.services import sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]

HOLD = {"strategy": "buy_and_hold", "strategy_parameters": {}}
FAR: dict[str, Any] = {
    "allow_fractional": False, "order_type_default": "limit", "limit_price_offset_pct": 8.0, "time_in_force": "gtc",
    "maker_order_timeout": 30,
}  # fmt: skip


def finish(alice: User, rig: Rig, session: Any) -> None:
    sessions.stop(alice, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED")


@pytest.mark.row("I5", "I8")
def test_a_limit_rests_at_its_offset_and_is_taken_back_in_time(alice: User, rig: Rig) -> None:
    session = rig.session(settings=FAR, **HOLD)
    with host():
        until(session, lambda: session.orders.filter(state="CANCELED").exists(), 60)
        finish(alice, rig, session)
    check(rig, session)
    order = session.orders.filter(state="CANCELED").order_by("pk")[0]
    assert order.limit_px <= order.decision_px * Decimal("0.9201")
    assert order.limit_px >= order.decision_px * Decimal("0.9190")
    theirs = next(o for o in rig.ledger()["orders"] if o["client_order_id"] == order.client_order_id)
    assert (theirs["status"], Decimal(theirs["limit_price"])) == ("canceled", order.limit_px)


@pytest.mark.row("I8")
def test_a_fill_that_comes_before_the_cancel_is_kept(alice: User, rig: Rig) -> None:
    """The cancel is asked for, and on its way when the price comes down to the limit."""
    session = rig.session(settings=FAR, **HOLD)
    rig.fault(kind="status", method="DELETE", path="/v2/orders/.*", status=503, delay_s=1.0, times=1)
    with host():
        until(session, lambda: session.orders.filter(state="PENDING_CANCEL").exists(), 60)
        limit = session.orders.filter(state="PENDING_CANCEL")[0].limit_px
        rig.price(str(limit))
        until(session, lambda: session.positions.filter(is_open=True).exists())
        finish(alice, rig, session)
    check(rig, session)
    assert session.orders.filter(is_entry=True, state="FILLED").count() == 1


@pytest.mark.row("I8")
def test_a_position_is_held_no_longer_than_it_may(alice: User, rig: Rig) -> None:
    session = rig.session(settings={"allow_fractional": False, "max_holding_time": 20, "stop_loss_pct": 20.0}, **HOLD)
    with host():
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="max_holding").exists(), 60)
        finish(alice, rig, session)
    check(rig, session)
