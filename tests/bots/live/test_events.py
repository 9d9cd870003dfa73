"""What venues do to LIVE sessions while their host lives: fills in parts, lost and doubled news, refusals, silence."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import BrokerAccount, User
from bots import parity
from bots.models import Order, SessionCommand, SessionMemory, TradingSession
from bots.orders import WORKING
from bots.services import sessions
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, in_time, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]


def flatten(user: User, session: TradingSession) -> None:
    sessions.stop(user, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED", 60)


UNDER_A_STOP: dict[str, Any] = {
    "strategy": "buy_and_hold", "strategy_parameters": {},
    "settings": {"allow_fractional": False, "stop_loss_pct": 5.0},
}  # fmt: skip


def end_under_its_stop(user: User, session: TradingSession) -> None:
    """It ends and keeps its position, whose stop rests at the venue."""
    until(session, lambda: holds(session), 60)
    until(session, lambda: session.orders.filter(role="stop", state="ACCEPTED").exists(), 30)
    sessions.stop(user, session.pk, "keep")
    until(session, lambda: state_of(session) == "STOPPED", 30)


def holds(session: TradingSession) -> bool:
    return session.positions.filter(is_open=True).exists()


@pytest.mark.row("I8", "I15")
def test_lost_doubled_and_swapped_news_change_nothing(alice: User, rig: Rig) -> None:
    """F12, F13, F15: what the stream loses is found by the sweep; what it says twice or too early is booked once."""
    session = rig.session()
    for kind in ("lose", "duplicate", "swap", "lose", "duplicate"):
        rig.fault(stream="trade_updates", kind=kind, times=2)
    with host():
        until(session, lambda: session.positions.filter(is_open=False).count() >= 3, 60)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8")
@pytest.mark.fault(15)
def test_a_lost_fill_is_booked_within_fifteen_seconds(alice: User, rig: Rig) -> None:
    """F15: heartbeats go on, and the one frame that tells of the fill never comes."""
    rig.fault(stream="trade_updates", kind="lose", times=3)
    session = rig.session()
    with host():
        until(session, lambda: rig.ledger()["executions"], 30)
        began = time.monotonic()
        until(session, lambda: session.trades.exists(), 60)
        in_time(time.monotonic() - began, 15.0)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8")
@pytest.mark.fault(10)
def test_a_stream_that_is_cut_stops_entries_and_comes_back(alice: User, rig: Rig) -> None:
    """F10: the session is degraded until the stream is signed in again and the gap is read by REST."""
    session = rig.session()
    with host():
        until(session, lambda: session.trades.count() >= 2, 60)
        rig.fault(stream="trade_updates", kind="drop", times=1)
        until(
            session, lambda: session.events.filter(detail__to="DEGRADED", text__contains="not connected").exists(), 30
        )
        until(session, lambda: state_of(session) == "RUNNING", 30)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8", "W2")
def test_a_partial_fill_is_a_position_and_its_rest_is_taken_back(alice: User, rig: Rig) -> None:
    """F11: three units are there, the rest of the entry waits; paused, it is canceled, and only three are sold."""
    px = rig.venue.exchange.quotes["SIM-ALPHA"].last
    session = rig.session(strategy="buy_and_hold", strategy_parameters={})
    with host():
        rig.price(px, bid_size="3", ask_size="3")
        until(session, lambda: session.orders.filter(state="PARTIALLY_FILLED", is_entry=True).exists(), 60)
        sessions.pause(alice, session.pk)
        entry = session.orders.filter(is_entry=True).latest("pk")
        until(session, lambda: Order.objects.get(pk=entry.pk).state == "CANCELED", 30)
        entry.refresh_from_db()
        assert entry.filled_qty == Decimal(3)
        rig.price(px)
        flatten(alice, session)
    check(rig, session)
    sold = session.trades.exclude(side=entry.side)
    assert sum(trade.qty for trade in sold) == Decimal(3)


@pytest.mark.row("I8")
def test_an_entry_that_the_venue_rejects_is_forgotten(alice: User, rig: Rig) -> None:
    """At once, and after it had been taken."""
    from bots import ids

    session = rig.session()
    rig.control("rejections", client_order_id=ids.client_order_id(session.pk, 0), reason="halted by the exchange")
    body = '{"code": 40310000, "message": "insufficient buying power"}'
    rig.fault(kind="status", method="POST", path="/v2/orders", status=403, times=1, body=body)
    with host():
        until(session, lambda: session.orders.filter(state="REJECTED").count() >= 1, 60)
        until(session, lambda: session.positions.filter(is_open=False).exists(), 60)
        flatten(alice, session)
    check(rig, session)
    reason = session.orders.filter(state="REJECTED").earliest("seq").state_reason
    assert "buying power" in reason or "halted" in reason


@pytest.mark.row("I8")
@pytest.mark.fault(42)
def test_revoked_keys_halt_their_sessions_and_nobody_elses(alice: User, bob: User, rig: Rig) -> None:
    """F42."""
    rig.venue.open_account("BOBSKEY", "bobs-secret")
    theirs = BrokerAccountFactory(owner=bob, api_key="BOBSKEY", api_secret="bobs-secret")
    session = rig.session()
    from tests.bots.host.hosting import make, quick

    other = make(bob, mode="LIVE", broker_account=theirs, symbols=["SIM-BETA"], feed_options=quick(seed=7))
    with host():
        until(session, lambda: state_of(session) == "RUNNING" and state_of(other) == "RUNNING", 60)
        rig.venue.exchange.accounts["GONE"] = rig.venue.exchange.accounts.pop(rig.account.api_key.reveal())
        until(session, lambda: state_of(session) == "HALTED", 30)
        rig.account.refresh_from_db()
        assert rig.account.state == "REFUSED"
        session.refresh_from_db()
        assert rig.account.name in session.state_reason
        trades = other.trades.count()
        until(other, lambda: other.trades.count() > trades and state_of(other) == "RUNNING", 60)
    rig.venue.exchange.accounts[rig.key] = rig.venue.exchange.accounts.pop("GONE")
    check(rig, session)
    check(replace(rig, account=theirs, key="BOBSKEY"), other)
    theirs.refresh_from_db()
    assert theirs.state == "ACTIVE"


@pytest.mark.row("Q4", "I8")
def test_the_stop_button_works_while_rest_is_slow(alice: User, rig: Rig) -> None:
    session = rig.session()
    with host():
        until(session, lambda: holds(session), 60)
        rig.fault(kind="delay", method="GET", delay_s=1.5, times=10_000)
        rig.fault(stream="trade_updates", kind="drop", times=1)
        rig.fault(stream="trade_updates", kind="refuse", times=3)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8", "C5")
def test_one_position_is_closed_on_demand(alice: User, rig: Rig) -> None:
    session = rig.session(strategy="buy_and_hold", strategy_parameters={})  # which does not close it by itself
    with host():
        until(session, lambda: holds(session), 60)
        position = session.positions.filter(is_open=True).first()
        assert position is not None
        command = sessions.close_position(alice, position.pk)
        until(session, lambda: not session.positions.filter(pk=position.pk, is_open=True).exists(), 30)
        until(session, SessionCommand.objects.filter(pk=command.pk, done_at__isnull=False).exists, 30)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8", "C5")
def test_an_entry_that_fills_after_everything_was_to_be_closed_is_closed(alice: User, rig: Rig, settings: Any) -> None:
    """Its answer and the news of its fill are late, and the stop comes between."""
    session = rig.session(strategy="buy_and_hold", strategy_parameters={})
    rig.fault(kind="delay", method="POST", path="/v2/orders", when="after", delay_s=3.0, times=1)
    rig.fault(stream="trade_updates", kind="lose", times=2)
    settings.BROKER_SWEEP_SECONDS = 6.0  # which find the fill only when the session has long been told
    with host():
        until(session, lambda: rig.ledger()["executions"], 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED", 25)
    check(rig, session)
    assert not rig.ledger()["positions"]
    entry, leaves = session.trades.order_by("pk")
    assert (entry.is_entry, leaves.order.reason) == (True, "flatten")


@pytest.mark.row("I8", "I15")
def test_bars_that_are_quicker_than_the_venue_enter_once(alice: User, rig: Rig) -> None:
    """The engine decides again what it has just given up, and nobody knows yet what became of that."""
    session = rig.session()
    rig.fault(kind="delay", method="POST", path="/v2/orders", when="after", delay_s=1.0, times=1_000)
    rig.fault(stream="trade_updates", kind="lose", times=12)
    with host():
        until(session, lambda: session.trades.count() >= 8, 120)
        flatten(alice, session)
    check(rig, session)
    held = [Decimal(0)]
    for trade in session.trades.order_by("executed_at"):
        held.append(held[-1] + (trade.qty if trade.side == "BUY" else -trade.qty))
    most = max(order.qty for order in session.orders.filter(is_entry=True))
    assert max(map(abs, held)) <= most, held
    assert "not over at the venue" in "".join(session.orders.values_list("state_reason", flat=True))


@pytest.mark.row("W2", "I8")
def test_a_lost_checkpoint_is_made_anew_from_the_tape(alice: User, rig: Rig) -> None:
    """Executions stand on the tape between the bars where they came, so that the engine's state follows from rows."""
    session = rig.session()
    with host():
        until(session, lambda: session.positions.count() >= 3 and holds(session), 60)
    SessionMemory.objects.filter(session=session).update(checkpoint=b"damaged")
    with host():
        until(session, session.events.filter(text__contains="run through the engine again").exists, 60)
        trades = session.trades.count()
        until(session, lambda: session.trades.count() >= trades + 2, 60)
        flatten(alice, session)
    check(rig, session)
    report = parity.make(session)
    assert not report.counts.get("signal"), report.differences[:3]


@pytest.mark.row("I8", "W3")
def test_what_fills_after_a_session_has_ended_is_booked(alice: User, rig: Rig) -> None:
    """Its protective stop still rests at the venue, and no session of the account runs any more."""
    session = rig.session(**UNDER_A_STOP)
    with host():
        end_under_its_stop(alice, session)
        session.refresh_from_db()
        assert "protective orders stay at the venue" in session.state_reason
        rig.price(rig.venue.exchange.quotes["SIM-ALPHA"].last * Decimal("0.9"))
        until(session, lambda: not holds(session), 30)
        until(session, lambda: not BrokerAccount.objects.get(pk=rig.account.pk).host, 30)
    check(rig, session)


@pytest.mark.row("I8", "W3")
def test_an_end_that_is_told_before_the_last_fill_is_kept_after_a_session_has_ended(alice: User, rig: Rig) -> None:
    """A stop sells three units, the rest is taken back by hand, and the stream swaps the two."""
    session = rig.session(**UNDER_A_STOP)
    with host():
        end_under_its_stop(alice, session)
        stop = session.orders.get(role="stop", state="ACCEPTED")
        rig.fault(stream="trade_updates", kind="swap", times=1)
        px = rig.venue.exchange.quotes["SIM-ALPHA"].last * Decimal("0.9")
        rig.price(px, bid_size="3", ask_size="3")
        rig.cancel(stop.broker_order_id)
        until(session, session.trades.filter(order=stop).exists, 30)
        until(session, lambda: Order.objects.get(pk=stop.pk).state == "CANCELED", 30)
    assert Order.objects.get(pk=stop.pk).filled_qty == Decimal(3)
    assert sum(trade.qty for trade in session.trades.filter(order=stop)) == Decimal(3)


@pytest.mark.row("I8", "W3")
@pytest.mark.fault(37)
def test_a_stop_that_fills_while_it_is_being_moved_leaves_nothing_open(alice: User, rig: Rig) -> None:
    """Its session has ended; the venue answers the move with the end of the stop, and the account is let go of."""
    rig.price(round(rig.venue.exchange.quotes["SIM-ALPHA"].last * Decimal("1.01"), 2))  # the stop follows the fill
    rig.fault(kind="status", method="PATCH", path="/v2/orders/.*", status=504, delay_s=3.0, times=1)
    session = rig.session(
        strategy="buy_and_hold", strategy_parameters={}, settings={"allow_fractional": False, "stop_loss_pct": 5.0}
    )
    with host():
        until(session, session.orders.filter(state="PENDING_REPLACE").exists, 60)
        sessions.stop(alice, session.pk, "keep")
        until(session, lambda: state_of(session) == "STOPPED", 30)
        rig.price(round(rig.venue.exchange.quotes["SIM-ALPHA"].last * Decimal("0.9"), 2))
        until(session, lambda: not holds(session), 30)
        until(session, lambda: not session.orders.filter(state__in=WORKING).exists(), 30)
        until(session, lambda: not BrokerAccount.objects.get(pk=rig.account.pk).host, 30)
    check(rig, session)


@pytest.mark.row("I8", "I15")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["status", "drop"])
def test_an_order_whose_answer_is_lost_exists_once(kind: str, when: str, alice: User, rig: Rig) -> None:
    """F5 to F7: it was taken, or it was not; nobody guesses which."""
    session = rig.session()
    with host():
        until(session, lambda: state_of(session) == "RUNNING", 60)
        for _ in range(3):
            rig.fault(kind=kind, status=504, method="POST", path="/v2/orders", when=when, times=1)
            trades = session.trades.count()
            until(session, lambda trades=trades: session.trades.count() > trades, 60)
        flatten(alice, session)
    check(rig, session)


@pytest.mark.row("I8")
def test_too_many_requests_hold_entries_back_and_let_exits_go(alice: User, rig: Rig) -> None:
    """F8: what the venue asks to wait for is waited for, and the order leaves once."""
    session = rig.session()
    with host():
        until(session, lambda: holds(session), 60)
        rig.fault(kind="status", status=429, method="POST", times=2, headers={"Retry-After": "1"})
        flatten(alice, session)
    check(rig, session)
