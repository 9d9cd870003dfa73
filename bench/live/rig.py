"""A whole installation of its own for a measurement: servers, web process, trading worker, beat; gone afterwards."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests import servers
from tradingsite.processes import signal_group, spawn, stop
from tradingsite.up import programs

ROOT = Path(__file__).resolve().parents[2]


class Rig:
    """Once in a process: it sets Django up. database: postgres, or embedded (SQLite, as a first start has it)."""

    def __init__(self, database: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="tw-live-"))
        atexit.register(shutil.rmtree, self.home, ignore_errors=True)
        self.port, self.venue_port = servers.free_port(), servers.free_port()
        self.database = database
        url = f"sqlite:///{self.home / 'db.sqlite3'}"
        if database == "postgres":
            binaries = servers.postgres_binaries()
            if binaries is None:
                raise SystemExit("This machine has no PostgreSQL server (initdb); try --database embedded.")
            url = servers.start_postgres(binaries)
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tradingsite.settings", ENV_FILE=os.devnull, VAR_DIR=str(self.home),
            DATABASE_URL=url, SECRET_KEY=secrets.token_urlsafe(50), REDIS_URL=servers.start_valkey(self.home),
            HOST="127.0.0.1", PORT=str(self.port), WEB_PROCESSES="1", LOG_LEVEL="WARNING",
            SECRETS_KEYS=urlsafe_b64encode(os.urandom(32)).decode("ascii"),
            PRACTICE_VENUE_URL=f"http://127.0.0.1:{self.venue_port}",
            TEST_RIG="true",  # LIVE sessions on prices that run faster than the clock
        )  # fmt: skip
        os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))
        self._processes: list[subprocess.Popen[bytes]] = []
        atexit.register(self.close)
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
        import django

        django.setup()

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """`web`, `trading_worker`, `beat` or `practice_venue`, as `make run` starts it; its log is in `home`."""
        program = getattr(programs, name)
        command = program(self.venue_port) if name == "practice_venue" else program()
        with (self.home / f"{name}.log").open("ab") as log:
            process = spawn(command, cwd=ROOT, stdout=log, stderr=log, death_signal=signal.SIGKILL)
        self._processes.append(process)
        if name in ("web", "practice_venue"):
            port = self.port if name == "web" else self.venue_port
            servers.wait_until(lambda: _listens(port), name, 60)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9, with all its children."""
        signal_group(process, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        stop(self._processes, grace_s=15)
        self._processes.clear()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def user(name: str = "load") -> Any:
    """Somebody to own sessions and to listen."""
    from accounts.models import User

    return User.objects.create_user(username=name, email=f"{name}@example.org", password=secrets.token_urlsafe(12))


def sessions(
    owner: Any, count: int, *, symbols: int | list[str] = 4, settings: dict[str, Any] | None = None, **columns: Any
) -> list[Any]:
    """Paper sessions that trade often. symbols: how many of its own each has, or those that all have. settings: of
    trading, a stop at 2 % by default. columns: other than the usual ones."""
    from decimal import Decimal

    from bots.models import SessionSettings, TradingSession
    from strategies import session_settings

    made, rules = [], {"stop_loss_pct": 2.0} if settings is None else settings
    for number in range(count):
        fields: dict[str, Any] = {
            "owner": owner,
            "state": TradingSession.State.SCHEDULED,
            "initial_cash": Decimal(1_000_000),
            "symbols": symbols
            if isinstance(symbols, list)
            else [f"SIM-L{number * symbols + i:04}" for i in range(symbols)],
            "timeframe": "1s",
            "strategy": "ma_crossover",
            "strategy_parameters": {"fast_window": 3, "slow_window": 8, "min_strength_threshold": 0.0},
            "feed": "synthetic",
            "feed_options": {"seed": 7, "ticks_per_s": 3},
        }
        session = TradingSession.objects.create(**{**fields, **columns})
        SessionSettings.objects.create(session=session, version=1, **session_settings.clean(rules))
        made.append(session)
    return made


def running(rows: list[Any]) -> int:
    """How many of these sessions run."""
    from bots.models import TradingSession

    return TradingSession.objects.filter(pk__in=[row.pk for row in rows], state="RUNNING").count()


def wait_for(what: Callable[[], bool], why: str, timeout_s: float) -> float:
    """Seconds until it was true. Raises AssertionError."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > timeout_s:
            raise AssertionError(f"waited {timeout_s:g} s in vain for {why}")
        time.sleep(0.2)
    return time.monotonic() - began


def processes_of(leader: int) -> Iterator[int]:
    """A process and its children."""
    yield leader
    for thread in Path(f"/proc/{leader}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from processes_of(int(child))


def rss_mb(leader: int) -> float:
    """Resident memory of a process and its children, in MB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in processes_of(leader))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files(leader: int) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes_of(leader))


def cpu_s(leader: int) -> float:
    """CPU seconds that a process and its children have used."""
    total = 0
    for pid in processes_of(leader):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
