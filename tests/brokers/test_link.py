"""What happens on an account is told once and in order, whatever its stream loses, doubles or turns round."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.brokers.base import BrokerEvent, BrokerOrder, Execution, Refused
from bots.brokers.link import Link
from bots.orders import OrderState
from tests.brokers.rigs import D, Rig, paper, until

pytestmark = pytest.mark.row("I11", "P8")


@contextmanager
def linked(rig: Rig, **more: Any) -> Iterator[tuple[Link, list[BrokerEvent]]]:
    """A link that is up, and what it has told so far."""
    told: list[BrokerEvent] = []
    given_: dict[str, Any] = {"since": rig.now, "symbols": lambda: [rig.symbol], "sweep_s": 1.0, **more}
    link = Link(rig.broker, **given_)
    link.start()
    try:
        until(lambda: link.state.is_up, "the link to be up")
        yield link, told
    finally:
        link.stop()


def fills(link: Link, told: list[BrokerEvent]) -> list[Execution]:
    told += link.take()
    return [event.execution for event in told if event.execution is not None]


def last_state(link: Link, told: list[BrokerEvent], client_order_id: str) -> OrderState | None:
    told += link.take()
    mine = [e.order for e in told if e.order is not None and e.order.client_order_id == client_order_id]
    return mine[-1].state if mine else None


def test_fills_and_ends_are_told_with_their_ids(rig: Rig) -> None:
    with linked(rig) as (link, told):
        request = rig.limit("10", "99.50")
        order = rig.broker.submit(request)
        rig.price("99.40", "99.45", "99.42", ask_size="4")
        rig.broker.cancel(order)
        until(lambda: last_state(link, told, request.client_order_id) is OrderState.CANCELED, "its end")
        [fill] = fills(link, told)
        assert (fill.client_order_id, fill.qty) == (request.client_order_id, 4)
        known = link.order(request.client_order_id)
        assert known is not None
        assert known.state is OrderState.CANCELED


@pytest.mark.fault(15)
def test_a_fill_that_the_stream_lost_is_found_by_the_sweep(rig: Rig) -> None:
    with linked(rig) as (link, told):
        rig.stream_fault("lose", times=2)
        request = rig.request("10")
        rig.broker.submit(request)
        began = time.monotonic()
        until(lambda: fills(link, told), "the lost fill", 15)
        assert time.monotonic() - began < 15
        assert [(f.client_order_id, f.qty) for f in fills(link, told)] == [(request.client_order_id, 10)]
        time.sleep(1.5)
        assert len(fills(link, told)) == 1, "the next sweep tells it no second time"
        assert link.state.is_up


@pytest.mark.fault(15)
def test_a_gap_in_what_is_filled_is_asked_for_at_once(rig: Rig) -> None:
    """The second part of a fill says that a first one is missing: nobody waits for the next sweep."""
    with linked(rig, sweep_s=30.0) as (link, told):
        rig.broker.submit(rig.limit("10", "99.50"))
        until(lambda: link.take(), "the order")
        rig.stream_fault("lose")
        rig.price("99.40", "99.45", "99.42", ask_size="4")
        rig.price("99.40", "99.45", "99.42", ask_size="6")
        until(lambda: len(fills(link, told)) == 2, "both parts", 5)
        assert sum(fill.qty for fill in fills(link, told)) == 10


def test_an_end_that_the_stream_lost_is_found_by_the_sweep(rig: Rig) -> None:
    with linked(rig) as (link, told):
        request = rig.limit("10", "90")
        order = rig.broker.submit(request)
        until(lambda: last_state(link, told, request.client_order_id) is OrderState.ACCEPTED, "the order")
        rig.stream_fault("lose")
        rig.broker.cancel(order)
        until(lambda: last_state(link, told, request.client_order_id) is OrderState.CANCELED, "its end", 15)


def test_an_order_that_no_stream_spoke_of_is_watched_to_its_end(rig: Rig) -> None:
    with linked(rig) as (link, told):
        rig.stream_fault("lose", times=2)
        request = rig.limit("10", "90")
        order = rig.broker.submit(request)
        link.watch([order])
        rig.broker.cancel(order)
        until(lambda: last_state(link, told, request.client_order_id) is OrderState.CANCELED, "its end", 15)


def test_exits_of_a_group_are_told_each_by_itself(rig: Rig) -> None:
    if "bracket" not in rig.classes:
        with pytest.raises(Refused):
            rig.broker.submit(rig.limit("10", "100.01", order_class="bracket", take_profit="105", stop_loss="95"))
        return
    with linked(rig) as (link, told):
        request = rig.limit("10", "100.01", order_class="bracket", take_profit="105", stop_loss="95")
        order = rig.broker.submit(request)
        link.watch([order])
        until(lambda: fills(link, told), "the entry")
        rig.stream_fault("lose", times=20)
        rig.price("94.90", "94.95", "94.92")
        until(lambda: len(fills(link, told)) == 2, "the stop", 15)
        ends = {leg.kind: leg.client_order_id for leg in order.legs}
        until(lambda: last_state(link, told, ends["limit"]) is OrderState.CANCELED, "the end of the target", 15)
        assert last_state(link, told, ends["stop"]) is OrderState.FILLED


@pytest.mark.fault(12)
def test_a_message_told_twice_is_news_once(rig: Rig) -> None:
    with linked(rig) as (link, told):
        rig.stream_fault("duplicate", times=4)
        for qty in ("1", "2"):
            rig.broker.submit(rig.request(qty))
        until(lambda: len(fills(link, told)) == 2, "two fills")
        time.sleep(1.5)
        assert [fill.qty for fill in fills(link, told)] == [1, 2]
        assert len([e for e in told if e.execution is None]) == len({
            (e.order.broker_order_id, e.order.state) for e in told if e.execution is None and e.order is not None
        })  # fmt: skip


@pytest.mark.fault(13)
def test_messages_that_changed_places_end_in_the_same_state(rig: Rig) -> None:
    with linked(rig) as (link, told):
        rig.stream_fault("swap")
        request = rig.request("10")
        rig.broker.submit(request)
        until(lambda: fills(link, told), "the fill")
        time.sleep(0.3)
        assert last_state(link, told, request.client_order_id) is OrderState.FILLED
        assert len(fills(link, told)) == 1


@pytest.mark.fault(10)
def test_what_happened_while_the_stream_was_down_is_told_when_it_is_back(rig: Rig) -> None:
    with linked(rig) as (link, told):
        request = rig.limit("10", "99.50")
        rig.broker.submit(request)
        rig.price("99.40", "99.45", "99.42", ask_size="4")
        until(lambda: len(fills(link, told)) == 1, "the first part")
        cut = rig.stream_fault("drop")
        rig.price("99.40", "99.45", "99.42", ask_size="5")
        rig.price("99.40", "99.45", "99.42", ask_size="1")
        if cut:
            until(lambda: not link.state.is_up, "the link to say that it is down")
            assert link.state.why
            until(lambda: link.state.is_up, "the link to be up again", 15)
        until(lambda: sum(f.qty for f in fills(link, told)) == 10, "every part")
        assert len(fills(link, told)) == 3
        until(lambda: last_state(link, told, request.client_order_id) is OrderState.FILLED, "its end")


@pytest.mark.fault(12)
def test_what_is_booked_already_is_not_told_again_after_a_restart(rig: Rig) -> None:
    since = rig.now
    rig.broker.submit(rig.request("1"))
    rig.broker.submit(rig.request("2"))
    booked, missed = rig.broker.executions(since, [rig.symbol])
    with linked(rig, since=since, known=[booked.execution_id]) as (link, told):
        until(lambda: fills(link, told), "what was missed")
        time.sleep(1.2)
        [fill] = fills(link, told)
        assert fill.execution_id == missed.execution_id
        assert fill.client_order_id, "REST does not name our id; the link does"


@pytest.mark.fault(42)
def test_revoked_keys_are_said_once_and_asked_with_no_more(rig: Rig) -> None:
    with linked(rig) as (link, _):
        rig.revoke()
        until(lambda: link.state.is_unauthorised, "the refusal", 15)
        assert not link.state.is_up
        assert "keys" in link.state.why
        counting = rig.fault("any", "status", status=401, times=100)
        time.sleep(2.5)
        assert counting is None or counting.times == 100, "not one request more"


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize("status", [429, 418])
def test_a_sweep_waits_as_long_as_the_venue_asks(rig: Rig, status: int) -> None:
    with linked(rig, sweep_s=0.3) as (link, _):
        counting = rig.fault("any", "status", status=status, headers={"retry-after": "2"}, times=100)
        if counting is None:
            return
        until(lambda: not link.state.is_up, "the link to be down")
        time.sleep(1.5)
        assert counting.times == 99, "one request was refused; none followed"
        assert rig.venue is not None
        rig.venue.faults.clear()
        until(lambda: link.state.is_up, "the link to be up again")


def test_rest_that_fails_is_down_though_the_stream_is_up(rig: Rig) -> None:
    with linked(rig, sweep_s=0.3) as (link, told):
        fault = rig.fault("open", "status", status=503, times=3)
        if fault is not None:
            until(lambda: not link.state.is_up, "the link to be down")
            since = link.state.since
            assert (rig.now - since).total_seconds() < 10
        rig.broker.submit(rig.request("1"))
        until(lambda: fills(link, told), "what the stream tells meanwhile")
        until(lambda: link.state.is_up, "the link to be up again", 20)


@pytest.mark.slow
def test_a_stream_that_says_nothing_any_more_is_opened_again(rig: Rig) -> None:
    """The socket answers pings and tells nothing: only what REST knows shows it."""
    with linked(rig) as (link, told):
        if not rig.stream_fault("mute", seconds=600):
            return
        before = rig.venue_connections()
        rig.broker.submit(rig.request("1"))
        until(lambda: len(fills(link, told)) == 1, "the fill, by REST", 15)
        until(lambda: rig.venue_connections() - before, "another connection", 20)
        until(lambda: link.state.is_up, "the link to be up again")


def test_money_that_moves_is_told_once(rig: Rig) -> None:
    rig.deposit("250")
    if "flows" not in rig.lists:
        assert rig.broker.activities(rig.now - datetime.timedelta(minutes=1)) == []
        return
    with linked(rig, flows_since=rig.now - datetime.timedelta(minutes=1)) as (link, told):
        until(lambda: [told.append(e) for e in link.take()] or told, "the deposit")
        assert [(e.kind, e.activity.amount) for e in told if e.activity is not None] == [("flow", 250)]


def test_whoever_waits_is_woken_up(rig: Rig) -> None:
    woken: list[float] = []
    with linked(rig, wake=lambda: woken.append(time.monotonic())) as (link, _):
        link.take()
        before = len(woken)
        rig.broker.submit(rig.request("1"))
        assert link.wait(10)
        until(lambda: len(woken) > before, "the call")
        assert link.take()


# --- the gate alone: any order of the same messages ---------------------------------------------------------------

AT = datetime.datetime(2026, 3, 2, 15, tzinfo=datetime.UTC)


def story() -> list[BrokerEvent]:
    """Accepted, three fills, the last of which ends it: as the venue would tell it in its order."""
    base = BrokerOrder("c", "b", "AAPL", "BUY", "limit", OrderState.ACCEPTED, D(10))
    told = [BrokerEvent("order", AT, replace(base, updated_at=AT))]
    filled = D(0)
    for number, qty in enumerate((D(4), D(1), D(5)), 1):
        filled, at = filled + qty, AT + datetime.timedelta(seconds=number)
        state = OrderState.FILLED if filled == 10 else OrderState.PARTIALLY_FILLED
        order = replace(base, state=state, filled=filled, updated_at=at)
        told.append(BrokerEvent("fill", at, order, Execution(f"e{number}", "b", "c", "AAPL", "BUY", qty, D(100), at)))
    return told


@pytest.mark.fault(12, 13)
@given(order=st.permutations(range(4)), doubled=st.lists(st.integers(0, 3), max_size=4), cancelled=st.booleans())
def test_any_order_of_the_same_messages_ends_the_same(order: list[int], doubled: list[int], cancelled: bool) -> None:
    events = story()
    if cancelled:  # the last fill is a cancel instead
        last = events[2].order
        assert last is not None
        ended = replace(last, state=OrderState.CANCELED, updated_at=AT + datetime.timedelta(seconds=9))
        events[3] = BrokerEvent("order", AT, ended)
    with paper() as rig:
        link = Link(rig.broker, since=AT, symbols=list, sweep_s=60)
        for index in itertools.chain(order, doubled):
            link._heard(events[index])
        told = link.take()
        known = link.order("c")
    assert sum((e.execution.qty for e in told if e.execution is not None), D(0)) == (5 if cancelled else 10)
    assert len({e.execution.execution_id for e in told if e.execution}) == sum(e.execution is not None for e in told)
    assert known is not None
    assert known.state is (OrderState.CANCELED if cancelled else OrderState.FILLED)
    assert known.filled == (5 if cancelled else 10)
    states = [e.order.state for e in told if e.order is not None]
    assert states[-1] is known.state


@pytest.mark.fault(14)
def test_a_fill_that_comes_after_the_end_is_told_and_the_end_stands() -> None:
    events = story()
    part, late = events[2].order, events[3]
    assert part is not None
    ended = replace(part, state=OrderState.CANCELED, updated_at=AT + datetime.timedelta(seconds=9))
    assert late.order is not None
    late = replace(late, order=replace(late.order, state=OrderState.PARTIALLY_FILLED, filled=D(7)))
    with paper() as rig:
        link = Link(rig.broker, since=AT, symbols=list, sweep_s=60)
        for event in (*events[:3], BrokerEvent("order", AT, ended), late):
            link._heard(event)
        told = link.take()
    assert told[-1].execution is late.execution
    assert told[-1].order is not None
    assert (told[-1].order.state, told[-1].order.filled) == (OrderState.CANCELED, 7)


@pytest.mark.fault(15)
def test_what_was_lost_while_rest_was_down_is_found_though_the_stream_went_on() -> None:
    """Half an hour later the stream tells of another fill: the question still goes back to before the lost one."""
    with paper() as rig:
        at = [AT]
        rig.exchange.now = lambda: at[0]
        lost, heard = rig.request("1"), rig.request("2")
        rig.broker.submit(lost)
        at[0] += datetime.timedelta(minutes=30)
        rig.broker.submit(heard)
        execution = rig.broker.executions(at[0], [rig.symbol])[0]
        link = Link(rig.broker, since=AT, symbols=list, sweep_s=0.2)
        link._heard(BrokerEvent("fill", at[0], rig.broker.find(heard.client_order_id, rig.symbol), execution))
        link.start()
        told: list[BrokerEvent] = []
        until(lambda: len(fills(link, told)) == 2, "the lost fill")
        link.stop()
    assert [fill.client_order_id for fill in fills(link, told)] == [heard.client_order_id, lost.client_order_id]
