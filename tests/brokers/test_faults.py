"""Requests whose answers are lost, late or wrong: what is raised says what is known, and nothing is sent twice.

On a broker without a network nothing of this can happen: there the case shows that the plain call has the same end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from bots.brokers.base import Banned, RateLimited, VenueDown
from bots.brokers.executor import Executor
from bots.orders import OrderState
from tests.brokers.rigs import READ_TIMEOUT_S, Rig

pytestmark = pytest.mark.row("I9", "I11", "P8")

# How an answer to an order can be lost: the fault, and how many orders there are afterwards.
LOST: dict[str, tuple[dict[str, Any], int]] = {
    "500 before": ({"kind": "status", "status": 500, "when": "before"}, 0),
    "500 after": ({"kind": "status", "status": 500, "when": "after"}, 1),
    "503 after": ({"kind": "status", "status": 503, "when": "after"}, 1),
    "504 before": ({"kind": "status", "status": 504, "when": "before"}, 0),
    "504 after": ({"kind": "status", "status": 504, "when": "after"}, 1),
    "html 502 after": ({"kind": "status", "status": 502, "when": "after", "body": "<html>Bad gateway</html>"}, 1),
    "gateway 404 after": ({"kind": "status", "status": 404, "when": "after", "body": "<html>no</html>"}, 1),
    "gateway 403 before": ({"kind": "status", "status": 403, "when": "before", "body": "<html>no</html>"}, 0),
    "nonsense 200 after": ({"kind": "status", "status": 200, "when": "after", "body": "<html>Welcome</html>"}, 1),
    "empty 200 after": ({"kind": "status", "status": 200, "when": "after", "body": "{}"}, 1),
    "drop before": ({"kind": "drop", "when": "before"}, 0),
    "drop after": ({"kind": "drop", "when": "after"}, 1),
    "truncated": ({"kind": "truncate"}, 1),
    "hang": ({"kind": "delay", "delay_s": READ_TIMEOUT_S + 0.7}, 1),
    "redirect": ({"kind": "status", "status": 302, "when": "before", "headers": {"location": "http://127.0.0.1:9"}}, 0),
}


@contextmanager
def executor(rig: Rig, **more: Any) -> Iterator[Executor]:
    made = Executor(rig.broker, **more)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.fault(5)
@pytest.mark.parametrize("how", list(LOST))
def test_a_lost_answer_is_told_as_unknown_and_sent_once(rig: Rig, how: str) -> None:
    script, orders = LOST[how]
    request = rig.request("1")
    fault = rig.fault("submit", times=3, **script)
    if fault is None:
        assert rig.broker.submit(request).state is OrderState.FILLED
        return
    with pytest.raises(VenueDown):
        rig.broker.submit(request)
    assert fault.times == 2, "one request has left, no more"
    assert rig.sent(request.client_order_id) == orders


@pytest.mark.fault(5, 7)
@pytest.mark.parametrize("how", list(LOST))
def test_an_order_whose_answer_was_lost_exists_once(rig: Rig, how: str) -> None:
    """The executor proves it: found by its id, or sent again under the same one; where an id does not stay used, it is
    proven absent instead, and nothing is sent a second time."""
    script, orders = LOST[how]
    request = rig.request("1")
    fault = rig.fault("submit", **script)
    with executor(rig) as sending:
        outcome = sending.submit(request).result(60)
    if fault is not None and not orders and not rig.broker.capabilities.ids_stay_used:
        assert (outcome.kind, outcome.code) == ("refused", "not_placed")
        assert rig.sent(request.client_order_id) == 0
        return
    assert outcome.kind == "placed"
    assert outcome.order is not None
    assert outcome.order.client_order_id == request.client_order_id
    assert rig.sent(request.client_order_id) == 1
    assert rig.executed() == 1


@pytest.mark.fault(5)
def test_the_proof_goes_on_while_the_venue_fails(rig: Rig) -> None:
    request = rig.request("1")
    rig.fault("submit", "status", status=504, when="after")
    rig.fault("find", "status", status=500, times=2)
    with executor(rig) as sending:
        outcome = sending.submit(request, is_exit=True).result(30)
    assert (outcome.kind, rig.sent(request.client_order_id)) == ("placed", 1)


@pytest.mark.fault(7)
def test_an_order_that_was_sent_before_is_found_not_doubled(rig: Rig) -> None:
    request = rig.limit("1", "90")
    rig.broker.submit(request)
    with executor(rig) as sending:
        outcome = sending.submit(request).result(30)
        settled = sending.settle(request, rig.now).result(30)
    assert (outcome.kind, settled.kind) == ("placed", "placed")
    assert rig.sent(request.client_order_id) == 1


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [({"retry-after": "7"}, 6.9, 7.0), ({}, 0.5, 60.0), ({"x-ratelimit-reset": "{soon}"}, 1.0, 5.5)],
    ids=["retry-after", "nothing", "reset"],
)
def test_too_many_requests_say_how_long_to_wait(rig: Rig, headers: dict[str, str], least: float, most: float) -> None:
    if "x-ratelimit-reset" in headers and rig.house == "binance":
        return  # Alpaca's alone
    told = {name: value.replace("{soon}", str(int(time.time()) + 4)) for name, value in headers.items()}
    request = rig.request("1")
    fault = rig.fault("submit", "status", status=429, headers=told, times=3)
    if fault is None:
        assert rig.broker.submit(request).state is OrderState.FILLED
        return
    with pytest.raises(RateLimited) as error:
        rig.broker.submit(request)
    assert least <= error.value.retry_after_s <= most
    assert not isinstance(error.value, Banned)
    assert fault.times == 2
    with pytest.raises(RateLimited):
        rig.broker.money()
    assert rig.sent(request.client_order_id) == 0


@pytest.mark.fault(8)
@pytest.mark.parametrize("what", ["submit", "cancel"])
def test_the_executor_waits_as_long_as_it_is_told_and_loses_nothing(rig: Rig, what: str) -> None:
    rests = rig.broker.submit(rig.limit("1", "90"))
    request = rig.request("1")
    fault = rig.fault(what, "status", status=429, headers={"retry-after": "1"})
    with executor(rig) as sending:
        began = time.monotonic()
        sent = sending.submit(request) if what == "submit" else sending.cancel(rests)
        assert sent.result(30).kind == "placed"
        took = time.monotonic() - began
    assert fault is None or took >= 0.9
    if what == "submit":
        assert rig.sent(request.client_order_id) == 1
    else:
        assert rig.broker.open_orders() == []


@pytest.mark.fault(9)
def test_a_ban_lets_nothing_through_until_it_is_over(rig: Rig) -> None:
    fault = rig.fault("any", "status", status=418, headers={"retry-after": "2"}, times=100)
    if fault is None:
        assert rig.broker.money().cash
        return
    with pytest.raises(Banned):
        rig.broker.money()
    for _ in range(5):
        with pytest.raises(Banned):
            rig.broker.positions()
        with pytest.raises(Banned):
            rig.broker.submit(rig.request("1"))
    assert fault.times == 99, "one request has left in all that time"
    assert rig.venue is not None
    rig.venue.faults.clear()
    time.sleep(2.1)
    assert rig.broker.money().cash


@pytest.mark.parametrize("how", ["500 before", "html 502 after", "drop after", "truncated", "nonsense 200 after"])
@pytest.mark.parametrize("what", ["money", "open", "find"])
def test_a_question_that_is_not_answered_proves_nothing(rig: Rig, what: str, how: str) -> None:
    """Above all, an id is never called absent by an answer that is none."""
    request = rig.limit("1", "90")
    rig.broker.submit(request)
    ask: dict[str, Any] = {
        "money": rig.broker.money,
        "open": rig.broker.open_orders,
        "find": lambda: rig.broker.find(request.client_order_id, rig.symbol),
    }
    fault = rig.fault(what, **LOST[how][0])
    if fault is not None:
        with pytest.raises(VenueDown):
            ask[what]()
    assert ask[what]()


def test_a_cancel_without_an_answer_is_sent_again_until_it_is_heard(rig: Rig) -> None:
    order = rig.broker.submit(rig.limit("1", "90"))
    rig.fault("cancel", "drop", when="before")
    rig.fault("cancel", "status", status=500, when="after")
    with executor(rig) as sending:
        outcome = sending.cancel(order).result(30)
    assert outcome.kind == "placed" or outcome.code in ("is_over", "no_order")
    assert rig.broker.open_orders() == []


def test_a_replacement_without_an_answer_is_made_once(rig: Rig) -> None:
    old = rig.broker.submit(rig.limit("10", "90"))
    new_id = rig.limit("1", "1").client_order_id
    if not rig.broker.capabilities.can_replace:
        with executor(rig) as sending:
            assert sending.replace(old, new_id, limit_px=old.limit_px).result(30).kind == "refused"
        return
    if rig.paths:
        rig.fault("replace", "status", status=504, when="after")
    with executor(rig) as sending:
        outcome = sending.replace(old, new_id, limit_px=old.limit_px).result(30)
    assert (outcome.kind, rig.sent(new_id)) == ("placed", 1)
    assert [order.client_order_id for order in rig.broker.open_orders()] == [new_id]


def test_one_order_sent_twenty_times_at_once_exists_once(rig: Rig) -> None:
    """The rule on which the proof rests where ids stay used: the venue takes an id once, whoever comes first."""
    if not rig.broker.capabilities.ids_stay_used:
        request = rig.limit("1", "90")
    else:
        request = rig.request("1")
    with executor(rig) as sending:
        outcomes = [future.result(30) for future in [sending.submit(request) for _ in range(20)]]
    assert {outcome.kind for outcome in outcomes} == {"placed"}
    assert rig.sent(request.client_order_id) == 1


def test_a_broker_is_safe_in_many_threads(rig: Rig) -> None:
    requests = [rig.request("1") for _ in range(30)]
    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(rig.broker.submit, requests))
    assert [order.client_order_id for order in orders] == [request.client_order_id for request in requests]
    assert rig.executed() == 30
