"""Orders on their way: checked, sent in one call, sent again, refused, timed out; and none is ever lost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from bots import parity
from bots.models import Order, PaperOrder, TradingSession
from bots.orders import OrderState
from bots.venues import preflight
from bots.venues.base import VenueDown, VenueOrder
from bots.venues.paper import PaperVenue
from tests.bots.host.hosting import host, make, quick, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


CALM = {"fast_window": 3, "slow_window": 8, "min_strength_threshold": 0.5}  # averages are never so far apart


class Venue(PaperVenue):
    """The simulated venue with a line that fails as the test says, one word a call: down, lost, or "" for well."""

    def __init__(self, *faults: str) -> None:
        self.faults: Iterator[str] = iter(faults)
        self.calls: list[int] = []

    def submit(self, orders: Sequence[Order]) -> list[VenueOrder]:
        self.calls.append(len(orders))
        fault = next(self.faults, "")
        if fault == "down":
            raise VenueDown("no answer")
        answers = super().submit(orders)
        if fault == "lost":
            raise VenueDown("it has them, and its answer was lost")
        return answers


class PickyVenue(PaperVenue):
    """Rejects the first entries that it sees."""

    left = 2

    def submit(self, orders: Sequence[Order]) -> list[VenueOrder]:
        bad = [order for order in orders if order.is_entry][: self.left]
        self.left -= len(bad)
        refused = [
            VenueOrder(order.client_order_id, "", OrderState.REJECTED, reason="insufficient buying power")
            for order in bad
        ]
        return [*refused, *super().submit([order for order in orders if order not in bad])]


def now(session: TradingSession) -> TradingSession:
    return TradingSession.objects.get(pk=session.pk)


def once_each(session: TradingSession) -> None:
    """Whatever the line did: what the venue has is what was sent to it, each once, and all agrees with a backtest."""
    held = set(PaperOrder.objects.filter(session=session).values_list("client_order_id", flat=True))
    assert len(held) == PaperOrder.objects.filter(session=session).count()
    assert held <= set(session.orders.values_list("client_order_id", flat=True))
    report = parity.make(now(session))
    assert report.identical, report.differences


@pytest.mark.row("I9")
def test_a_line_that_fails_is_tried_again_with_the_same_ids(alice: User) -> None:
    venue = Venue("down", "lost")
    with host() as running:
        running.desk.venue = venue
        session = make(alice)
        wait_for(lambda: session.trades.count() >= 2, 60)
    first = session.orders.order_by("seq").first()
    assert (first.attempts, first.state) == (3, OrderState.FILLED)
    assert first.ack_ms >= 700, "it waited 0.2 s and 0.5 s in between"
    assert first.submitted_at is not None
    later = session.orders.filter(accepted_at__isnull=False).order_by("-seq").first()
    assert later.attempts == 1
    assert later.ack_ms < first.ack_ms
    once_each(session)


@pytest.mark.row("I9", "W1")
def test_a_venue_that_is_away_leaves_orders_in_doubt_until_it_answers(alice: User) -> None:
    venue = Venue(*["down"] * 5)
    patient = {"order_type_default": "limit", "limit_price_offset_pct": 20}
    with host() as running:
        running.desk.venue = venue
        # It never sells: a signal the other way would cancel what is in doubt.
        session = make(alice, settings=patient, strategy="buy_and_hold", strategy_parameters={}, symbols=["SIM-ALPHA"])
        doubted = wait_for(lambda: session.orders.filter(state=OrderState.UNKNOWN).first(), 90)
        assert not PaperOrder.objects.filter(client_order_id=doubted.client_order_id).exists()
        wait_for(lambda: PaperOrder.objects.filter(client_order_id=doubted.client_order_id).exists())
        arrived = wait_for(lambda: session.orders.filter(pk=doubted.pk, accepted_at__isnull=False).first())
        assert arrived.attempts == 6, "four tries of its batch, then one at each look"
        assert not session.orders.filter(state=OrderState.UNKNOWN).exists()
        assert now(session).state == "RUNNING"
    once_each(session)


@pytest.mark.row("I9")
def test_orders_of_one_moment_go_in_one_call(alice: User) -> None:
    venue = Venue()
    with host() as running:
        running.desk.venue = venue
        one, other = make(alice, symbols=["SIM-ALPHA"]), make(alice, symbols=["SIM-ALPHA"])
        TradingSession.objects.filter(pk=other.pk).update(feed_options=one.feed_options)
        wait_for(lambda: one.trades.count() >= 2 and other.trades.count() >= 2, 60)
    assert max(venue.calls) >= 2, "two sessions decide on the same bar"


@pytest.mark.row("I10")
def test_what_is_rejected_is_kept_as_that_and_the_session_goes_on(alice: User) -> None:
    with host() as running:
        running.desk.venue = PickyVenue()
        session = make(alice)
        wait_for(lambda: session.orders.filter(state=OrderState.REJECTED).count() == 2, 60)
        wait_for(lambda: session.trades.exists(), 60)
        assert now(session).state == "RUNNING"
    for order in session.orders.filter(state=OrderState.REJECTED):
        assert order.state_reason == "insufficient buying power"
        assert order.ended_at is not None
        assert not order.fills.exists()
        assert not PaperOrder.objects.filter(client_order_id=order.client_order_id).exists()
    told = session.events.filter(kind="order").first()
    assert told.text.endswith("insufficient buying power")
    with host():  # the ledger, the checkpoint and the venue agree
        cycles = session.cycles.count()
        wait_for(lambda: session.cycles.count() > cycles)
    once_each(session)


@pytest.mark.row("I10")
def test_what_nobody_can_have_meant_is_denied_before_it_is_sent(alice: User, settings: Any) -> None:
    settings.ORDER_COLLAR_PCT = 5
    wild = {"order_type_default": "limit", "limit_price_offset_pct": 10}
    session = make(alice, settings=wild)
    with host():
        wait_for(lambda: session.orders.filter(state=OrderState.DENIED).count() >= 3, 60)
        wait_for(lambda: session.decisions.filter(outcome="not_sent").exists())
        assert now(session).state == "RUNNING"
    assert not PaperOrder.objects.exists()
    assert not session.orders.exclude(state=OrderState.DENIED).exists()
    order = session.orders.first()
    assert order.state_reason.startswith("The limit price is 10.0% from the close, more than 5%")
    assert (order.attempts, order.accepted_at) == (0, None)
    assert order.ended_at == order.decided_at
    refused = session.decisions.filter(outcome="not_sent").first()
    assert refused.detail == order.state_reason or refused.detail.startswith("The limit price is")
    settings.ORDER_COLLAR_PCT = 60
    with host():
        wait_for(lambda: session.orders.filter(accepted_at__isnull=False).exists(), 60)
    once_each(session)


@pytest.mark.row("I10")
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, ""),
        ({"qty": 0}, "0 units are no order"),
        ({"qty": -5}, "-5 units are no order"),
        ({"qty": "1.5"}, "1.5 units are no multiple of the lot, 1."),
        ({"limit_px": "100.005"}, "The limit price 100.005 is no multiple of the tick, 0.01."),
        ({"stop_px": "0"}, "A stop price of 0 is none."),
        ({"limit_px": "161"}, "The limit price is 61.0% from the close, more than 60%."),
        ({"limit_px": "159"}, ""),
    ],
)
def test_the_last_look(columns: dict[str, Any], words: str) -> None:
    given = {"qty": 3, "decision_px": 100, **columns}
    order = Order(symbol="AAPL", **{name: Decimal(value) for name, value in given.items()})
    listing = preflight.Listing(Decimal("0.01"), Decimal(1))
    assert preflight.refusal(order, listing).startswith(words)
    assert bool(preflight.refusal(order, listing)) == bool(words)
    assert preflight.refusal(order, None) == "The session does not trade AAPL."


@pytest.mark.row("I10")
def test_fractions_and_sizes_that_come_later_may_pass() -> None:
    fractions = preflight.Listing(Decimal("0.01"), None)
    assert not preflight.refusal(Order(symbol="A", qty=Decimal("0.123")), fractions)
    later = preflight.Listing(Decimal("0.01"), Decimal(1), sized_later=True)
    assert not preflight.refusal(Order(symbol="A", qty=Decimal(0)), later)


@pytest.mark.row("I8")
def test_a_resting_order_times_out_and_a_long_holding_is_closed(alice: User) -> None:
    resting = make(
        alice, settings={"order_type_default": "limit", "limit_price_offset_pct": 20, "maker_order_timeout": 4}
    )
    holding = make(alice, settings={"max_holding_time": 3, "stop_loss_pct": 50, "take_profit_pct": 50})
    with host():
        wait_for(lambda: resting.orders.filter(state=OrderState.CANCELED).count() >= 3, 60)
        wait_for(lambda: holding.trades.filter(reason="max_holding").exists(), 60)
    rested = []
    for order in resting.orders.filter(state=OrderState.CANCELED):
        assert order.accepted_at is not None, "it was working"
        rested.append((order.ended_at - order.decided_at).total_seconds())
        assert not PaperOrder.objects.get(client_order_id=order.client_order_id).is_working
    assert max(rested) in (4.0, 5.0), "a signal the other way may end one earlier, and nothing later"
    closed = holding.positions.filter(is_open=False, exit_reason="max_holding").first()
    assert 3 <= (closed.closed_at - closed.opened_at).total_seconds() <= 5
    for session in (resting, holding):
        report = parity.make(now(session))
        assert report.identical, report.differences


@pytest.mark.row("C10")
def test_snapshots_come_at_the_set_interval(alice: User, settings: Any) -> None:
    settings.SESSION_SNAPSHOT_SECONDS = 7
    session = make(alice, strategy_parameters=CALM)  # it never trades: only time makes snapshots
    with host():
        wait_for(lambda: session.snapshots.count() >= 4, 60)
        settings.SESSION_SNAPSHOT_SECONDS = 2
        before = session.snapshots.count()
        wait_for(lambda: session.snapshots.count() >= before + 5)
    assert not session.trades.exists()
    times = list(session.snapshots.order_by("ts").values_list("ts", flat=True))
    apart = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert set(apart[:3]) == {7.0}
    assert apart[-1] == 2.0
    assert {row.total_value for row in session.snapshots.all()} == {session.initial_cash}


@pytest.mark.row("C11")
def test_its_figures_are_live_and_follow_from_its_fills(alice: User) -> None:
    session = make(alice, feed_options=quick(seed=11), settings={"take_profit_pct": 0.05, "stop_loss_pct": 0.05})
    with host():
        seen = set()
        deadline = time.monotonic() + 60
        while len(seen) < 4 and time.monotonic() < deadline:
            row = now(session)
            seen.add((row.total_trades, row.winning_trades, row.total_pnl))
            assert row.final_cash is None, "only what has ended has a final amount"
            time.sleep(0.05)
        assert len(seen) >= 4, "they change while it runs"
        TradingSession.objects.filter(pk=session.pk).update(wanted="STOP", stop_policy="flatten", stop_reason="user")
        wait_for(lambda: now(session).state == "STOPPED")
    row = now(session)
    closed = session.positions.filter(is_open=False)
    assert row.total_trades == closed.count() > 0
    assert row.winning_trades == closed.filter(realised_pnl__gt=0).count()
    assert row.total_pnl == sum(position.realised_pnl for position in closed)
    assert row.final_cash == row.initial_cash + row.total_pnl
