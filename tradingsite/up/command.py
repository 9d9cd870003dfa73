"""The command itself: one start at a time, a free port, all prepared, all started, the address printed."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import ipaddress
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tradingsite.environment import BACKTEST_PROCESSES, BASE_DIR, HOST, PORT, REDIS_URL, VAR_DIR, env, redis_socket
from tradingsite.outside import PRACTICE_VENUE, PRACTICE_VENUE_URL
from tradingsite.up import prepare, programs
from tradingsite.up.children import Child
from tradingsite.up.supervisor import Supervisor

READY_WITHIN_S = 60.0


class CannotStart(Exception):
    """Why it cannot start, in words for the person at the console."""


def say(text: str) -> None:
    print(text, flush=True)


def main(argv: list[str]) -> int:
    """Run until Ctrl-C or SIGTERM. Returns the exit status: 0 after a requested stop, 1 when it could not start."""
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description=__doc__,
        epilog="Settings: --set NAME=VALUE before or after `up`; see .env.example.",
    )
    parser.parse_args(argv)
    try:
        VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        (VAR_DIR / "logs").mkdir(exist_ok=True)
        with only_one():
            return start()
    except (CannotStart, prepare.StepFailed, FileNotFoundError, PermissionError) as problem:
        say(f"\nCannot start: {problem}")
        return 1


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the lock of this VAR_DIR; the kernel lets go of it when we end, however we end."""
    with (VAR_DIR / "up.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(f"it is running already ({lock.read().strip()}). Stop it with Ctrl-C there.") from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()}, http://{HOST}:{PORT}\n")
        lock.flush()
        yield


def reached_at(host: str) -> str:
    """The address to call when listening on `host`: loopback where it means "every address of this machine"."""
    try:
        every = ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name
        return host
    if not every:
        return host
    return "::1" if ":" in host else "127.0.0.1"


def require_free_port() -> None:
    """Raises CannotStart naming the port when another program listens on it or HOST is not ours."""
    family = socket.AF_INET6 if ":" in HOST else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, PORT))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"port {PORT} on {HOST} is in use by another program. Stop that one, or choose another port: "
                    f"make run PORT={PORT + 1}"
                ) from None
            raise CannotStart(f"cannot listen on {HOST}:{PORT}: {error.strerror} (settings HOST and PORT)") from None


def practice_port() -> int | None:
    """Where the practice venue is to be started; None where it is off, runs elsewhere, or its port is taken."""
    url = urlsplit(PRACTICE_VENUE_URL)
    if not PRACTICE_VENUE or url.hostname not in ("127.0.0.1", "localhost"):
        return None
    port = url.port or 80
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            say(
                f"The practice venue is not started: port {port} is not free ({error.strerror}). The site goes on and "
                f"uses what answers there, if that is one. Elsewhere: PRACTICE_VENUE_URL=http://127.0.0.1:{port + 1}"
            )
            return None
    return port


def private_directory(path: Path) -> None:
    """Make a directory that only we can enter; CannotStart when somebody else's stands in its place."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise CannotStart(f"{path} exists and is not a private directory of ours; remove it")


def child_environment() -> dict[str, str]:
    """What every child gets: our environment (with .env and --set in it), a soft stop for Celery, a lazy allocator."""
    ours = {
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings",
        "REDIS_URL": REDIS_URL,
        # A worker told to stop gives a running task two seconds, then gives it back to the queue.
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONUNBUFFERED": "1",
        # glibc gives large blocks back to the system at once, and each array of a run has its pages faulted in anew;
        # keeping up to 256 MB makes signals of 98,280 bars three times quicker. Other C libraries ignore the two.
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    }
    return {"LOG_FORMAT": "console", **os.environ, **ours}


def start() -> int:
    """Prepare, start, wait, print the address, keep running; stop everything at the end, whatever happened."""
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):  # until the supervisor listens, all end a step as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    supervisor = Supervisor((reached_at(HOST), PORT), VAR_DIR / "up.children.json", say)
    supervisor.end_leftovers()
    require_free_port()
    prepare.keys()
    environment = child_environment()
    try:
        if not env.str("REDIS_URL", default=""):
            start_redis(supervisor, environment)
        for step in prepare.steps():
            prepare.run(step, environment, say, VAR_DIR / "logs" / "prepare.log")
        supervisor.listen_to_signals()
        say("Starting …")

        def add(name: str, argv: list[str]) -> None:
            supervisor.add(Child(name, argv, environment, BASE_DIR, VAR_DIR / "logs"))

        add("web", programs.web())
        add("backtests", programs.backtest_worker(BACKTEST_PROCESSES))
        ready = supervisor.run_until(lambda: can_run_backtests(supervisor.health()), READY_WITHIN_S)
        # These two load as much as the others and nobody waits for their first tick.
        add("trading", programs.trading_worker())
        add("beat", programs.beat())
        if (port := practice_port()) is not None:
            add("venue", programs.practice_venue(port))
        if ready:
            took = time.monotonic() - began
            say(f"\nTradewright is running at http://{reached_at(HOST)}:{PORT}  (ready in {took:.1f} s)")
            say("Stop it with Ctrl-C.\n")
        elif not supervisor.stopping:
            found = supervisor.health() or "the site does not answer"
            say(f"\nStarted, but not healthy after {READY_WITHIN_S:g} s: {found}")
            say(f"It keeps trying. The logs are in {VAR_DIR / 'logs'}\n")
        supervisor.run()
        say(f"\nStopping ({supervisor.stopping}) …")
    except KeyboardInterrupt:
        say("\nStopped while starting.")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # impatience must not leave anything behind
            signal.signal(number, signal.SIG_IGN)
        supervisor.shut_down()
    say("Stopped.")
    return 0


def can_run_backtests(health: dict | None) -> bool:
    """Whether pages, database and the backtest worker answer, from what /health says."""
    checks = (health or {}).get("checks", {})
    return all(checks.get(name) == "ok" for name in ("database", "redis", "disk", "worker_backtests"))


def start_redis(supervisor: Supervisor, environment: dict[str, str]) -> None:
    """The private Redis-protocol server of this installation, answering when this returns."""
    path, data = redis_socket(VAR_DIR), VAR_DIR / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    if path.parent != VAR_DIR:
        private_directory(path.parent)
    path.unlink(missing_ok=True)
    logs = VAR_DIR / "logs"
    # Its warnings are about servers, not about a program on a person's machine: into its log, not onto the console.
    supervisor.add(Child("redis", programs.redis(path, data), environment, BASE_DIR, logs, on_console=False))
    if not supervisor.run_until(lambda: answers_ping(path), timeout_s=30):
        raise CannotStart(f"the Redis server does not answer; its log is {logs / 'redis.log'}")


def answers_ping(path: Path) -> bool:
    """Whether the server on this unix socket answers PING (it does not while it still loads its file)."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
