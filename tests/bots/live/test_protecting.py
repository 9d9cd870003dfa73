"""Protective orders of LIVE sessions at the practice venue: they rest there, and hold through what goes wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Notification, User
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


@pytest.mark.row("I2", "I3", "I8")
def test_the_venue_stops_a_position_out(alice: User, rig: Rig) -> None:
    session = rig.session(settings=PROTECTED, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "stop") and working(rig, "limit"))
        until(session, lambda: not session.orders.filter(state="PENDING_REPLACE").exists())
        stop = Decimal(working(rig, "stop")[0]["stop_price"])
        rig.price(str(stop - Decimal("0.5")))
        until(session, lambda: session.positions.filter(is_open=False).exists())
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    closed = session.positions.filter(is_open=False).first()
    assert closed is not None
    assert closed.exit_reason == "stop_loss"
    assert closed.exit_px < stop, "a gap is paid in full"


@pytest.mark.row("I2", "I3", "F32")
def test_a_target_that_fills_ends_the_stop(alice: User, rig: Rig) -> None:
    session = rig.session(settings=PROTECTED, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "limit"))
        until(session, lambda: not session.orders.filter(state="PENDING_REPLACE").exists())
        target = Decimal(working(rig, "limit")[0]["limit_price"])
        sessions.pause(alice, session.pk)
        rig.price(str(target))
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="take_profit").exists())
        until(session, lambda: not working(rig, "stop"))
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)


@pytest.mark.row("F36")
def test_a_stop_that_is_refused_twice_closes_the_position(alice: User, rig: Rig) -> None:
    """OCO and stop are refused; the entry was a plain one, as where a bracket cannot be had."""
    session = rig.session(settings={**PROTECTED, "trailing_stop_pct": 5.0, "stop_loss_pct": None}, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "stop"))
        until(session, lambda: not session.orders.filter(state="PENDING_REPLACE").exists())
        sessions.pause(alice, session.pk)
        refusal = '{"code": 42210000, "message": "stop price is not acceptable"}'
        rig.fault(kind="status", method="POST", path="/v2/orders", status=422, body=refusal, times=2)
        for order in working(rig, "limit"):
            rig.venue.exchange.cancel(rig.customer, order["id"])  # somebody ends the exits by hand
        until(session, lambda: held(rig) == 0)
        until(session, lambda: session.positions.filter(is_open=False).exists())
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    rejected = session.orders.filter(state="REJECTED", is_entry=False).order_by("pk").last()
    out = session.orders.filter(role=OrderRole.STOP, kind="market", state="FILLED").get()
    assert rejected is not None
    assert (out.accepted_at - rejected.ended_at).total_seconds() < 2
    assert Notification.objects.filter(owner=alice, event="stop_rejected").exists()
