"""What Binance's stream tells, and what it does not."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest

from bots.brokers.base import BrokerEvent
from bots.brokers.registry import open_adapter
from bots.orders import OrderState
from tests.brokers.binance.rig import KEY, Heard, Rig


@pytest.fixture
def heard(rig: Rig) -> Iterator[Heard]:
    made = Heard()
    stream = rig.broker.stream(made.on_event, made.on_up, made.on_down)
    stream.start()
    made.wait(lambda each: each.ups == 1)
    assert stream.is_up
    yield made
    began = time.monotonic()
    stream.stop()
    assert time.monotonic() - began < 3
    assert not stream.is_up


@pytest.mark.row("G6", "I12")
def test_the_stream_tells_fills_under_the_ids_that_the_list_has(rig: Rig, heard: Heard) -> None:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    request = rig.request("BUY", "limit", "0.5", limit_px="50010")
    rig.price("50000", "50010", ask_size="0.2")
    rig.broker.submit(request)
    rig.price("50000", "50010")
    heard.wait(lambda each: len([e for e in each.events if e.kind == "fill"]) == 2)
    fills = [event.execution for event in heard.events if event.execution]
    listed = rig.broker.executions(start, ["BTC/USDT"])
    assert [(e.execution_id, e.qty, e.px, e.fee, e.fee_asset, e.at) for e in fills] == [
        (e.execution_id, e.qty, e.px, e.fee, e.fee_asset, e.at) for e in listed
    ]
    last = heard.events[-1].order
    assert last is not None
    assert (last.client_order_id, last.symbol, last.state) == (request.client_order_id, "BTC/USDT", OrderState.FILLED)
    assert fills[0] is not None
    assert fills[0].client_order_id == request.client_order_id


def test_a_cancelled_order_keeps_its_own_name_on_the_stream(rig: Rig, heard: Heard) -> None:
    order = rig.broker.submit(rig.request("BUY", "limit", limit_px="49000"))
    rig.broker.cancel(order)
    heard.wait(lambda each: len(each.events) == 2)
    assert [(e.order.client_order_id, e.order.state) for e in heard.events if e.order] == [
        (order.client_order_id, OrderState.ACCEPTED),
        (order.client_order_id, OrderState.CANCELED),
    ]


def test_a_cut_stream_comes_back_and_says_that_there_was_a_gap(rig: Rig, heard: Heard) -> None:
    rig.fault(stream="user_data", kind="drop")
    rig.bought("0.1")
    heard.wait(lambda each: each.ups == 2)
    assert len(heard.downs) == 1
    rig.bought("0.1")
    heard.wait(lambda each: any(event.kind == "fill" for event in each.events))


def test_a_listener_that_fails_ends_nothing(rig: Rig) -> None:
    heard = Heard()

    def fails_once(event: BrokerEvent) -> None:
        heard.on_event(event)
        if len(heard.events) == 1:
            raise RuntimeError("the first event is one too many")

    stream = rig.broker.stream(fails_once, heard.on_up, heard.on_down)
    stream.start()
    heard.wait(lambda each: each.ups == 1)
    rig.bought("0.1")
    heard.wait(lambda each: any(event.kind == "fill" for event in each.events))
    stream.stop()
    assert heard.downs == []


def test_a_stream_is_renewed_before_the_venue_ends_it(rig: Rig) -> None:
    from bots.brokers.binance.stream import UserStream

    heard = Heard()
    broker = rig.broker
    stream = UserStream(
        broker._client, broker._stream_address, broker._ours, heard.on_event, heard.on_up, heard.on_down,
        connect_s=5, life_s=0.3,
    )  # fmt: skip
    stream.start()
    heard.wait(lambda each: each.ups >= 2)
    stream.stop()
    assert heard.downs[0] == "Binance's stream is renewed."


def test_a_stream_with_wrong_keys_says_so(rig: Rig) -> None:
    heard = Heard()
    broker = open_adapter("binance", "PRACTICE", KEY, "wrong")
    stream = broker.stream(heard.on_event, heard.on_up, heard.on_down)
    stream.start()
    heard.wait(lambda each: each.downs)
    stream.stop()
    assert "does not accept these keys" in heard.downs[0]
    assert heard.ups == 0
