"""The answer to an order and the fill that follows it are booked together; what cannot be is booked from the rows."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bots.brokers.base import BrokerEvent, Execution
from bots.host import ledger
from bots.host.lease import Lease
from bots.live import connection as connections
from bots.live.asks import Answer, Ask
from bots.live.pieces import Piece
from bots.models import Order, TradingSession
from bots.services import sessions
from tests.bots.factories import make_session
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]
FAR = {
    "allow_fractional": False, "order_type_default": "limit", "limit_price_offset_pct": 8.0, "time_in_force": "gtc",
}  # fmt: skip


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, bool]]:
    """What hosts write of orders: client id, whether the venue's answer is in it, whether a fill is."""
    seen: list[tuple[str, bool, bool]] = []
    commit = ledger.commit

    def listen(writes: Any) -> set[int]:
        lost = commit(writes)
        for write in writes:
            filled = {trade.order_id for trade in write.trades}
            seen.extend((row.client_order_id, row.ack_ms is not None, row.pk in filled) for row in write.changed)
        return lost

    monkeypatch.setattr(ledger, "commit", listen)
    return seen


def flatten(user: User, session: TradingSession) -> None:
    sessions.stop(user, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED", 60)


@pytest.mark.row("I8")
def test_an_answer_and_its_fill_are_written_once(alice: User, rig: Rig, written: list[tuple[str, bool, bool]]) -> None:
    """Whichever of the two is there first."""
    for delay_s in (0.0, 0.02):
        if delay_s:  # the stream is quicker than the answer
            rig.fault(kind="delay", method="POST", path="/v2/orders", when="after", delay_s=delay_s, times=1_000)
        session = rig.session()
        written.clear()

        def is_written_once(session: TradingSession = session) -> bool:
            filled = {name for name, _, is_filled in written if is_filled}
            times = {name: sum(name == other for other, *_ in written) for name in filled}
            both = {name for name, is_answered, is_filled in written if is_answered and is_filled}
            return any(times[name] == 1 and name in both for name in filled)

        with host():
            until(session, is_written_once, 60)
            flatten(alice, session)
        check(rig, session)


@pytest.mark.row("I8")
def test_a_fill_whose_answer_is_late_does_not_wait_for_it(alice: User, rig: Rig) -> None:
    rig.fault(kind="delay", method="POST", path="/v2/orders", when="after", delay_s=6.0, times=1)
    session = rig.session()
    with host():
        until(session, session.trades.exists, 30)
        first = session.trades.earliest("pk")
        assert Order.objects.get(pk=first.order_id).ack_ms is None
        until(session, lambda: Order.objects.get(pk=first.order_id).ack_ms, 30)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8", "I15")
def test_a_session_is_taken_up_again_where_news_behind_an_answer_cannot_be_booked(alice: User, rig: Rig) -> None:
    """The venue never filled so much: its own list of executions, which the session is opened with, does not say so."""
    px = rig.venue.exchange.quotes["SIM-ALPHA"].last
    session = rig.session(strategy="buy_and_hold", strategy_parameters={}, settings=FAR)
    with host() as running:
        until(session, session.orders.filter(state="ACCEPTED").exists, 60)
        row = session.orders.get(state="ACCEPTED")
        (account,) = running.connections.all()
        theirs = account.link.order(row.client_order_id)
        assert theirs is not None
        session.refresh_from_db()
        fence = session.fence
        wrong = Execution("not-so", row.broker_order_id, row.client_order_id, row.symbol, row.side, row.qty * 2,
                          Decimal(str(px)), timezone.now())  # fmt: skip
        account._found.append(Piece(session.pk, Answer(Ask("submit", row, False), theirs), account))
        account.link._tell(BrokerEvent("fill", wrong.at, execution=wrong))
        until(session, lambda: TradingSession.objects.get(pk=session.pk).fence > fence, 30)
        until(session, lambda: state_of(session) == "RUNNING", 60)
        assert not session.trades.exists()
        flatten(alice, session)
    check(rig, session)


def test_only_what_happened_between_the_same_two_bars_is_written_together(alice: User) -> None:
    lease = Lease(make_session(alice).pk, 1)
    first = ledger.SessionWrite(lease, 1, 1, {"cash": 1, "equity": 1}, interventions=[{"do": "a"}], checkpoint=b"1")
    order = Order(seq=3)
    later = ledger.SessionWrite(lease, 1, 1, {"cash": 2}, changed=[order], interventions=[{"do": "b"}])
    both = dataclasses.replace(first, changed=[order]).then(later)
    assert (both.values, both.checkpoint) == ({"cash": 2, "equity": 1}, b"1")
    assert (both.changed, both.interventions) == ([order], [{"do": "a"}, {"do": "b"}])
    with pytest.raises(ValueError, match="a bar lies between"):
        first.then(dataclasses.replace(later, cursor_before=2, cursor_ns=2))


def test_how_long_news_wait_is_less_than_a_page_needs() -> None:
    assert connections.TOGETHER_S <= 0.05
