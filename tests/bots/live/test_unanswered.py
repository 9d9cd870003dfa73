"""Requests that no answer comes for: a cancel or a replacement that was lost on its way, or whose host was."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from bots.brokers import executor
from bots.live import runner
from bots.models import OrderRole, TradingSession
from bots.services import sessions
from tests.bots.host.hosting import host
from tests.bots.host.processes import KILLED_BY_FAILPOINT
from tests.bots.live import test_faults
from tests.bots.live.audit import check
from tests.bots.live.chaos.scene import used_up
from tests.bots.live.rig import Rig, state_of, story, until
from tests.bots.live.test_faults import Start, flatten
from tests.bots.live.test_protecting import HOLD, held, working

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
    one does, and the next host can move it again."""
    session = rig.session(settings=TRAILING, **HOLD)
    assert start_host(failpoints={f"{when}_replace": 1}).wait() == KILLED_BY_FAILPOINT
    old = session.orders.get(role=OrderRole.STOP, state="PENDING_REPLACE")
    new = session.orders.get(replaces=old)
    test_faults.host_is_lost(session)
    start_host()
    until(session, lambda: moved(session) >= 2, 60)
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
    rig.fault(kind="status", method="PATCH", path="/v2/orders/.*", status=504, when=when, times=2)
    session = rig.session(settings=TRAILING, **HOLD)
    with host():
        until(session, lambda: used_up(rig) and moved(session) >= 2, 60)
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
