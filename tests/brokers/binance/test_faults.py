"""Binance when it is slow, wrong, cross or silent."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Any

import pytest

from bots.brokers.base import Banned, BrokerOrder, OrderRequest, RateLimited, VenueDown
from bots.brokers.registry import open_adapter
from bots.orders import OrderState
from tests.brokers.binance.rig import KEY, SECRET, Rig


@pytest.mark.row("I12")
@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 504, "when": "after"},
        {
            "kind": "status",
            "status": 503,
            "when": "after",
            "body": '{"code":-1007,"msg":"Timeout waiting for response"}',
        },
        {"kind": "drop", "when": "after"},
        {"kind": "truncate", "when": "after"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
def test_a_lost_answer_says_nothing_and_the_order_is_found_by_its_id(rig: Rig, fault: dict[str, Any]) -> None:
    """F5: exactly one order, sent once."""
    request = rig.request(qty="0.1")
    rig.fault(method="POST", path="/api/v3/order", **fault)
    with pytest.raises(VenueDown):
        rig.broker.submit(request)
    found = rig.broker.find(request.client_order_id, "BTC/USDT")
    assert found is not None
    assert found.state is OrderState.FILLED
    assert len(rig.ledger()["orders"]) == 1


@pytest.mark.fault(6)
def test_an_order_that_never_arrived_is_not_found(rig: Rig) -> None:
    """F6: absence is told as such; that it is proven only after a while is said by `proof_window_s`."""
    request = rig.request()
    rig.fault(method="POST", path="/api/v3/order", kind="drop", when="before")
    with pytest.raises(VenueDown):
        rig.broker.submit(request)
    assert rig.broker.find(request.client_order_id, "BTC/USDT") is None
    assert rig.broker.executions(datetime.datetime.now(datetime.UTC), ["BTC/USDT"]) == []


def test_a_silent_venue_is_left_after_the_timeout(rig: Rig, settings: Any) -> None:
    settings.BROKER_READ_TIMEOUT = 0.5
    broker = open_adapter("binance", "PRACTICE", KEY, SECRET)
    broker.money()
    rig.fault(method="POST", path="/api/v3/order", kind="delay", delay_s=3)
    began = time.monotonic()
    with pytest.raises(VenueDown):
        broker.submit(rig.request())
    assert time.monotonic() - began < 2


@pytest.mark.fault(8)
def test_a_429_is_obeyed_by_everything_that_uses_the_keys(rig: Rig) -> None:
    rig.broker.money()
    body = '{"code":-1003,"msg":"Too many requests."}'
    rig.fault(kind="status", status=429, body=body, headers={"Retry-After": "1"})
    with pytest.raises(RateLimited) as caught:
        rig.bought()
    assert caught.value.retry_after_s == 1
    with pytest.raises(RateLimited):
        rig.broker.open_orders()
    time.sleep(1.1)
    assert rig.bought().state is OrderState.FILLED


@pytest.mark.fault(9)
def test_a_ban_is_met_by_silence(rig: Rig) -> None:
    """F9: nothing is sent until it is over, though the venue would answer again."""
    rig.broker.money()
    rig.venue.binance.gate.most = 0
    for _ in range(3):
        with pytest.raises(RateLimited):
            rig.broker.money()
    rig.venue.binance.gate.most = 6_000
    rig.fault(kind="status", status=418, body='{"code":-1003,"msg":"banned"}', headers={"Retry-After": "90"})
    fresh = open_adapter("binance", "PRACTICE", KEY, SECRET)
    with pytest.raises(Banned) as caught:
        fresh.last_prices(["BTC/USDT"])
    assert caught.value.retry_after_s == 90
    for call in (fresh.money, fresh.open_orders, fresh.positions):
        with pytest.raises(Banned):
            call()
    assert rig.venue.faults.requests == []


@pytest.mark.fault(27)
def test_a_clock_that_is_wrong_is_set_by_the_venues_and_the_order_is_sent_once(rig: Rig) -> None:
    """F27: five minutes ahead; what was refused for its time has not happened."""
    rig.broker.money()
    rig.venue.clock.go_to(rig.venue.clock.now() + datetime.timedelta(minutes=5))
    assert rig.bought().state is OrderState.FILLED
    assert len(rig.ledger()["orders"]) == 1
    rig.venue.clock.go_to(rig.venue.clock.now() + datetime.timedelta(minutes=5))
    assert rig.broker.money().cash < 100_000


def test_several_threads_get_their_own_answers(rig: Rig) -> None:
    orders = [rig.request(qty="0.001", client_order_id=f"t00000001-{n:012d}") for n in range(2_000, 2_020)]
    told: dict[str, BrokerOrder] = {}

    def send(request: OrderRequest) -> None:
        told[request.client_order_id] = rig.broker.submit(request)

    threads = [threading.Thread(target=send, args=(request,)) for request in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {name: order.client_order_id for name, order in told.items()} == {
        each.client_order_id: each.client_order_id for each in orders
    }
