"""A symbol that its exchange does not trade for a while, with sessions at a broker that hold it or want it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Notification, User
from bots.models import TradingSession
from bots.orders import WORKING
from bots.services import sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, last_price, state_of, until
from tests.bots.live.test_protecting import HOLD, PROTECTED, held, resting, working
from tests.bots.live.test_resting_entries import FAR

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault(31)]

WHY = "Volatility Trading Pause"


def tell(running: Any, session: TradingSession, why: str) -> None:
    """What a vendor's stream says of a symbol, at the place where a feed says it."""
    connection = running.seats[session.pk].subscription._connection
    running._bars._loop.call_soon_threadsafe(connection.halt, "SIM-ALPHA", why)


def halt(rig: Rig, running: Any, session: TradingSession, *, halted: bool) -> None:
    rig.control("halts", symbol="SIM-ALPHA", halted=halted)
    tell(running, session, WHY if halted else "")
    words = "is halted" if halted else "trades again"

    def told() -> bool:
        last = session.events.filter(kind="halt").order_by("pk").last()
        return last is not None and words in last.text

    until(session, told)


def halt_while_flat(rig: Rig, running: Any, session: TradingSession) -> None:
    """A session that holds something would wait for its exit, and enter nothing."""
    while True:
        until(session, lambda: not session.positions.filter(is_open=True).exists(), 60)
        halt(rig, running, session, halted=True)
        waits = session.orders.filter(state__in=WORKING)
        if not (session.positions.filter(is_open=True).exists() or waits.exists()):
            return
        halt(rig, running, session, halted=False)


def covered(rig: Rig, session: TradingSession) -> bool:
    return bool(
        held(rig) > 0
        and working(rig, "stop")
        and not session.orders.filter(state__in=("PENDING_REPLACE", "INTENT", "SUBMITTED")).exists()
    )


@pytest.mark.row("I8")
@pytest.mark.parametrize("resumes", ["above", "through the stop", "and is halted again"])
def test_an_exit_waits_for_the_end_of_a_halt(alice: User, rig: Rig, resumes: str) -> None:
    """No market order leaves meanwhile, the stop stays, and its owner is told."""
    session = rig.session(settings=PROTECTED, **HOLD)
    with host() as running:
        until(session, lambda: covered(rig, session))
        halt(rig, running, session, halted=True)
        before, stop = len(rig.ledger()["orders"]), working(rig, "stop")[0]
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: session.orders.filter(is_entry=False, role="plain", state="INTENT").exists())
        time.sleep(2.5)
        assert len(rig.ledger()["orders"]) == before, "nothing is sent into a halt"
        assert working(rig, "stop") == [stop]
        if resumes == "and is halted again":
            tell(running, session, "")  # the feed is ahead: at the venue nothing trades yet
            until(session, lambda: working(rig, "market"))
            tell(running, session, WHY)
            time.sleep(2.0)
            assert len(rig.ledger()["orders"]) == before + 1, "it rests there, and no other is sent"
        at = Decimal(stop["stop_price"])
        above = (at / Decimal("0.9") * Decimal("1.05")).quantize(Decimal("0.01"))
        px = at - 5 if resumes == "through the stop" else above
        rig.price(str(px))
        halt(rig, running, session, halted=False)
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    assert not rig.ledger()["positions"]
    out = session.trades.get(is_entry=False)
    assert out.px == px, "it fills where trading goes on"
    assert session.orders.filter(is_entry=False, attempts__gt=1).count() == 0
    assert Notification.objects.filter(owner=alice, event="symbol_halted").count() == 1


@pytest.mark.row("I8")
def test_nothing_is_entered_during_a_halt(alice: User, rig: Rig) -> None:
    session = rig.session()
    with host() as running:
        until(session, lambda: state_of(session) == "RUNNING")
        halt_while_flat(rig, running, session)
        sent = session.orders.filter(is_entry=True).exclude(state="DENIED").count()
        until(session, lambda: session.orders.filter(state="DENIED", state_reason__contains=WHY).exists(), 60)
        assert session.orders.filter(is_entry=True).exclude(state="DENIED").count() == sent
        halt(rig, running, session, halted=False)
        until(session, lambda: session.orders.filter(is_entry=True).exclude(state="DENIED").count() > sent, 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)


def test_an_entry_that_rests_is_taken_back_before_trading_goes_on(alice: User, rig: Rig) -> None:
    """It would meet whatever price comes after the halt."""
    session = rig.session(settings={**FAR, "maker_order_timeout": 3_000}, **HOLD)
    with host() as running:
        until(session, lambda: session.orders.filter(state="ACCEPTED", is_entry=True).exists())
        halt(rig, running, session, halted=True)
        until(session, lambda: not working(rig, "limit"))
        rig.price(round(last_price("SIM-ALPHA") * 0.5, 2))
        halt(rig, running, session, halted=False)
        time.sleep(0.5)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    first = session.orders.filter(is_entry=True).order_by("pk")[0]
    assert (first.state, first.filled_qty) == ("CANCELED", 0)


def test_a_stop_that_is_refused_in_a_halt_makes_no_storm(alice: User, rig: Rig) -> None:
    """Nothing can be closed then: the stop is tried less and less often, and rests again afterwards."""
    session = rig.session(settings={"allow_fractional": False, "stop_loss_pct": 10.0}, **HOLD)
    refusal = '{"code": 42210000, "message": "trading is halted"}'
    with host() as running:
        until(session, lambda: covered(rig, session))
        halt(rig, running, session, halted=True)
        before = session.orders.count()
        rig.fault(kind="status", method="POST", path="/v2/orders", status=422, body=refusal, times=99)
        rig.cancel(working(rig, "stop")[0]["id"])
        until(session, lambda: session.orders.filter(state="REJECTED", is_entry=False).count() >= 3)
        time.sleep(3.0)
        assert session.orders.count() - before <= 5
        assert not session.orders.filter(kind="market", is_entry=False).exists()
        rig.venue.faults.clear()
        until(session, lambda: working(rig, "stop"), 20)
        halt(rig, running, session, halted=False)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(rig, session)
    assert not resting(session, "stop")
