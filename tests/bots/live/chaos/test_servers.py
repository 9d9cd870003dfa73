"""F19, F21: Redis and the database go away under LIVE sessions whose stops rest at the venue."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from bots.models import OrderRole, TradingSession
from tests.bots.host.outages import Redis, dead_postgres, locked_sqlite, read_only_postgres
from tests.bots.host.processes import HostProcess, eventually, zygote_with
from tests.bots.live.audit import check
from tests.bots.live.chaos.conftest import hosts_env
from tests.bots.live.chaos.scene import ORDERS, WHOLE, Scene, agree, flatten, holds, state_of, until, within
from tradingsite.processes import stop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.row("W2", "Q6", "I8")]

Start = Callable[..., HostProcess]
STOPPED: dict[str, Any] = {**WHOLE, "stop_loss_pct": 10.0}
LOCKED_S = 10.0
FOUND_S = 15.0


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    stop([server.process], grace_s=5)


@pytest.fixture
def start_host_on_it(
    scene: Scene, own_redis: Redis, tmp_path: Path, venue_port: int, django_db_blocker: Any
) -> Iterator[Start]:
    """Hosts whose Redis is the test's own."""
    env = hosts_env(venue_port) | {"REDIS_URL": f"unix://{own_redis.socket}"}
    with zygote_with(django_db_blocker, tmp_path / "hosts.log", **env) as zygote:
        yield zygote.start


def under_a_stop(scene: Scene, session: TradingSession) -> bool:
    """A position, and a stop for all of it that the venue works."""
    [*stops] = scene.working("stop")
    return bool(scene.held() and stops and sum(int(order["qty"]) for order in stops) == scene.held())


@pytest.mark.fault(19)
@pytest.mark.row("P11")
@pytest.mark.parametrize("how", ["killed", "emptied", "full"])
def test_redis_goes_and_comes_back(
    how: str, alice: User, moment: random.Random, scene: Scene, own_redis: Redis, start_host_on_it: Start
) -> None:
    """It carries nudges, what pages hear and what is known of bans, and no order: the session trades on, its stops rest
    at the venue, each order leaves once, and its owner's wishes are heard again."""
    session = scene.rig.session(settings=STOPPED)
    host = start_host_on_it()
    until(session, lambda: session.trades.count() >= moment.randint(1, 3), 60)
    outage = {"killed": own_redis.kill, "emptied": own_redis.flush, "full": own_redis.fill}
    mend = {"killed": own_redis.start, "emptied": own_redis.flush, "full": own_redis.empty}
    outage[how]()
    trades = session.trades.count()
    until(session, lambda: session.trades.count() >= trades + 3, 60)
    until(session, lambda: under_a_stop(scene, session), 60)
    assert state_of(session) == "RUNNING"
    mend[how]()
    eventually(lambda: own_redis.listeners() == 1, "the host to listen again")
    flatten(alice, session)
    host.stop()
    check(scene.rig, session)
    session.refresh_from_db()
    assert session.fence == 1, "no lease was lost for it"
    scene.never_short()


@pytest.mark.fault(21)
@pytest.mark.parametrize("outage", [locked_sqlite, dead_postgres, read_only_postgres])
def test_the_database_goes_and_a_stop_fills_meanwhile(
    outage: Callable[[], AbstractContextManager[None]], alice: User, moment: random.Random, scene: Scene,
    start_host: Start,
) -> None:  # fmt: skip
    """Nothing leaves that is not written: no entry, and no exit either. What rests at the venue needs nobody: the stop
    sells while the rows cannot be touched, and is in the books soon after they can."""
    if (connection.vendor == "sqlite") != (outage is locked_sqlite):
        pytest.skip("an outage of the other database")
    holder, trader = scene.holder(stop_pct=5.0), scene.rig.session(symbols=["SIM-BETA"])
    start_host()
    until(holder, lambda: under_a_stop(scene, holder), 60)
    until(holder, holder.orders.filter(role=OrderRole.STOP, state="ACCEPTED").exists, 30)
    until(trader, lambda: trader.trades.count() >= moment.randint(1, 3), 60)
    bought = scene.held()
    low = round(scene.px() * 9 / 10, 2)
    with outage():
        began = time.monotonic()
        time.sleep(moment.uniform(2.0, 4.0))  # what was written before is on its way still
        quiet = time.monotonic()
        scene.rig.price(low)
        assert not scene.held(), "the venue has sold it"
        if outage is locked_sqlite:
            time.sleep(LOCKED_S - (time.monotonic() - began))
        assert not scene.calls.since(quiet, "POST", ORDERS), "sent and not written"
    back = time.monotonic()
    within(FOUND_S + 15.0, lambda: agree(scene.rig), holder)
    until(holder, lambda: not holds(holder), 30)
    until(trader, lambda: state_of(trader) == "RUNNING", 60)
    trades = trader.trades.count()
    until(trader, lambda: trader.trades.count() >= trades + 1, 60)
    assert scene.calls.since(back, "POST", ORDERS), "entries go on"
    for session in (holder, trader):
        flatten(alice, session)
    check(scene.rig, holder, trader)
    position = holder.positions.order_by("pk")[0]
    assert (position.exit_reason, position.entered_qty) == ("stop_loss", bought)
    scene.never_short()
