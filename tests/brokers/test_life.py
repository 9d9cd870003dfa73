"""What becomes of orders: partial fills, cancels, replacements, lists that are complete."""

from __future__ import annotations

import datetime
import itertools
import time

import pytest

from bots.brokers.base import BrokerOrder, Refused
from bots.orders import OrderState
from tests.brokers.rigs import D, Rig

pytestmark = pytest.mark.row("I11", "P8")


def now_is(rig: Rig, order: BrokerOrder) -> BrokerOrder:
    found = rig.broker.order(order.broker_order_id, rig.symbol)
    assert found is not None
    return found


@pytest.mark.row("I6")
def test_an_order_fills_in_parts(rig: Rig) -> None:
    order = rig.broker.submit(rig.limit("10", "99.50"))
    rig.price("99.40", "99.45", "99.42", ask_size="4")
    part = now_is(rig, order)
    assert (part.state, part.filled, part.qty) == (OrderState.PARTIALLY_FILLED, 4, 10)
    rig.price("99.40", "99.45", "99.42", ask_size="6")
    whole = now_is(rig, order)
    assert (whole.state, whole.filled) == (OrderState.FILLED, 10)
    assert len(rig.broker.executions(rig.now - datetime.timedelta(minutes=1), [rig.symbol])) == 2


def test_a_cancelled_order_ends(rig: Rig) -> None:
    order = rig.broker.submit(rig.limit("10", "90"))
    rig.broker.cancel(order)
    assert now_is(rig, order).state is OrderState.CANCELED
    rig.price("89", "89.10", "89")
    assert rig.executed() == 0


def test_a_cancel_by_our_id_alone(rig: Rig) -> None:
    """After a crash the venue's id may not be known."""
    order = rig.broker.submit(rig.limit("10", "90"))
    rig.broker.cancel(BrokerOrder(order.client_order_id, "", rig.symbol, "BUY", "limit", order.state, order.qty))
    assert now_is(rig, order).state is OrderState.CANCELED


def test_what_was_filled_before_a_cancel_stays(rig: Rig) -> None:
    order = rig.broker.submit(rig.limit("10", "99.50"))
    rig.price("99.40", "99.45", "99.42", ask_size="4")
    rig.broker.cancel(order)
    found = now_is(rig, order)
    assert (found.state, found.filled) == (OrderState.CANCELED, 4)
    assert rig.executed() == 4


def test_a_cancel_that_comes_after_the_fill_is_refused(rig: Rig) -> None:
    order = rig.broker.submit(rig.limit("10", "99.50"))
    rig.price("99.40", "99.45", "99.42")
    with pytest.raises(Refused) as error:
        rig.broker.cancel(order)
    assert error.value.code == "is_over"
    assert now_is(rig, order).state is OrderState.FILLED


def test_a_second_cancel_is_refused(rig: Rig) -> None:
    order = rig.broker.submit(rig.limit("10", "90"))
    rig.broker.cancel(order)
    with pytest.raises(Refused) as error:
        rig.broker.cancel(order)
    assert error.value.code in ("is_over", "no_order")


def test_a_cancel_of_nothing_is_refused(rig: Rig) -> None:
    nothing = BrokerOrder("t-never-sent", "", rig.symbol, "BUY", "limit", OrderState.SUBMITTED, D(1))
    with pytest.raises(Refused) as error:
        rig.broker.cancel(nothing)
    assert error.value.code == "no_order"


def test_a_new_price_takes_the_place_of_the_old(rig: Rig) -> None:
    old = rig.broker.submit(rig.limit("10", "90"))
    new_id = rig.limit("1", "1").client_order_id
    if not rig.broker.capabilities.can_replace:
        with pytest.raises(Refused):
            rig.broker.replace(old, new_id, limit_px=D("91"))
        assert now_is(rig, old).state is OrderState.ACCEPTED
        return
    new = rig.broker.replace(old, new_id, limit_px=D("91"))
    assert (new.client_order_id, new.limit_px, new.qty, new.replaces) == (new_id, 91, 10, old.broker_order_id)
    before = now_is(rig, old)
    assert (before.state, before.replaced_by) == (OrderState.REPLACED, new.broker_order_id)
    assert [order.client_order_id for order in rig.broker.open_orders()] == [new_id]


def test_a_new_quantity_counts_what_is_filled(rig: Rig) -> None:
    old = rig.broker.submit(rig.limit("10", "99.50"))
    rig.price("99.40", "99.45", "99.42", ask_size="4")
    new_id = rig.limit("1", "1").client_order_id
    if not rig.broker.capabilities.can_replace:
        with pytest.raises(Refused):
            rig.broker.replace(old, new_id, qty=D(7))
        return
    rig.price("99.60", "99.65", "99.62")
    new = rig.broker.replace(old, new_id, qty=D(7))
    rig.price("99.40", "99.45", "99.42")
    assert now_is(rig, new).state is OrderState.FILLED
    assert rig.executed() == 7, "never more than the new quantity"


def test_a_replacement_that_is_refused_leaves_the_old_order(rig: Rig) -> None:
    old = rig.broker.submit(rig.limit("10", "90"))
    with pytest.raises(Refused):
        rig.broker.replace(old, rig.limit("1", "1").client_order_id, limit_px=D("91.001"))
    assert now_is(rig, old).state is OrderState.ACCEPTED
    assert len(rig.broker.open_orders()) == 1


def test_a_replacement_of_what_is_over_is_refused(rig: Rig) -> None:
    old = rig.broker.submit(rig.request("10"))
    with pytest.raises(Refused) as error:
        rig.broker.replace(old, rig.limit("1", "1").client_order_id, qty=D(12))
    assert error.value.code == ("is_over" if rig.broker.capabilities.can_replace else error.value.code)
    assert rig.executed() == 10


def test_an_order_that_is_rejected_after_it_was_taken(rig: Rig) -> None:
    request = rig.limit("10", "90")
    rig.exchange.refuses_later[request.client_order_id] = "the exchange said no"
    rig.broker.submit(request)
    found = rig.broker.find(request.client_order_id, rig.symbol)
    assert found is not None
    assert (found.state, found.filled) == (OrderState.REJECTED, 0)
    assert rig.broker.open_orders() == []


# --- lists --------------------------------------------------------------------------------------------------------


def test_open_orders_are_those_that_can_still_fill(rig: Rig) -> None:
    rig.broker.submit(rig.request("1"))
    rests, gone = rig.limit("1", "90"), rig.limit("1", "91")
    rig.broker.submit(rests)
    rig.broker.cancel(rig.broker.submit(gone))
    [found] = rig.broker.open_orders()
    assert (found.client_order_id, found.symbol, found.side, found.qty) == (
        rests.client_order_id, rig.symbol, "BUY", 1,
    )  # fmt: skip


def test_open_orders_list_the_exits_of_a_group_one_by_one(rig: Rig) -> None:
    if "bracket" not in rig.classes:
        with pytest.raises(Refused):
            rig.broker.submit(rig.limit("10", "90", order_class="bracket", take_profit="105", stop_loss="85"))
        return
    rig.broker.submit(rig.limit("10", "90", order_class="bracket", take_profit="105", stop_loss="85"))
    assert sorted(order.kind for order in rig.broker.open_orders()) == ["limit", "limit", "stop"]


@pytest.mark.slow
def test_more_open_orders_than_one_page_are_all_listed(rig: Rig) -> None:
    wanted = set()
    with rig.lock:
        for i in range(620):
            request = rig.limit("1", str(D("20") + D(i % 50) / 100))
            wanted.add(request.client_order_id)
            rig.place(request)
    assert {order.client_order_id for order in rig.broker.open_orders()} == wanted


@pytest.mark.slow
def test_more_executions_than_two_pages_are_all_listed_in_their_order(rig: Rig) -> None:
    since = rig.now
    sent = []
    with rig.lock:
        for i in range(260):
            request = rig.request("1", "BUY" if i % 3 else "SELL") if i else rig.request("100")
            sent.append((request.client_order_id, request.side, request.qty))
            rig.place(request)
    found = rig.broker.executions(since, [rig.symbol])
    assert len(found) == len(sent)
    assert len({each.execution_id for each in found}) == len(found)
    assert [(each.side, each.qty) for each in found] == [(side, qty) for _, side, qty in sent]
    assert all(a.at <= b.at for a, b in itertools.pairwise(found))


def test_executions_begin_at_the_moment_asked_for(rig: Rig) -> None:
    since = rig.now
    rig.broker.submit(rig.request("1"))
    [first] = rig.broker.executions(since, [rig.symbol])
    time.sleep(0.01)
    rig.broker.submit(rig.request("2"))
    both = rig.broker.executions(first.at, [rig.symbol])
    assert [each.qty for each in both] == [1, 2]
    later = rig.broker.executions(first.at + datetime.timedelta(milliseconds=1), [rig.symbol])
    assert [each.qty for each in later] == [2]


def test_executions_add_up_to_the_position_and_the_cash(rig: Rig) -> None:
    since, cash = rig.now, rig.account.cash
    for qty, side in (("10", "BUY"), ("3", "SELL"), ("2", "BUY")):
        rig.broker.submit(rig.request(qty, side))
    found = rig.broker.executions(since, [rig.symbol])
    base = rig.symbol.partition("/")[0]
    held = sum((each.qty if each.side == "BUY" else -each.qty for each in found), D(0))
    held -= sum((each.fee for each in found if each.fee_asset == base), D(0))
    paid = sum((each.qty * each.px * (1 if each.side == "BUY" else -1) for each in found), D(0))
    paid += sum((each.fee for each in found if each.fee_asset and each.fee_asset != base), D(0))
    assert held == rig.broker.positions()[0].qty
    assert cash - paid == rig.broker.money().cash


def test_a_fee_is_told_with_its_fill(rig: Rig) -> None:
    since = rig.now
    rig.broker.submit(rig.request("10"))
    [bought] = rig.broker.executions(since, [rig.symbol])
    assert (bought.fee, bought.fee_asset) == (10 * rig.fee, rig.fee_asset)
    rig.broker.submit(rig.request("5", "SELL"))
    sold = rig.broker.executions(since, [rig.symbol])[-1]
    assert sold.fee == 5 * sold.px * rig.fee


def test_an_execution_names_its_order(rig: Rig) -> None:
    since, request = rig.now, rig.request("10")
    order = rig.broker.submit(request)
    [execution] = rig.broker.executions(since, [rig.symbol])
    assert execution.broker_order_id == order.broker_order_id
    assert execution.client_order_id in ("", request.client_order_id)
    assert (execution.symbol, execution.side, execution.px) == (rig.symbol, "BUY", D("100.01"))
    assert execution.at.utcoffset() == datetime.timedelta(0)
