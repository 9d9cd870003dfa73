"""The account's stream, and everything that can happen to it on its way."""

from __future__ import annotations

import time

import pytest

from bots.brokers.base import BrokerEvent
from bots.orders import OrderState
from tests.brokers.proxy import proxy
from tests.brokers.rigs import D, Heard, Rig, until

pytestmark = pytest.mark.row("I11", "P8")


def states(heard: Heard, client_order_id: str) -> list[OrderState]:
    mine = [e.order for e in heard.events if e.order is not None and e.order.client_order_id == client_order_id]
    return [order.state for order in mine]


def test_a_fill_is_the_same_on_the_stream_and_by_rest(rig: Rig) -> None:
    since = rig.now
    with rig.listening() as heard:
        whole, parts = rig.request("10"), rig.limit("10", "99.50")
        rig.broker.submit(whole)
        rig.broker.submit(parts)
        rig.price("99.40", "99.45", "99.42", ask_size="4")
        rig.price("99.40", "99.45", "99.42")
        until(lambda: len(heard.fills()) == 3, "three fills")
    listed = rig.broker.executions(since, [rig.symbol])
    told = heard.fills()
    for stream, rest in zip(told, listed, strict=True):
        assert (stream.execution_id, stream.broker_order_id, stream.symbol, stream.side, stream.qty, stream.px,
                stream.fee, stream.fee_asset, stream.at) == (
            rest.execution_id, rest.broker_order_id, rest.symbol, rest.side, rest.qty, rest.px,
            rest.fee, rest.fee_asset, rest.at)  # fmt: skip
    assert [fill.client_order_id for fill in told] == [whole.client_order_id, *[parts.client_order_id] * 2]
    assert len({fill.execution_id for fill in told}) == 3


def test_each_state_of_an_order_is_told(rig: Rig) -> None:
    with rig.listening() as heard:
        request = rig.limit("10", "99.50")
        order = rig.broker.submit(request)
        rig.price("99.40", "99.45", "99.42", ask_size="4")
        rig.broker.cancel(order)
        until(lambda: states(heard, request.client_order_id)[-1:] == [OrderState.CANCELED], "the end")
    if rig.stream_name:  # who asks now and then sees what there is by then
        assert states(heard, request.client_order_id) == [
            OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.CANCELED,
        ]  # fmt: skip
    last = heard.events[-1].order
    assert last is not None
    assert (last.filled, last.qty) == (4, 10)


def test_a_rejection_that_comes_later_is_told(rig: Rig) -> None:
    request = rig.limit("10", "90")
    rig.exchange.refuses_later[request.client_order_id] = "the exchange said no"
    with rig.listening() as heard:
        rig.broker.submit(request)
        until(lambda: states(heard, request.client_order_id)[-1:] == [OrderState.REJECTED], "the rejection")


def test_orders_that_somebody_else_sends_are_told(rig: Rig) -> None:
    """A person at the venue's own page, another program with the same keys."""
    with rig.listening() as heard:
        request = rig.another(key=rig.account.key).submit(rig.request("2"))
        until(lambda: heard.fills(), "their fill")
    assert heard.fills()[0].client_order_id == request.client_order_id


def test_another_accounts_orders_are_not_told(rig: Rig) -> None:
    with rig.listening() as heard:
        rig.another().submit(rig.request("2"))
        mine = rig.broker.submit(rig.request("1"))
        until(lambda: heard.fills(), "our fill")
    assert {fill.client_order_id for fill in heard.fills()} == {mine.client_order_id}


def test_a_stream_says_that_it_is_up_and_ends_when_it_is_told_to(rig: Rig) -> None:
    heard = Heard()
    stream = rig.broker.stream(heard.events.append, heard.up, heard.downs.append)
    assert not stream.is_up
    stream.start()
    until(lambda: stream.is_up, "the stream")
    began = time.monotonic()
    stream.stop()
    assert time.monotonic() - began < 3
    assert not stream.is_up
    rig.broker.submit(rig.request("1"))
    time.sleep(0.1)
    assert heard.fills() == []


@pytest.mark.fault(18)
def test_a_listener_that_fails_loses_no_later_message(rig: Rig) -> None:
    heard: list[BrokerEvent] = []

    def fail_once(event: BrokerEvent) -> None:
        heard.append(event)
        if len(heard) == 2:
            raise ValueError("the second one")

    stream = rig.broker.stream(fail_once, lambda: None, lambda why: None)
    stream.start()
    until(lambda: stream.is_up, "the stream")
    for _ in range(3):
        rig.broker.submit(rig.request("1"))
    until(lambda: sum(event.execution is not None for event in heard) == 3, "all three fills")
    assert stream.is_up
    stream.stop()


@pytest.mark.fault(10)
def test_a_cut_stream_comes_back_by_itself(rig: Rig) -> None:
    with rig.listening() as heard:
        if not rig.stream_fault("drop"):
            assert heard.ups == 1
            return
        rig.broker.submit(rig.request("1"))
        until(lambda: heard.downs, "it to say that it is down")
        until(lambda: heard.ups == 2, "it to come back")
        after = rig.broker.submit(rig.request("2"))
        until(lambda: heard.fills(), "what comes then")
    assert {fill.client_order_id for fill in heard.fills()} == {after.client_order_id}
    assert rig.executed() == 3


@pytest.mark.fault(12, 13)
@pytest.mark.parametrize("kind", ["duplicate", "swap", "lose"])
def test_what_the_wire_does_to_messages_passes_through(rig: Rig, kind: str) -> None:
    """A stream repairs nothing: `Link` does. It only must not stumble over it."""
    with rig.listening() as heard:
        rig.stream_fault(kind)
        rig.broker.submit(rig.request("1"))
        last = rig.broker.submit(rig.request("2"))
        until(lambda: any(f.client_order_id == last.client_order_id for f in heard.fills()), "the last fill")
        assert heard.ups == 1
        assert not heard.downs


@pytest.mark.fault(17)
def test_a_refused_connection_is_tried_again_without_haste(rig: Rig) -> None:
    heard = Heard()
    refused = rig.stream_fault("refuse", times=2)
    began = time.monotonic()
    stream = rig.broker.stream(heard.events.append, heard.up, heard.downs.append)
    stream.start()
    until(lambda: heard.ups, "it to be let in")
    stream.stop()
    if refused:
        assert len(heard.downs) == 2
        assert time.monotonic() - began > 2, "it waited between its tries"


@pytest.mark.slow
@pytest.mark.fault(17)
def test_a_stream_that_is_cut_again_and_again_makes_no_storm(rig: Rig) -> None:
    with rig.listening() as heard:
        if not rig.stream_fault("drop", times=1_000):
            assert heard.ups == 1
            return
        ends = time.monotonic() + 8
        while time.monotonic() < ends:
            rig.broker.submit(rig.limit("1", "20"))
            time.sleep(0.1)
        assert 2 <= heard.ups <= 5


@pytest.mark.fault(42)
def test_a_stream_whose_keys_are_refused_says_so_and_does_not_hammer(rig: Rig) -> None:
    heard = Heard()
    stream = rig.another(secret="wrong").stream(heard.events.append, heard.up, heard.downs.append)
    stream.start()
    until(lambda: heard.downs, "its refusal")
    time.sleep(1.0)
    stream.stop()
    assert not heard.ups
    assert "keys" in heard.downs[0]
    assert len(heard.downs) <= 2


@pytest.mark.slow
def test_a_peer_that_is_gone_without_a_word_is_noticed(rig: Rig) -> None:
    """The socket stays open and nothing passes any more: pings are not answered."""
    if rig.venue is None:
        with rig.listening() as heard:
            assert heard.ups == 1
        return
    with proxy(rig.address) as between:
        broker = rig.through(between.address)
        heard = Heard()
        stream = broker.stream(heard.events.append, heard.up, heard.downs.append)
        stream.start()
        until(lambda: heard.ups, "the stream to sign in")
        between.is_silent = True
        began = time.monotonic()
        until(lambda: heard.downs, "it to notice", 25)
        assert time.monotonic() - began < 15
        between.is_silent = False
        until(lambda: heard.ups == 2, "it to come back", 30)
        stream.stop()
        broker.close()


def test_many_fills_in_a_row_arrive_in_their_order(rig: Rig) -> None:
    with rig.listening() as heard:
        with rig.lock:
            for i in range(1, 101):
                rig.place(rig.request(str(D(i) / 10)))
        until(lambda: len(heard.fills()) == 100, "a hundred fills")
    assert [fill.qty for fill in heard.fills()] == [D(i) / 10 for i in range(1, 101)]
