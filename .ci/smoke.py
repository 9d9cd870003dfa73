"""Do what README says on a clean clone of what is committed: each shell command, a login through the page, a stop.

    python .ci/smoke.py

`make test` and `make lint` are the two that are only checked for, because CI has just run them here.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN_BY_CI_ITSELF = {"make test", "make lint"}
FIRST_START_WITHIN_S = 420
SECOND_START_WITHIN_S = 6.0
STOP_WITHIN_S = 5.0


class Failure(Exception):
    """Something README promises did not happen."""


def commands(readme: str) -> list[str]:
    """The commands of README's ```sh blocks, one a line, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def left_behind(clone: Path) -> list[str]:
    """Command lines of processes whose working directory is inside the clone."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").resolve().is_relative_to(clone):
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [command for command in found if command]


class Running:
    """`make run` in the clone, with what it says kept in a file."""

    def __init__(self, clone: Path, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                ["make", "run"],
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def wait_ready(self, within_s: float) -> float:
        """Wait until it prints its address; returns the seconds since `make run`. Raises Failure with all it said."""
        began = time.monotonic()
        while "Tradewright is running at" not in self.said():
            if self.process.poll() is not None or time.monotonic() - began > within_s or "not healthy" in self.said():
                raise Failure(f"`make run` did not come up within {within_s:g} s. It said:\n{self.said()}")
            time.sleep(0.05)
        return time.monotonic() - began

    def stop(self) -> float:
        """Ctrl-C, as a terminal sends it: to the whole foreground group. Returns the seconds it took."""
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)
        return time.monotonic() - began


def try_out(clone: Path, log: Path) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in {"NUMBA_CACHE_DIR", "VAR_DIR"}}
    environment |= {"PORT": str(port), "MAKEFLAGS": ""}
    site = f"http://127.0.0.1:{port}"
    sys.path.insert(0, str(ROOT))
    from tests.tradingsite.browserless import Visitor

    for command in commands((clone / "README.md").read_text(encoding="utf-8")):
        if command in RUN_BY_CI_ITSELF:
            print(f"ok       {command} (run before this)", flush=True)
        elif command.startswith(("git clone ", "cd ")):
            print(f"ok       {command} (this clone)", flush=True)
        elif command == "make run":
            for start, within_s in (("first", FIRST_START_WITHIN_S), ("second", 60)):
                running = Running(clone, environment, log)
                try:
                    took = running.wait_ready(within_s)
                    if start == "first":
                        login = re.search(r"Demo user: (\S+)\s+password: (\S+)", running.said())
                        if login is None:
                            raise Failure(f"no demo user was printed:\n{running.said()}")
                        Visitor(site).log_in(login[1], login[2])
                finally:
                    stopped = running.stop()
                print(f"ok       make run, {start} time: up in {took:.1f} s, stopped in {stopped:.1f} s", flush=True)
                if stopped > STOP_WITHIN_S:
                    raise Failure(f"stopping took {stopped:.1f} s, more than {STOP_WITHIN_S:g}")
                if remaining := left_behind(clone):
                    raise Failure("left behind:\n" + "\n".join(remaining))
            if took > SECOND_START_WITHIN_S:
                raise Failure(f"the second start took {took:.1f} s, more than {SECOND_START_WITHIN_S:g}")
        else:
            done = subprocess.run(
                shlex.split(command),
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            if done.returncode:
                raise Failure(f"{command}\n{done.stdout.decode()}\n{done.stderr.decode()}")
            print(f"ok       {command}", flush=True)


def take_committed(clone: Path) -> None:
    """What a clone of HEAD holds: no file that is not committed, none that is ignored."""
    packed = clone.with_suffix(".tar")
    # A CI checkout often belongs to another user than the one who runs there.
    git = ["git", "-c", "safe.directory=*", "archive", "--format=tar", f"--output={packed}", "HEAD"]
    subprocess.run(git, cwd=ROOT, check=True)
    with tarfile.open(packed) as archive:
        archive.extractall(clone, filter="data")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tw-smoke-") as scratch:
        clone = Path(scratch).resolve() / "tradewright"
        take_committed(clone)
        try:
            try_out(clone, Path(scratch) / "make-run.log")
        except Failure as failure:
            print(f"FAILED   {failure}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
