"""Keeps the children running until somebody asks to stop; then ends them all, the Redis server last."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import selectors
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tradingsite.processes import signal_group, stop
from tradingsite.up.children import Child, identity

STOP_S = 3.0  # for the web process, the workers and beat; then they are killed
STOP_REDIS_S = 1.5
LOOK_EVERY_S = 5.0  # how often /health is asked about silent workers
GRACE_S = 60.0  # a worker this young is not yet expected to answer


class Supervisor:
    """Owns the children of one installation. Everything happens in the main thread, one turn after another.

    `address` is where the site answers (host, port), `record` the file in which running process ids are kept, so that
    the next start can end what a killed starter left behind.
    """

    def __init__(self, address: tuple[str, int], record: Path, say: Callable[[str], None]) -> None:
        self.address, self.record, self.say = address, record, say
        self.children: list[Child] = []
        self.stopping: str | None = None  # the name of the signal that asked for it
        self._selector = selectors.DefaultSelector()
        self._looked_at = time.monotonic()

    # --- signals -----------------------------------------------------------------------------------------------------
    def listen_to_signals(self) -> None:
        """From now on Ctrl-C, SIGTERM and a closed terminal end `run` at its next turn, at once."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._selector.register(wake_read, selectors.EVENT_READ, None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, number: int, _frame: object) -> None:
        self.stopping = signal.Signals(number).name

    # --- children ----------------------------------------------------------------------------------------------------
    def add(self, child: Child) -> None:
        """Start a child and watch it from now on."""
        self.children.append(child)
        self._start(child)

    def _start(self, child: Child) -> None:
        child.start()
        self._selector.register(child.output, selectors.EVENT_READ, child)
        self._write_record()

    def _write_record(self) -> None:
        running = [child.process.pid for child in self.children if child.process is not None and child.due is None]
        entries = {str(pid): found for pid in running if (found := identity(pid))}
        beside = self.record.with_suffix(".new")
        beside.write_text(json.dumps(entries), encoding="utf-8")
        beside.replace(self.record)  # a starter that is killed here leaves the old record, never a part of one

    def end_leftovers(self) -> None:
        """End what a starter that was killed has left behind: only processes that are still the ones it recorded."""
        try:
            entries = json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        for pid, recorded in entries.items():
            if identity(int(pid)) == recorded:
                self.say(f"Ending process {pid}, left behind by a start that was killed.")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
        self.record.unlink()

    def turn(self, wait_s: float = 0.2) -> None:
        """One turn: pass on what was said, start again what has ended."""
        for key, _ in self._selector.select(wait_s):
            if key.data is None:
                os.read(key.fd, 64)
            else:
                key.data.pump()
                if key.data.silent:
                    self._selector.unregister(key.fd)
        if self.stopping:
            return
        for child in self.children:
            if (status := child.ended()) is not None:
                self._forget_output(child)
                pause = child.schedule_restart()
                self._note(child, f"ended with status {status}; starting it again in {pause:g} s")
            elif child.due is not None and time.monotonic() >= child.due:
                self._start(child)

    def _forget_output(self, child: Child) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.output)
        child.close_output()

    def _note(self, child: Child, text: str) -> None:
        child.log(text)
        self.say(f"{child.name}: {text}")

    # --- the main loop -----------------------------------------------------------------------------------------------
    def run_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Turn until `done()`, asked ten times a second; False when the time is over or somebody asked to stop."""
        deadline = time.monotonic() + timeout_s
        while not self.stopping and time.monotonic() < deadline:
            if done():
                return True
            asked = time.monotonic()
            while not self.stopping and time.monotonic() < asked + 0.1:
                self.turn(0.1)
        return False

    def run(self) -> None:
        """Turn until asked to stop, looking for silent workers now and then."""
        while not self.stopping:
            self.turn()
            if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
                self._looked_at = time.monotonic()
                self.look_for_silent_workers()

    def look_for_silent_workers(self) -> None:
        """End a worker that /health calls silent, and beat with it when the ticks may be what is missing."""
        answer = self.health()
        for name, state in (answer or {}).get("checks", {}).items():
            kind, _, queue = name.partition("_")
            if kind != "worker" or state == "ok":
                continue
            wanted = {queue} if state == "no pulse" else {queue, "beat"}
            for child in self.children:
                if (
                    child.name in wanted
                    and child.process is not None
                    and child.due is None
                    and child.running_s > GRACE_S
                ):
                    self._note(child, f"silent ({state}); ending it so that it starts again")
                    signal_group(child.process, signal.SIGKILL)

    def health(self, timeout_s: float = 1.0) -> dict | None:
        """What /health says, as a dict; None while the web process does not answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=timeout_s)
        try:
            connection.request("GET", "/health")
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def shut_down(self) -> None:
        """End everything: first those who use Redis, then Redis, which writes its file; within five seconds in all."""
        for these, grace_s in (
            ([child for child in self.children if child.name != "redis"], STOP_S),
            ([child for child in self.children if child.name == "redis"], STOP_REDIS_S),
        ):
            running = [child for child in these if child.process is not None and child.due is None]
            killed = stop([child.process for child in running if child.process], grace_s=grace_s)
            for child in running:
                while child.pump():
                    pass
                if child.process and child.process.pid in killed:
                    self._note(child, f"did not stop within {grace_s:g} s and was killed")
        for child in self.children:
            child.close_log()
        self.record.unlink(missing_ok=True)
