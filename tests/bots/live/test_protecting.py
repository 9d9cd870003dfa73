"""Protective orders of LIVE sessions at the practice venue: they rest there, and hold through what goes wrong."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pytest

from accounts.models import Notification, User
from bots.models import OrderRole, TradingSession
from bots.orders import WORKING
from bots.services import sessions
from marketdata.columns import BarColumns
from marketdata.feeds import FeedState
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host import market
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import KEY, SECRET, Rig, in_time, until

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
@pytest.mark.fault(32)
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


@pytest.mark.row("I2", "I3")
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


@pytest.mark.fault(36)
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
            rig.cancel(order["id"])  # somebody ends the exits by hand
        until(session, lambda: held(rig) == 0)
        until(session, lambda: session.positions.filter(is_open=False).exists())
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    rejected = session.orders.filter(state="REJECTED", is_entry=False).order_by("pk").last()
    out = session.orders.filter(role=OrderRole.STOP, kind="market", state="FILLED").get()
    assert rejected is not None
    in_time((out.fills.latest("pk").executed_at - rejected.ended_at).total_seconds(), 2.0)
    assert Notification.objects.filter(owner=alice, event="stop_rejected").exists()


@pytest.mark.row("I2", "I3", "I1")
def test_where_there_are_no_brackets_an_oco_follows_the_fill(alice: User, rig: Rig) -> None:
    """At Binance the stop and the target are one order list, placed as soon as there is something to protect."""
    account = BrokerAccountFactory(owner=alice, kind="binance", api_key=KEY, api_secret=SECRET, name="Coins")
    session = rig.session(settings=PROTECTED, broker_account=account, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "stop") and working(rig, "limit"))
        assert Decimal(working(rig, "stop")[0]["qty"]) == held(rig)
        until(session, lambda: all(o.broker_order_id for o in resting(session, OrderRole.STOP)))
        stop = resting(session, OrderRole.STOP)[0]
        assert stop.sent_with == resting(session, OrderRole.TARGET)[0].client_order_id
        sessions.pause(alice, session.pk)
        rig.price(str(stop.stop_px - Decimal("0.05")))
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="stop_loss").exists())
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    assert not rig.ledger()["positions"]
    assert not working(rig, "limit")


@pytest.mark.row("I1", "I3")
def test_a_trailing_stop_is_moved_by_replacing_it(alice: User, rig: Rig) -> None:
    """Two symbols, of which one will rise before long."""
    settings = {"allow_fractional": False, "trailing_stop_pct": 2.0}
    session = rig.session(settings=settings, symbols=["SIM-ALPHA", "SIM-BETA"], **HOLD)
    with host():
        moved = session.orders.filter(role=OrderRole.STOP, replaces__replaces__isnull=False)
        until(session, lambda: moved.filter(state__in=("ACCEPTED", "REPLACED")).exists(), 90)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    later, before = moved[0], moved[0].replaces
    assert before.state == "REPLACED", "it was not canceled for the next one"
    assert later.stop_px > before.stop_px, "it follows the price upwards"


@pytest.mark.fault(37)
def test_a_moved_stop_that_is_rejected_later_is_placed_anew(alice: User, rig: Rig) -> None:
    session = rig.session(settings={"allow_fractional": False, "stop_loss_pct": 10.0}, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "stop"))
        until(session, lambda: not session.orders.filter(state__in=("PENDING_REPLACE", "INTENT")).exists())
        sessions.pause(alice, session.pk)
        stop = rig.customer.orders[working(rig, "stop")[0]["id"]]
        rig.venue.exchange._end(rig.customer, stop, "rejected", "the market maker went home")
        until(session, lambda: working(rig, "stop"))
        assert Decimal(working(rig, "stop")[0]["qty"]) == held(rig)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)


@pytest.mark.fault(41)
@pytest.mark.row("I8")
def test_an_exit_waits_until_the_stop_has_let_go_of_the_shares(alice: User, rig: Rig) -> None:
    session = rig.session(settings=PROTECTED, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "stop"))
        until(session, lambda: not session.orders.filter(state="PENDING_REPLACE").exists())
        rig.fault(kind="delay", method="DELETE", path="/v2/orders/.*", delay_s=1.0, times=1)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    out = session.orders.get(role=OrderRole.PLAIN, is_entry=False)
    assert out.state == "FILLED"
    assert out.attempts == 1, "it was refused: its shares were held"


@pytest.mark.row("W6")
def test_what_no_stop_covers_is_watched_and_sold(alice: User, rig: Rig) -> None:
    """The venue takes no stop, because others hold the shares; the made market soon falls through the level."""
    session = rig.session(settings={"allow_fractional": False, "trailing_stop_pct": 0.3}, **HOLD)
    refusal = '{"code": 40310000, "message": "insufficient qty available for order (requested: 1, available: 0)"}'
    with host() as running:
        until(session, lambda: held(rig) > 0 and working(rig, "stop"))
        until(session, lambda: not session.orders.filter(state__in=("PENDING_REPLACE", "INTENT")).exists())
        body = {"path": "/v2/orders", "status": 403, "body": refusal}
        rig.fault(kind="status", method="POST", times=99, **body)
        for order in working(rig, "stop"):
            rig.cancel(order["id"])
        sessions.pause(alice, session.pk)
        until(session, lambda: running.seats[session.pk].runner.protector.watch("SIM-ALPHA").emergency, 90)
        httpx.delete(f"http://{rig.address}/practice/faults")
        until(session, lambda: session.positions.filter(is_open=False).exists())
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    # The stop that rested may have sold once or twice before.
    assert set(session.positions.values_list("exit_reason", flat=True)) == {"trailing_stop"}


@pytest.mark.row("W6", "I3")
@pytest.mark.fault(36)
def test_a_position_that_nobody_guards_is_closed_and_told_of(alice: User, rig: Rig) -> None:
    """The stop is gone, no other is taken, and no prices come by which we could watch ourselves."""
    session = rig.session(settings={"allow_fractional": False, "stop_loss_pct": 10.0}, **HOLD)
    refusal = '{"code": 40310000, "message": "insufficient qty available for order (requested: 1, available: 0)"}'
    with host() as running:
        until(session, lambda: held(rig) > 0 and working(rig, "stop"))
        until(session, lambda: not session.orders.filter(state__in=("PENDING_REPLACE", "INTENT")).exists())
        seat = running.seats[session.pk]
        seat.subscription.close()
        seat.runner.feed = FeedState("stale", "no prices come", 0, time.time_ns())
        rig.fault(kind="status", method="POST", path="/v2/orders", status=403, body=refusal, times=99)
        for order in working(rig, "stop"):
            rig.cancel(order["id"])
        began = time.monotonic()
        until(session, lambda: Notification.objects.filter(owner=alice, event="naked_position").exists(), 60)
        in_time(time.monotonic() - began, 12.0)
        httpx.delete(f"http://{rig.address}/practice/faults")
        until(session, lambda: held(rig) == 0)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    assert session.orders.get(role=OrderRole.STOP, kind="market", state="FILLED").reason == "watchdog"


@pytest.mark.fault(41)
def test_an_exit_that_waits_is_not_sent_where_the_stop_was_quicker(alice: User, rig: Rig) -> None:
    session = rig.session(settings=PROTECTED, **HOLD)
    with host():
        until(session, lambda: held(rig) > 0 and working(rig, "stop"))
        until(session, lambda: not session.orders.filter(state="PENDING_REPLACE").exists())
        stop = Decimal(working(rig, "stop")[0]["stop_price"])
        rig.fault(kind="status", method="DELETE", path="/v2/orders/.*", status=503, delay_s=1.0, times=1)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: session.orders.filter(state="PENDING_CANCEL").exists())
        rig.price(str(stop - Decimal("0.5")))
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    assert not rig.ledger()["positions"], "nothing was sold twice"
    out = session.orders.get(role=OrderRole.PLAIN, is_entry=False)
    assert (out.state, out.attempts) == ("CANCELED", 0)


@pytest.mark.row("I3", "W6")
@pytest.mark.fault(25, 40)
def test_exits_that_were_never_moved_are_found_by_the_next_host(alice: User, rig: Rig) -> None:
    """They are legs of a bracket whose entry is over, under names of the venue's own. The market stands still, so that
    its levels stay where they were sent."""
    ts = market.BEGIN + np.arange(market.WARMUP + 4_000, dtype=np.int64) * market.MINUTE
    flat = np.full(len(ts), 100.0)
    market.put("SIM-ALPHA", BarColumns(ts, flat, flat, flat, flat, np.full(len(ts), 1_000.0)), calendar="24/7")
    rig.price("100.00")
    session = market.session(
        alice, mode="LIVE", broker_account=rig.account, symbols=["SIM-ALPHA"], settings=PROTECTED, **HOLD,
        feed_options=market.replay(market.FIRST, market.FIRST + 4_000 * market.MINUTE, speed=600),
    )  # fmt: skip
    with host():
        until(session, lambda: held(rig) > 0 and any(row.broker_order_id for row in resting(session, OrderRole.STOP)))
    assert not session.orders.filter(replaces__isnull=False).exists()
    with host():
        until(session, session.events.filter(kind="recovery").exists)
        until(session, lambda: state_of(session) == "RUNNING")
        assert Decimal(working(rig, "stop")[0]["qty"]) == held(rig)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
