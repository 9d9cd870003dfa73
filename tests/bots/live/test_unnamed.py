"""Fills of a bracket's legs that are told before the answer which says what the legs are called."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import BrokerAccount, User
from bots.brokers.base import BrokerEvent, Execution
from bots.live.grouping import leg_id
from bots.live.unnamed import FIRST_ASK_S, HOLD_S, Heard, Unnamed
from bots.models import BrokerExecution, Order, TradingSession
from bots.services import sessions
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.made import live_session
from tests.bots.live.rig import Rig, state_of, until

D = Decimal
PROTECTED: dict[str, Any] = {"allow_fractional": False, "stop_loss_pct": 10.0, "take_profit_pct": 10.0}
HOLD = {"strategy": "buy_and_hold", "strategy_parameters": {}}
FIRST = "tw00000007-000000000000"


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    return BrokerAccountFactory(owner=alice)


def order(session: TradingSession, role: str, **columns: Any) -> Order:
    """The entry of a bracket, or a leg of it."""
    name = FIRST if role == "plain" else leg_id(FIRST, role)
    fields = {
        "client_order_id": name, "sent_with": "" if role == "plain" else FIRST, "role": role, "symbol": "AAPL",
        "side": "BUY" if role == "plain" else "SELL", "kind": "market", "time_in_force": "day", "qty": 5,
        "is_entry": role == "plain", "reason": "signal", "settings_version": 1, "decided_at": session.created_at,
        "seq": session.orders.count(), "state": "SUBMITTED", **columns,
    }  # fmt: skip
    return Order.objects.create(session=session, broker_account=session.broker_account, **fields)


def fill(name: str, side: str = "SELL", symbol: str = "AAPL", *, since: float = 0.0, session_id: int = 0) -> Heard:
    at = BrokerAccount.objects.get().created_at
    executed = Execution(name, f"venue-{name}", "", symbol, side, D(5), D(90), at)  # type: ignore[arg-type]
    return Heard(BrokerEvent("fill", at, execution=executed), since, session_id)


@pytest.mark.django_db
@pytest.mark.row("I8", "F12")
def test_what_may_be_of_a_leg_waits_and_all_else_goes_on(account: BrokerAccount, alice: User) -> None:
    session = live_session(alice, account, symbols=["AAPL"])
    order(session, "plain")
    stop = order(session, "stop", kind="stop")
    now, asked = [0.0], []
    unnamed = Unnamed(account, asked.append, clock=lambda: now[0])
    leg, bought, other, named = fill("a"), fill("b", "BUY"), fill("c", symbol="MSFT"), fill("d", session_id=session.pk)
    assert unnamed.part([leg, bought, other, named]) == ([bought, other, named], [leg])
    assert (unnamed.symbols, asked) == ({"AAPL"}, [])
    now[0] = FIRST_ASK_S
    assert unnamed.part([leg]) == ([], [leg])
    assert [each.client_order_id for each in asked] == [FIRST]
    assert unnamed.part([leg]) == ([], [leg])
    assert len(asked) == 1, "the venue is asked less and less often"
    stop.broker_order_id = "venue-a"
    stop.save()
    assert unnamed.part([leg]) == ([leg], []), "every leg has its name: what is none of them is somebody else's"
    assert not unnamed.symbols


@pytest.mark.django_db
@pytest.mark.row("F39")
def test_nothing_waits_for_ever(account: BrokerAccount, alice: User) -> None:
    session = live_session(alice, account, symbols=["AAPL"])
    order(session, "plain")
    order(session, "target", kind="limit")
    now = [HOLD_S - 1]
    unnamed = Unnamed(account, lambda _: None, clock=lambda: now[0])
    leg = fill("a")
    assert unnamed.part([leg]) == ([], [leg])
    now[0] = HOLD_S
    assert unnamed.part([leg]) == ([leg], [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("I8", "I3")
@pytest.mark.fault(5, 13)
@pytest.mark.parametrize("told_by", ["the answer", "a question"])
def test_a_stop_that_fills_before_its_bracket_is_answered_is_the_sessions(alice: User, rig: Rig, told_by: str) -> None:
    """The venue has taken the bracket, filled it and stopped it out, and its answer is still on its way."""
    session = rig.session(settings=PROTECTED, **HOLD)
    rig.fault(kind="delay", method="POST", path="/v2/orders", when="after", delay_s=8.0)
    if told_by == "the answer":
        rig.fault(kind="status", method="GET", path="/v2/orders:by_client_order_id", status=503, times=99)
    with host():
        until(session, lambda: session.trades.exists() and rig.ledger()["positions"])
        sessions.pause(alice, session.pk)
        rig.price(round(float(rig.venue.exchange.quotes["SIM-ALPHA"].last) * 0.85, 2))
        until(session, lambda: not rig.ledger()["positions"])
        until(session, lambda: session.positions.filter(is_open=False, exit_reason="stop_loss").exists(), 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED", 60)
    check(rig, session)
    assert not BrokerExecution.objects.filter(session__isnull=True).exists()
    assert not rig.account.discrepancies.filter(kind="position").exists()
