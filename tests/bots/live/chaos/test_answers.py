"""F5 to F9: answers to orders that are lost, refusals that prove nothing, and venues that want no more requests."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from bots.models import TradingSession
from bots.services import sessions
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import make, quick
from tests.bots.host.processes import HostProcess
from tests.bots.live.audit import check
from tests.bots.live.chaos.conftest import READ_TIMEOUT_S
from tests.bots.live.chaos.scene import ORDERS, Scene, flatten, holds, state_of, until, used_up, within
from tests.bots.live.rig import KEY
from tests.bots.live.test_faults import host_is_lost

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.row("I8", "I9", "W2")]

Start = Callable[..., HostProcess]
FIND = r"/v2/orders:by_client_order_id"
NOT_FOUND = json.dumps({"code": 40410000, "message": "order not found"})
LOST: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "504": {"kind": "status", "status": 504},
    "silence": {"kind": "delay", "delay_s": READ_TIMEOUT_S + 1.0},
    "reset": {"kind": "drop"},
    "half": {"kind": "truncate"},
}
BINANCE_FIND = "/api/v3/order"
BINANCE_UNKNOWN = json.dumps({"code": -2013, "msg": "Order does not exist."})
WINDOW_S = 20.0  # until an order can no longer arrive at Binance: recvWindow, its engine, a margin


@pytest.fixture
def coins(scene: Scene) -> Scene:
    """The same venue through Binance's door."""
    scene.rig.account.kind, scene.rig.account.currency = "binance", "USD"
    scene.rig.account.save()
    return scene


def trades_on(session: TradingSession, more: int = 1) -> None:
    """It trades so many times more."""
    trades = session.trades.count()
    until(session, lambda: session.trades.count() >= trades + more, 60)


def running(session: TradingSession) -> None:
    until(session, lambda: state_of(session) == "RUNNING", 60)


@pytest.mark.fault(5)
def test_an_order_that_was_taken_before_the_venue_failed(
    alice: User, moment: random.Random, scene: Scene, start_host: Start
) -> None:
    """No send is repeated: there are as many as there are orders."""
    session = scene.rig.session()
    start_host()
    running(session)
    for how in moment.sample(list(LOST), len(LOST)):
        scene.rig.fault(method="POST", path=ORDERS, when="after", **LOST[how])
        until(session, lambda: used_up(scene.rig), 30)
        trades_on(session)
    flatten(alice, session)
    check(scene.rig, session)
    assert len(scene.calls.since(0, "POST", ORDERS)) == len(scene.rig.ledger()["orders"])


@pytest.mark.fault(5)
@pytest.mark.row("I12")
def test_the_same_at_binance(alice: User, moment: random.Random, coins: Scene, start_host: Start) -> None:
    session = coins.rig.session()
    start_host()
    running(session)
    for how in moment.sample(list(LOST), len(LOST)):
        coins.rig.fault(method="POST", path="/api/v3/order", when="after", **LOST[how])
        until(session, lambda: used_up(coins.rig), 30)
        trades_on(session)
    flatten(alice, session)
    check(coins.rig, session)
    assert len(coins.calls.since(0, "POST", "/api/v3/order")) == len(coins.rig.ledger()["orders"])


@pytest.mark.fault(6)
def test_an_order_that_never_arrived_and_is_refused_when_sent_again(
    alice: User, moment: random.Random, scene: Scene, start_host: Start
) -> None:
    """It is called rejected only when the venue has been asked once more, after the first send had time to arrive."""
    session = scene.holder()
    scene.rig.fault(method="POST", path=ORDERS, when="before", **LOST[moment.choice(["500", "504", "reset"])])
    refusal = json.dumps({"code": 40310000, "message": "insufficient buying power"})
    scene.rig.fault(kind="status", method="POST", path=ORDERS, status=403, body=refusal)
    start_host()
    until(session, lambda: holds(session), 60)
    [rejected] = session.orders.filter(state="REJECTED")
    assert "buying power" in rejected.state_reason
    asked = [call.at for call in scene.calls.since(0, "GET", "/v2/orders:by_client_order_id")]
    sent = [call.at for call in scene.calls.since(0, "POST", ORDERS)]
    assert sent[0] < asked[0] < sent[1] < asked[1] < sent[2], "asked for before it was sent again, and after"
    assert asked[1] - sent[1] >= 0.9
    flatten(alice, session)
    check(scene.rig, session)


@pytest.mark.fault(6)
@pytest.mark.row("I12")
def test_at_binance_absence_takes_time_to_prove(
    alice: User, moment: random.Random, coins: Scene, start_host: Start
) -> None:
    """An order that was lost on its way is rejected when it can no longer arrive; what is still wanted has a new id."""
    session = coins.rig.session()
    start_host()
    running(session)
    trades_on(session, moment.randint(0, 2))
    until(session, lambda: not holds(session), 30)  # so that it is an entry
    coins.rig.fault(kind="drop", method="POST", path="/api/v3/order", when="before")
    until(session, lambda: used_up(coins.rig), 30)
    lost = session.orders.latest("pk")
    until(session, lambda: session.orders.filter(pk=lost.pk, state="REJECTED").exists(), WINDOW_S + 15)
    lost.refresh_from_db()
    assert lost.ended_at is not None
    assert lost.ended_at - lost.created_at >= timedelta(seconds=WINDOW_S)
    trades_on(session)
    flatten(alice, session)
    check(coins.rig, session)
    assert lost.client_order_id not in {order["client_order_id"] for order in coins.rig.ledger()["orders"]}


@pytest.mark.fault(7)
def test_our_own_second_try_is_a_find(alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    """The venue takes an order, its answer is lost, its list is behind: the second send is refused, the order found.

    Where the list was behind for somebody else who asked meanwhile, there is no second send: of four, two must be.
    """
    session = scene.rig.session()
    start_host()
    running(session)
    for _ in range(4):
        trades_on(session, moment.randint(0, 2))
        how = moment.choice(list(LOST))
        # Where the find is not denied yet, an order that leaves between the two is found at once.
        scene.rig.fault(kind="status", method="GET", path=FIND, status=404, body=NOT_FOUND)
        scene.rig.fault(method="POST", path=ORDERS, when="after", **LOST[how])
        until(session, lambda: used_up(scene.rig), 30)
        trades_on(session)
    flatten(alice, session)
    check(scene.rig, session)
    assert 2 <= len(scene.calls.since(0, "POST", ORDERS)) - len(scene.rig.ledger()["orders"]) <= 4
    assert not session.orders.filter(state="REJECTED").exists()


@pytest.mark.fault(7)
@pytest.mark.row("I12")
def test_at_binance_there_is_no_second_try(alice: User, moment: random.Random, coins: Scene, start_host: Start) -> None:
    """An id may be used again there once its order is over: however often it is denied, nothing is sent twice."""
    session = coins.rig.session()
    start_host()
    running(session)
    trades_on(session, moment.randint(0, 2))
    times = moment.randint(1, 3)
    coins.rig.fault(kind="status", method="GET", path=BINANCE_FIND, status=400, body=BINANCE_UNKNOWN, times=times)
    coins.rig.fault(kind="drop", method="POST", path="/api/v3/order", when="after")
    until(session, lambda: used_up(coins.rig), 30)
    trades_on(session)
    flatten(alice, session)
    check(coins.rig, session)
    sent = Counter(order["client_order_id"] for order in coins.rig.ledger()["orders"])
    assert set(sent.values()) == {1}
    assert len(coins.calls.since(0, "POST", "/api/v3/order")) == len(sent)


@pytest.mark.fault(8)
@pytest.mark.parametrize("what", ["submit", "cancel", "query"])
def test_too_many_requests(what: str, alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    """For as long as the venue asks, nothing is sent; then everything is, once."""
    session = scene.holder() if what == "cancel" else scene.rig.session()
    px = scene.px()
    if what == "cancel":
        scene.rig.price(px, bid_size="3", ask_size="3")
    start_host()
    running(session)
    wait_s = moment.randint(1, 3)
    method, path = {"submit": ("POST", ORDERS), "cancel": ("DELETE", ".*"), "query": ("GET", ".*")}[what]
    if what == "cancel":
        until(session, lambda: session.orders.filter(state="PARTIALLY_FILLED", is_entry=True).exists(), 60)
    else:
        trades_on(session, moment.randint(1, 3))
    scene.rig.fault(kind="status", method=method, path=path, status=429, headers={"Retry-After": str(wait_s)})
    if what == "cancel":
        sessions.pause(alice, session.pk)
    until(session, lambda: used_up(scene.rig), 30)
    met = [call for call in scene.calls.since(0, method) if method != "POST" or call.path == ORDERS][-1].at
    time.sleep(wait_s + 1.0)
    early = [call for call in scene.calls.since(met + 0.3) if call.at < met + wait_s - 0.1]
    assert not early, f"sent while the venue had asked to wait for {wait_s} s"
    scene.rig.price(px)
    if what != "cancel":
        trades_on(session)
    flatten(alice, session)
    check(scene.rig, session)


@pytest.mark.fault(8)
def test_exits_go_first_where_requests_are_few(
    alice: User, moment: random.Random, scene: Scene, start_host: Start
) -> None:
    """200 requests a minute, and somebody else has used up all but a few of them: what closes a position leaves at
    once with what is kept for it, and no entry takes it away."""
    leaving = scene.holder()
    entering = scene.rig.session(symbols=["SIM-BETA"])
    start_host()
    until(leaving, lambda: holds(leaving), 60)
    running(entering)
    time.sleep(moment.uniform(0.0, 1.0))
    scene.calls.limit(200, left=8)
    limited = time.monotonic()
    until(entering, lambda: scene.calls.since(limited), 30)  # its answer says how few there are
    sessions.stop(alice, leaving.pk, "flatten")
    within(5, lambda: not scene.held(), leaving)
    assert len(scene.calls.refused) <= 2, "what is left is known, and asked for by nobody but exits"
    sessions.stop(alice, entering.pk, "flatten")
    for session in (leaving, entering):
        until(session, lambda session=session: state_of(session) == "STOPPED", 60)
    check(scene.rig, leaving, entering)


@pytest.mark.fault(9)
@pytest.mark.row("I12")
@pytest.mark.parametrize("restarts", [False, True])
def test_a_ban_is_waited_out_in_silence(
    restarts: bool, alice: User, bob: User, moment: random.Random, coins: Scene, start_host: Start
) -> None:
    """Not one request and no new socket until it is over, by no host that begins meanwhile either; the session says so,
    and another account trades on."""
    coins.rig.venue.open_account("BOBSKEY", "bobs-secret")
    theirs = BrokerAccountFactory(owner=bob, api_key="BOBSKEY", api_secret="bobs-secret")
    session = coins.rig.session()
    other = make(bob, mode="LIVE", broker_account=theirs, symbols=["SIM-BETA"], feed_options=quick(seed=7))
    host = start_host()
    running(session)
    running(other)
    trades_on(session, moment.randint(1, 3))
    wait_s = moment.randint(8, 12) + 4 * restarts
    coins.rig.fault(kind="status", path="/api/.*", status=418, headers={"Retry-After": str(wait_s)}, times=10_000)
    fault = coins.rig.venue.faults.requests[0]
    until(session, lambda: fault.times < 10_000, 30)
    banned = time.monotonic()
    within(5, lambda: state_of(session) == "DEGRADED", session)
    until(session, lambda: "banned" in TradingSession.objects.get(pk=session.pk).state_reason)
    trades = other.trades.count()
    if restarts:
        host.kill()
        host_is_lost(session)
        host_is_lost(other)
        start_host()
    until(other, lambda: other.trades.count() > trades, wait_s)
    time.sleep(max(banned + wait_s - 0.5 - time.monotonic(), 0.0))
    coins.rig.venue.faults.clear()
    asked = [c for c in coins.calls.since(banned + 0.3) if c.key == KEY or c.path in ("/ws-api/v3", "/api/v3/time")]
    assert not asked, "each request makes a ban longer"
    assert state_of(other) == "RUNNING"
    until(session, lambda: state_of(session) == "RUNNING", 30)
    trades_on(session)
    flatten(alice, session)
    flatten(bob, other)
    check(coins.rig, session)
