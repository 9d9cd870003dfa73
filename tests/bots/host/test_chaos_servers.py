"""Faults below a host, in real servers: Redis killed and emptied, a database that is locked, cut off or full."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from tests.bots.host import market
from tests.bots.host.outages import Redis, cut_connections, dead_postgres, locked_sqlite, read_only_postgres
from tests.bots.host.processes import HostProcess, Zygote, eventually, reach
from tests.bots.host.test_chaos import PACE, assert_as_if_nothing_had_happened
from tests.conftest import CHAOS_ROUNDS
from tradingsite.processes import stop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

Start = Callable[..., HostProcess]
LOCKED_S = 10.0


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    stop([server.process], grace_s=5)


@pytest.mark.fault(19)
@pytest.mark.row("W2", "Q6", "P11")
def test_redis_is_emptied_killed_and_comes_back(
    alice: User, moment: random.Random, undisturbed: Any, own_redis: Redis, service_env: dict[str, str], tmp_path: Path
) -> None:
    """F19: pages hear nothing for a while; the ledger is what it would have been, and nudges work again."""
    expected = undisturbed()
    env = service_env | {"TEST_RIG": "true", "REDIS_URL": f"unix://{own_redis.socket}"}
    zygote = Zygote(env, tmp_path / "hosts.log")
    try:
        session = market.session(alice, speed=PACE)
        host = zygote.start()
        bars = sorted(moment.sample(range(2, market.REPLAYED - 20), 3))
        reach(session, bars[0])
        own_redis.flush()
        reach(session, bars[1])
        own_redis.kill()
        reach(session, bars[2])
        own_redis.start()
        eventually(lambda: own_redis.listeners() == 1, "the host to listen again")
        assert_as_if_nothing_had_happened(session, expected)
        assert session.fence == 1
        host.stop()
    finally:
        zygote.close()


@pytest.mark.fault(21)
@pytest.mark.row("W2", "Q6", "Q7")
def test_a_database_that_is_locked_is_waited_for(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F21 on SQLite: another process holds the file exclusively for ten seconds."""
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    start_host()
    reach(session, moment.randint(5, 100))
    with locked_sqlite():
        before = session.cycles.count()
        time.sleep(LOCKED_S)
        assert session.cycles.count() == before, "something was written to a locked database"
    assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.fault(21)
@pytest.mark.row("W2", "Q6", "Q7")
def test_connections_to_the_database_are_cut(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F21 on PostgreSQL: every connection of the host is ended by the server, ten times, wherever it is."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to cut; its locks have their own test")
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    start_host()
    for _ in range(10):
        reach(session, session.cycles.count() + moment.randint(1, 12))
        cut_connections()
    assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.fault(21)
@pytest.mark.row("W2", "Q6")
@pytest.mark.parametrize("outage", [dead_postgres, read_only_postgres], ids=["dies", "is read only"])
def test_postgresql_goes_and_comes_back(
    outage: Callable[[], AbstractContextManager[None]], alice: User, moment: random.Random, undisturbed: Any,
    start_host: Start,
) -> None:  # fmt: skip
    """F21: immediate shutdown of the whole server and crash recovery; three seconds in which nobody may write."""
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    start_host()
    reach(session, moment.randint(5, 100))
    with outage():
        time.sleep(3)
    assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.fault(22)
@pytest.mark.row("W2", "Q6")
def test_a_disk_that_takes_no_more_bytes_is_waited_for(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F22: for three seconds no file of the host may grow, as on a full disk. Where the ledger is one of them, nothing
    is decided and not written; where a server keeps it, the session goes on without a log."""
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    host = start_host()
    reach(session, moment.randint(5, 100))
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    time.sleep(1)
    before = session.cycles.count()
    if connection.vendor == "sqlite":
        time.sleep(2)
        assert session.cycles.count() == before, "something was written to a full disk"
    else:
        reach(session, min(before + 10, market.REPLAYED))
    assert host.alive()
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, unlimited)
    assert_as_if_nothing_had_happened(session, expected)
    if not CHAOS_ROUNDS:
        assert session.fence == 1
