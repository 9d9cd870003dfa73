"""Session hosts as processes of their own, on this test's database and Redis: to be killed, stopped and woken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import _service_env
from tests.servers import PATIENCE, wait_until
from tradingsite.processes import die_with_parent

ROOT = Path(__file__).resolve().parents[3]
KILLED_BY_FAILPOINT = 137


class Zygote:
    """See `tests.bots.host.zygote`. env: of all hosts that it makes. log: where their output goes."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bots.host.zygote"],
                env=env,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        assert self._read()["ready"] == self._process.pid

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, *, failpoints: dict[str, int] | None = None, capacity: int | None = None) -> HostProcess:
        pid = self._ask({"start": {"failpoints": failpoints or {}, "capacity": capacity}})["pid"]
        return HostProcess(self, pid)

    def status(self, pid: int) -> int | None:
        return self._ask({"status": pid})["code"]

    def close(self) -> None:
        """Its hosts go with it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()  # type: ignore[union-attr]

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        assert line, f"the process that makes hosts is gone:\n{self.log.read_text()[-4000:]}"
        return json.loads(line)


@contextmanager
def zygote_with(django_db_blocker: Any, log: Path, **env: str) -> Iterator[Zygote]:
    """A maker of hosts on this run's database and Redis, with these settings beside."""
    with django_db_blocker.unblock():
        services = _service_env()
    zygote = Zygote(services | {"TEST_RIG": "true"} | env, log)
    yield zygote
    zygote.close()


@dataclass
class HostProcess:
    """One host. code: how it ended; None while it lives."""

    zygote: Zygote
    pid: int
    code: int | None = None

    def alive(self) -> bool:
        if self.code is None:
            self.code = self.zygote.status(self.pid)
        return self.code is None

    def send(self, number: int) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """In good order; it hands its sessions over."""
        self.send(signal.SIGTERM)
        assert self.wait(40) == 0

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)
        wait_until(lambda: _state_of(self.pid) == "T", "the host to stand still")

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def wait(self, timeout_s: float = 60.0) -> int:
        """How it ended: negative for a signal."""
        wait_until(lambda: not self.alive(), "the host to end", timeout_s)
        assert self.code is not None
        return self.code

    def cpu_s(self) -> float:
        """Seconds of CPU it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]


def lease_runs_out(*session_ids: int) -> None:
    """As if fifteen seconds had passed since the last heartbeat of a host that is dead or asleep, and another had taken
    the locks from it that it held when it froze."""
    from datetime import timedelta

    from django.db import OperationalError, connection, transaction
    from django.db.models.functions import Now

    from bots.host import frozen
    from bots.models import TradingSession

    rows = TradingSession.objects.filter(lease_expires_at__isnull=False)
    if session_ids:
        rows = rows.filter(pk__in=session_ids)

    def run_out() -> bool:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("SET LOCAL lock_timeout = '500ms'")
                rows.update(lease_expires_at=Now() - timedelta(seconds=1))
        except OperationalError:
            frozen.release_locks(1.0)
            return False
        return True

    eventually(run_out, "the lease to run out")


def eventually(what: Any, why: str, timeout_s: float = 60.0) -> Any:
    """The first true answer of `what`. AssertionError naming `why` when there is none in `PATIENCE` times that."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while not (answer := what()):
        assert time.monotonic() < deadline, f"waited {timeout_s * PATIENCE:g} s in vain for {why}"
        time.sleep(0.02)
    return answer


def reach(session: Any, cycles: int, timeout_s: float = 60.0) -> None:
    """Wait until a session has worked through so many bars."""
    eventually(lambda: session.cycles.count() >= cycles, f"session {session.pk} at bar {cycles}", timeout_s)
