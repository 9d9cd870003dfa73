"""Requests that no answer comes for: a cancel or a replacement that was lost on its way, or whose host was."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import BrokerAccount, User
from bots import ids
from bots.brokers import executor
from bots.live import runner, strays
from bots.models import Order, OrderRole, TradingSession
from bots.services import sessions
from tests.bots.host.hosting import host, wait_for
from tests.bots.host.processes import KILLED_BY_FAILPOINT
from tests.bots.live import test_faults
from tests.bots.live.audit import check
from tests.bots.live.chaos.scene import used_up
from tests.bots.live.rig import Rig, state_of, story, until
from tests.bots.live.test_faults import Start, flatten
from tests.bots.live.test_protecting import HOLD, held, working
from tests.bots.live.test_resting_entries import FAR

pytestmark = [pytest.mark.django_db(transaction=True)]

STOPPED: dict[str, Any] = {"allow_fractional": False, "stop_loss_pct": 10.0}
TRAILING: dict[str, Any] = {"allow_fractional": False, "trailing_stop_pct": 2.0}
WAITING = ("INTENT", "SUBMITTED", "UNKNOWN", "PENDING_CANCEL", "PENDING_REPLACE")


def is_covered(rig: Rig, session: TradingSession) -> bool:
    """Whether one stop rests for all that is held, and nothing waits for an answer."""
    stops = working(rig, "stop")
    rests = len(stops) == 1 and Decimal(stops[0]["qty"]) == held(rig) > 0
    return rests and not session.orders.filter(state__in=WAITING).exists()


def moved(session: TradingSession) -> int:
    return session.orders.filter(state="REPLACED").count()


@pytest.mark.slow
@pytest.mark.row("I3", "I8", "W2")
@pytest.mark.fault(1, 2, 37)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_host_dies_around_a_replacement(when: str, alice: User, rig: Rig, start_host: Start) -> None:
    """Between its commit and its first byte, and between the venue and its answer: the old stop works on, or the new
    one does; what never left is over, and the old one is moved by the next host."""
    session = rig.session(settings=TRAILING, **HOLD)
    assert start_host(failpoints={f"{when}_replace": 1}).wait() == KILLED_BY_FAILPOINT
    old = session.orders.get(role=OrderRole.STOP, state="PENDING_REPLACE")
    new = session.orders.get(replaces=old)
    test_faults.host_is_lost(session)
    start_host()
    until(session, lambda: moved(session) >= 1, 60)
    until(session, lambda: is_covered(rig, session), 60)
    new.refresh_from_db()
    assert (new.state == "CANCELED") == (when == "before"), story(session)
    flatten(alice, session)
    check(rig, session)


@pytest.mark.slow
@pytest.mark.row("I3", "I8", "W2")
@pytest.mark.fault(1, 2, 37)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_host_dies_around_a_cancel(when: str, alice: User, rig: Rig, start_host: Start) -> None:
    """The stop that is to make room for an exit: the next host ends it, or finds that it has ended."""
    session = rig.session(settings=STOPPED, **HOLD)
    first = start_host(failpoints={f"{when}_cancel": 1})
    until(session, lambda: is_covered(rig, session), 60)
    sessions.stop(alice, session.pk, "flatten")
    assert first.wait() == KILLED_BY_FAILPOINT
    assert session.orders.filter(role=OrderRole.STOP, state="PENDING_CANCEL").exists(), story(session)
    test_faults.host_is_lost(session)
    start_host()
    until(session, lambda: state_of(session) == "STOPPED", 60)
    check(rig, session)
    assert not rig.ledger()["positions"]


@pytest.mark.row("I3", "I8")
@pytest.mark.fault(5, 37)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_replacement_that_nobody_heard_of(when: str, alice: User, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue does not answer until we give up. It is asked whether it has the new stop; where it has not, the old
    one works on and is moved again."""
    monkeypatch.setattr(executor, "EXIT_PATIENCE_S", 0.5)
    monkeypatch.setattr(runner, "ASK_AGAIN_S", 1.0)
    tries = 2 if when == "before" else 1  # what is found there is not sent again
    rig.fault(kind="status", method="PATCH", path="/v2/orders/.*", status=504, when=when, times=tries)
    session = rig.session(settings=TRAILING, **HOLD)
    with host():
        until(session, lambda: used_up(rig) and moved(session) >= 1, 60)
        until(session, lambda: is_covered(rig, session))
        flatten(alice, session)
    check(rig, session)
    lost = session.orders.filter(state="REJECTED", state_reason__contains="lost on its way")
    assert lost.exists() == (when == "before"), story(session)


@pytest.mark.row("I3", "I8")
@pytest.mark.fault(5, 37)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancel_that_nobody_heard_of(when: str, alice: User, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "EXIT_PATIENCE_S", 0.5)
    monkeypatch.setattr(runner, "ASK_AGAIN_S", 1.0)
    session = rig.session(settings=STOPPED, **HOLD)
    with host():
        until(session, lambda: is_covered(rig, session))
        rig.fault(kind="status", method="DELETE", path="/v2/orders/.*", status=504, when=when, times=2)
        flatten(alice, session)
    check(rig, session)
    assert not rig.ledger()["positions"]


@pytest.mark.row("I3", "I8")
@pytest.mark.fault(1, 2)
def test_what_a_session_left_without_an_answer_is_asked_about(
    alice: User, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host was lost with the replacement of its stop, which had never left, and nobody runs it any more. The stop
    works on, what never came is over, and the account is let go of once the stop has sold."""
    monkeypatch.setattr(strays, "ASK_EVERY_S", 1.0)
    session = rig.session(settings=STOPPED, **HOLD)
    with host():
        until(session, session.orders.filter(role=OrderRole.STOP, state="ACCEPTED").exists)
        sessions.stop(alice, session.pk, "keep")
        until(session, lambda: state_of(session) == "STOPPED")
    old = session.orders.get(role=OrderRole.STOP, state="ACCEPTED")
    session.orders.filter(pk=old.pk).update(state="PENDING_REPLACE")
    lost = Order.objects.get(pk=old.pk)
    lost.pk, lost.seq, lost.client_order_id = None, old.seq + 1, ids.client_order_id(session.pk, old.seq + 1)
    lost.broker_order_id, lost.state, lost.replaces = "", "INTENT", old
    lost.save()
    session.orders.filter(pk=lost.pk).update(created_at=timezone.now() - 2 * strays.GONE_AFTER)
    with host():
        until(session, session.orders.filter(pk=lost.pk, state="REJECTED").exists)
        until(session, session.orders.filter(pk=old.pk, state="ACCEPTED").exists)
        rig.price(rig.venue.exchange.quotes["SIM-ALPHA"].last * Decimal("0.85"))
        until(session, lambda: not session.positions.filter(is_open=True).exists())
        until(session, lambda: not BrokerAccount.objects.get(pk=rig.account.pk).host)
    check(rig, session)


@pytest.mark.row("I8")
@pytest.mark.fault(1)
def test_an_entry_that_a_session_meant_to_end_is_canceled_when_nobody_runs_it(
    alice: User, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strays, "ASK_EVERY_S", 1.0)
    session = rig.session(settings={**FAR, "maker_order_timeout": None}, **HOLD)
    with host():
        until(session, session.orders.filter(is_entry=True, state="ACCEPTED").exists)
    TradingSession.objects.filter(pk=session.pk).update(state="HALTED")
    session.orders.filter(is_entry=True, state="ACCEPTED").update(state="PENDING_CANCEL")
    with host():
        wait_for(session.orders.filter(is_entry=True, state="CANCELED").exists)
        assert not working(rig, "limit")
    check(rig, session)
