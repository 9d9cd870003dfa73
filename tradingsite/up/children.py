"""One child process: start it, read what it says, notice its end, start it again with growing pauses."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from tradingsite.processes import spawn, stop

LOG_BYTES, LOG_FILES = 5_000_000, 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
STEADY_AFTER_S = 60.0  # a child that ran this long is started again without a growing pause


class Child:
    """A program of the installation and, most of the time, its running process.

    Attributes: name (also of its log file), process (None before the first start), restarts (since it last ran
    steadily), due (monotonic time of the next start, None while it runs).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        logs: Path,
        *,
        on_console: bool = True,
    ) -> None:
        self.name, self.argv, self.env, self.cwd, self.on_console = name, list(argv), dict(env), cwd, on_console
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.due: float | None = time.monotonic()
        self.started_at = 0.0
        self.silent = False
        self._half_line = b""
        self._file = RotatingFileHandler(
            logs / f"{name}.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
        )

    def start(self) -> None:
        """Start the process; its standard output and error come together in `output`."""
        self.process = spawn(self.argv, env=self.env, cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.started_at, self.due, self._half_line, self.silent = time.monotonic(), None, b"", False
        os.set_blocking(self.output, False)

    @property
    def output(self) -> int:
        """The file descriptor to read the child's words from."""
        return self._pipe.fileno()

    @property
    def _pipe(self) -> IO[bytes]:
        if self.process is None or self.process.stdout is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.process.stdout

    @property
    def running_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self.started_at

    def pump(self) -> bool:
        """Pass on what the child has said: plain to its log, prefixed to the console. True if more may be waiting."""
        try:
            said = os.read(self.output, 65_536)
        except BlockingIOError:
            return False
        *lines, self._half_line = (self._half_line + said).split(b"\n")
        if not said:
            self.silent = True  # nobody holds the other end any more
            lines, self._half_line = ([self._half_line] if self._half_line else []), b""
        for line in lines:
            text = line.decode("utf-8", "replace")
            self.log(text)
            if self.on_console:
                print(f"{self.name:<10}| {text}", flush=True)
        return bool(said)

    def log(self, text: str) -> None:
        """Write one line into the child's log file."""
        self._file.emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))

    def ended(self) -> int | None:
        """The exit status once the process has ended by itself, else None. What is left of its group is ended too."""
        if self.process is None or self.due is not None or self.process.poll() is None:
            return None
        stop([self.process], grace_s=0)
        while self.pump():
            pass
        return self.process.returncode

    def schedule_restart(self) -> float:
        """Plan the next start; returns the pause in seconds."""
        self.restarts = 0 if self.running_s > STEADY_AFTER_S else self.restarts
        pause = min(FIRST_PAUSE_S * 2**self.restarts, LONGEST_PAUSE_S)
        self.restarts += 1
        self.due = time.monotonic() + pause
        return pause

    def close_output(self) -> None:
        """Close our end of the pipe of a process that has ended."""
        self._pipe.close()

    def close_log(self) -> None:
        self._file.close()


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number: when it started, and its program. None if gone.

    Not its command line: Valkey, for one, rewrites its own.
    """
    if sys.platform.startswith("linux"):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            program = Path(f"/proc/{pid}/exe").readlink()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        return f"{boot} {fields[19]} {program}"  # field 22 of proc(5): ticks after boot at which it started
    ask = ["ps", "-o", "lstart=,comm=", "-p", str(pid)]
    said = subprocess.run(ask, capture_output=True, text=True, check=False)
    return said.stdout.strip() or None
