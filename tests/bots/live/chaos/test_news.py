"""F10 to F15: what a venue tells of fills comes in parts, late, twice, in another order, or never."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from accounts.models import Notification, User
from bots.models import Order, OrderRole
from bots.orders import WORKING
from bots.services import sessions
from tests.bots.host.processes import KILLED_BY_FAILPOINT, HostProcess
from tests.bots.live.audit import check
from tests.bots.live.chaos.scene import Scene, agree, flatten, holds, state_of, until, within
from tests.bots.live.rig import KEY
from tests.bots.live.test_faults import host_is_lost
from tests.conftest import CHAOS_ROUNDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.row("I8", "W2", "I15")]

Start = Callable[..., HostProcess]
FOUND_S = 15.0  # from the moment at which the venue can be asked until our books are the venue's


def sold(session: object) -> Decimal:
    return sum((trade.qty for trade in session.trades.filter(side="SELL")), Decimal(0))  # type: ignore[attr-defined]


def part_of_an_entry(scene: Scene, start: Start, session: object, units: int) -> Order:
    """Its entry, of which so many units have been filled, and the rest waits."""
    scene.rig.price(scene.px(), bid_size=str(units), ask_size=str(units))
    start()
    state = "PARTIALLY_FILLED" if units else "ACCEPTED"
    until(session, lambda: session.orders.filter(is_entry=True, state=state).exists(), 60)  # type: ignore
    return session.orders.filter(is_entry=True).latest("pk")  # type: ignore[attr-defined,no-any-return]


@pytest.mark.fault(10)
@pytest.mark.parametrize("how", ["cut", "silent"])
def test_an_order_fills_while_nobody_can_hear_it(
    how: str, alice: User, moment: random.Random, scene: Scene, start_host: Start
) -> None:
    """A part of the entry is booked, the line goes, the rest fills. Nothing is entered meanwhile; when the venue can be
    reached again its fills are in the books within fifteen seconds."""
    session, px = scene.holder(), scene.px()
    entry = part_of_an_entry(scene, start_host, session, moment.randint(1, 9))
    if how == "cut":
        scene.line.is_cut = True
    else:
        scene.line.is_silent = True
    scene.rig.price(px)
    wanted = scene.held()
    assert wanted == entry.qty
    until(session, lambda: state_of(session) == "DEGRADED", 15)
    time.sleep(moment.uniform(0, 20 if CHAOS_ROUNDS else 1))
    assert not agree(scene.rig)
    scene.line.is_cut = scene.line.is_silent = False
    took = within(FOUND_S, lambda: agree(scene.rig), session)
    sys.stdout.write(f"booked {took:.1f} s after the line was back\n")
    until(session, lambda: state_of(session) == "RUNNING", 60)
    flatten(alice, session)
    check(scene.rig, session)
    assert sold(session) == wanted


@pytest.mark.fault(11)
def test_an_entry_fills_in_part_and_ends(alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    session, px, units = scene.holder(stop_pct=5.0), scene.px(), moment.randint(1, 9)
    entry = part_of_an_entry(scene, start_host, session, units)
    sessions.pause(alice, session.pk)
    until(session, lambda: Order.objects.get(pk=entry.pk).state == "CANCELED", 30)
    scene.rig.price(px)
    stops = session.orders.filter(role=OrderRole.STOP, state="ACCEPTED", qty=units)
    until(session, stops.exists, 30)
    flatten(alice, session)
    check(scene.rig, session)
    assert sold(session) == units
    scene.never_short()


@pytest.mark.fault(11)
def test_an_exit_fills_in_part_and_ends(alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    """Somebody ends it at the venue; the next one is of the remainder."""
    session, px, units = scene.holder(), scene.px(), moment.randint(1, 9)
    host = start_host()
    until(session, lambda: holds(session), 60)
    bought = scene.held()
    scene.rig.price(px, bid_size=str(units), ask_size=str(units))
    sessions.stop(alice, session.pk, "flatten")
    leaving = session.orders.filter(is_entry=False)
    until(session, leaving.filter(state="PARTIALLY_FILLED").exists, 30)
    if moment.random() < 0.5:
        host.kill()
        host_is_lost(session)
        start_host()
    scene.rig.cancel(leaving.latest("pk").broker_order_id)
    until(session, leaving.filter(state="CANCELED").exists, 30)
    scene.rig.price(px)
    until(session, lambda: state_of(session) == "STOPPED", 60)
    check(scene.rig, session)
    assert sold(session) == bought
    scene.never_short()


@pytest.mark.fault(11)
def test_a_stop_fills_in_part_and_ends(alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    """The owner closes the position while its stop has sold a part of it: the rest is sold, and no unit more."""
    session, px, units = scene.holder(stop_pct=5.0), scene.px(), moment.randint(1, 9)
    start_host()
    until(session, session.orders.filter(role=OrderRole.STOP, state="ACCEPTED").exists, 60)
    bought, low = scene.held(), round(px * Decimal("0.9"), 2)
    scene.rig.price(low, bid_size=str(units), ask_size=str(units))
    until(session, session.orders.filter(role=OrderRole.STOP, state="PARTIALLY_FILLED").exists, 30)
    sessions.stop(alice, session.pk, "flatten")
    until(session, lambda: not session.orders.filter(role=OrderRole.STOP, state__in=WORKING).exists(), 30)
    scene.rig.price(low)
    until(session, lambda: state_of(session) == "STOPPED", 60)
    check(scene.rig, session)
    assert sold(session) == bought
    scene.never_short()


@pytest.mark.fault(12)
def test_everything_is_told_twice_and_again_after_restarts(
    alice: User, moment: random.Random, scene: Scene, start_host: Start
) -> None:
    session = scene.rig.session()
    scene.rig.fault(stream="trade_updates", kind="duplicate", times=10_000)
    for _ in range(2):
        host = start_host(failpoints={"after_fill_recv": moment.randint(1, 4)})
        assert host.wait() == KILLED_BY_FAILPOINT
        host_is_lost(session)
    host = start_host()
    trades = session.trades.count()
    until(session, lambda: session.trades.count() >= trades + 2, 60)
    host.kill()
    host_is_lost(session)
    start_host()
    flatten(alice, session)
    check(scene.rig, session)


@pytest.mark.fault(13)
def test_news_change_places_on_the_wire(alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    """Fills come before the orders that they are of were accepted, and ends before fills."""
    session = scene.rig.session()
    for kind in moment.choices(["swap", "duplicate"], weights=[3, 1], k=6):
        scene.rig.fault(stream="trade_updates", kind=kind)
    start_host()
    until(session, lambda: session.trades.count() >= 4, 60)
    flatten(alice, session)
    check(scene.rig, session)


@pytest.mark.fault(14)
@pytest.mark.parametrize("end", ["CANCELED", "EXPIRED"])
def test_a_fill_comes_after_the_end(
    end: str, alice: User, moment: random.Random, scene: Scene, start_host: Start
) -> None:
    """It is booked, its owner is told at once, and the stop covers what came."""
    session, px, units, late = scene.holder(stop_pct=5.0), scene.px(), moment.randint(0, 5), moment.randint(1, 5)
    entry = part_of_an_entry(scene, start_host, session, units)
    if end == "EXPIRED":
        scene.rig.venue.here(lambda: scene.rig.venue.exchange.session_ends("SIM-ALPHA"))
        until(session, lambda: Order.objects.get(pk=entry.pk).state == end, 30)
    sessions.pause(alice, session.pk)
    until(session, lambda: state_of(session) == "PAUSED", 30)
    until(session, lambda: not session.orders.filter(is_entry=True, state__in=WORKING).exists(), 30)
    assert Order.objects.get(pk=entry.pk).state == end
    scene.rig.price(px)
    scene.rig.control("executions", key=KEY, client_order_id=entry.client_order_id, qty=str(late), px=str(px))
    within(FOUND_S, lambda: agree(scene.rig), session)
    entry.refresh_from_db()
    assert (entry.state, entry.late_fill, entry.filled_qty) == (end, True, units + late)
    covers = session.orders.filter(role=OrderRole.STOP, state="ACCEPTED", qty=units + late)
    until(session, covers.exists)
    assert Notification.objects.filter(owner=alice, event="late_fill", level="critical").exists()
    flatten(alice, session)
    check(scene.rig, session)
    assert sold(session) == units + late


@pytest.mark.fault(15)
def test_a_fill_is_never_told(alice: User, moment: random.Random, scene: Scene, start_host: Start) -> None:
    """The socket lives, other news come; of what a resting stop sold, only REST knows. A look at the account that sees
    it before it is booked halts nobody."""
    session, px = scene.holder(stop_pct=5.0), scene.px()
    start_host()
    until(session, session.orders.filter(role=OrderRole.STOP, state="ACCEPTED").exists, 60)
    time.sleep(moment.uniform(0, 10 if CHAOS_ROUNDS else 1))
    sessions.pause(alice, session.pk)
    scene.rig.fault(stream="trade_updates", kind="lose")
    filled = time.monotonic()
    scene.rig.price(round(px * Decimal("0.9"), 2))
    assert scene.held() == 0
    by_hand = {"symbol": "SIM-BETA", "side": "buy", "type": "market", "qty": "1", "time_in_force": "day"}
    scene.rig.control("orders", key=KEY, **by_hand)  # has the account looked at
    took = within(FOUND_S, lambda: agree(scene.rig), session)
    sys.stdout.write(f"found after {took:.1f} s\n")
    assert not scene.calls.since(filled, "WS", "/stream"), "the socket was up all the time"
    until(session, lambda: not holds(session))
    flatten(alice, session)
    check(scene.rig, session, external=True)
