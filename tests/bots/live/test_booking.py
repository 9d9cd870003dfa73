"""Any order in which a venue tells of one order, with whatever said twice, leads to the same books (F12, F13, F14)."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.brokers.base import BrokerOrder, Execution
from bots.host.account import Absorbed
from bots.live.account import LiveAccount, settled
from bots.models import Order, TradingSession
from bots.orders import OrderState, OverFill

AT = datetime.datetime(2026, 11, 27, 15, tzinfo=datetime.UTC)
QTY = Decimal(10)
S = OrderState


def account() -> tuple[LiveAccount, Any]:
    """A session with one entry at the venue, of whose fate nothing is known yet."""
    made = LiveAccount(TradingSession(pk=7, initial_cash=Decimal(10_000), broker_account_id=3))
    order = Order(
        pk=1, session_id=7, seq=0, client_order_id="tw00000007-000000000000", symbol="SIM-ALPHA", side="BUY",
        kind="limit", time_in_force="gtc", is_entry=True, reason="signal", qty=QTY, decision_px=Decimal(100),
        decided_at=AT,
    )  # fmt: skip
    made.add(order, Absorbed())
    return made, made.orders[0]


def order_of(state: OrderState, filled: Decimal) -> BrokerOrder:
    return BrokerOrder("tw00000007-000000000000", "v1", "SIM-ALPHA", "BUY", "limit", state, QTY, filled)


def execution(number: int, qty: int) -> Execution:
    px = Decimal(100) + number
    return Execution(f"e{number}", "v1", "", "SIM-ALPHA", "BUY", Decimal(qty), px, AT)


def tell(made: LiveAccount, tracked: Any, events: list[Any]) -> tuple[Any, ...]:
    """What is in the books when all of it was told."""
    for event in events:
        if isinstance(event, Execution):
            made.execute(tracked, event, Absorbed())
        else:
            made.told(tracked, event, AT, Absorbed())
    holding = made.book.holdings.get("SIM-ALPHA")
    row = tracked.row
    return (
        row.state, row.filled_qty, row.avg_fill_px, row.late_fill, made.book.cash,
        None if holding is None else (holding.qty, holding.cost),
    )  # fmt: skip


PARTS = st.lists(st.integers(1, 4), min_size=0, max_size=4).filter(lambda parts: sum(parts) <= QTY)


@pytest.mark.fault(12, 13)
@pytest.mark.row("I8", "I15")
@settings(max_examples=300, deadline=None)
@given(parts=PARTS, end=st.sampled_from((S.CANCELED, S.EXPIRED)), data=st.data())
def test_any_order_of_news_ends_in_the_same_books(parts: list[int], end: OrderState, data: st.DataObject) -> None:
    fills = [execution(number, qty) for number, qty in enumerate(parts)]
    total = Decimal(sum(parts))
    told: list[Any] = [order_of(S.ACCEPTED, Decimal(0)), *fills]
    told += [order_of(S.PARTIALLY_FILLED, Decimal(sum(parts[: n + 1]))) for n in range(len(parts))]
    told.append(order_of(S.FILLED if total == QTY else end, total))
    expected = tell(*account(), told)
    assert expected[0] == (S.FILLED if total == QTY else end)
    assert expected[1] == total
    shuffled = data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=5))]))
    assert tell(*account(), shuffled) == expected


@pytest.mark.row("I8")
def test_a_cancel_that_loses_to_the_fill_is_a_fill() -> None:
    made, tracked = account()
    tell(made, tracked, [order_of(S.ACCEPTED, Decimal(0))])
    done = Absorbed()
    made.unwant(0, done)
    assert done.unwanted == [tracked.row]
    assert tracked.view.state is S.PENDING_CANCEL
    state, filled, *_ = tell(made, tracked, [execution(0, 10), order_of(S.FILLED, QTY)])
    assert (state, filled) == (S.FILLED, QTY)


@pytest.mark.row("I8")
def test_an_order_that_is_to_end_is_asked_to_once_the_venue_has_it() -> None:
    made, tracked = account()
    done = Absorbed()
    made.unwant(0, done)
    assert not done.unwanted, "nobody can be asked to end what has not arrived"
    made.told(tracked, order_of(S.ACCEPTED, Decimal(0)), AT, done)
    assert done.unwanted == [tracked.row]


@pytest.mark.fault(14)
@pytest.mark.row("I8")
def test_a_fill_after_the_end_is_booked_and_flagged() -> None:
    made, tracked = account()
    state, filled, _, late, cash, held = tell(
        made, tracked, [order_of(S.ACCEPTED, Decimal(0)), order_of(S.CANCELED, Decimal(0)), execution(0, 3)]
    )
    assert (state, filled, late, cash, held) == (S.CANCELED, 3, True, Decimal(9_700), (3, 300))


@pytest.mark.row("I8")
def test_more_than_was_ordered_is_never_booked() -> None:
    made, tracked = account()
    made.execute(tracked, execution(0, 8), Absorbed())
    with pytest.raises(OverFill):
        made.execute(tracked, execution(1, 8), Absorbed())
    assert made.book.holdings["SIM-ALPHA"].qty == 8


@pytest.mark.row("I8")
def test_commission_in_the_coin_makes_the_position_smaller() -> None:
    """Identity A9: cash falls by the whole price, units grow by what is left of them."""
    made = LiveAccount(TradingSession(pk=7, initial_cash=Decimal(10_000), broker_account_id=3))
    order = Order(
        pk=1, session_id=7, seq=0, client_order_id="c", symbol="BTC/USD", side="BUY", kind="market",
        time_in_force="gtc", is_entry=True, reason="signal", qty=Decimal("0.1"), decided_at=AT,
    )  # fmt: skip
    made.add(order, Absorbed())
    bought = Execution("e", "v", "c", "BTC/USD", "BUY", Decimal("0.1"), Decimal(50_000), AT, Decimal("0.00025"), "BTC")
    assert settled(bought).qty == Decimal("0.09975")
    done = Absorbed()
    made.execute(made.orders[0], bought, done)
    assert made.book.cash == Decimal(5_000)
    assert made.book.holdings["BTC/USD"].qty == Decimal("0.09975")
    assert (order.state, order.filled_qty, done.trades[0].commission) == (S.FILLED, Decimal("0.1"), Decimal("12.5"))
