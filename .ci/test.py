"""The whole test suite: on SQLite, then again on PostgreSQL what can differ by database. `make test` calls it.

    python .ci/test.py [-n PROCESSES] [pytest arguments]

Most of its time tests wait: for a venue's answer, for a host's next second, for a connection to be tried again. Those
stand in folders of their own (WAITING) and run in twice as many processes, beside the others, which are nicer to
the processor: so who waits for a moment is on time for it. With arguments for pytest all runs once, as they say.

With COVERAGE=1 the runs on SQLite also print which lines of the product no test reached.

On CI a few tests that failed beside others, on two busy cores, are run once more at the end, each alone in a process of
its own; and a run that pytest itself broke off (status 3) once more as a whole. What fails again fails the run; what
then passes is named at the end, because it wants mending. The last lines say how each run ended, and what failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEW = 12
BROKEN_OFF = 3  # pytest's status where it failed itself, not a test
TOLD = 12  # lines of what broke it off
WAITING = [
    "tests/bots/host",
    "tests/bots/live",
    "tests/bots/practice",
    "tests/brokers",
    *(f"tests/marketdata/test_{name}.py" for name in ("budget", "live_feeds", "live_messages", "relay", "vendors")),
]
PER_PROCESS = 2  # of a busy one: processes that wait
NICER = 5


@dataclass
class Run:
    """One run of pytest. nicer: than others to the processor. covered: it is told which lines were reached."""

    title: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    nicer: int = 0
    covered: bool = False
    status: int = 0
    failed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # for the end: what was remarkable

    def __call__(self, folder: Path) -> None:
        """Run it, and tell all that it said when it has ended."""
        begun, name = time.monotonic(), self.title.replace(" ", "-")
        failures, environment = folder / f"{name}.failed", dict(self.environment)
        failures.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "pytest", "-q", *self.argv]
        if self.covered:
            argv += ["--cov", "--cov-report="]
            environment["COVERAGE_FILE"] = str(folder / f".coverage.{name}")
        if "-n" in self.argv:  # who is done takes over from who is not
            argv += ["--dist", "worksteal"]
        environment = os.environ | environment | {"FAILED_TESTS": str(failures)}
        argv = ["nice", "-n", str(self.nicer), *argv] if self.nicer else argv
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        self.status = done.returncode
        self.failed = sorted(set(failures.read_text("utf-8").splitlines())) if failures.is_file() else []
        said = done.stdout.decode("utf-8", "replace")
        print(f"\n--- {self.title} ({time.monotonic() - begun:.0f} s)", flush=True)
        print(said, flush=True)
        if self.status not in (0, 1):
            broken = [line for line in said.splitlines() if "INTERNALERROR" in line or "crashed" in line]
            self.told += [f"ended with status {self.status}", *(broken or said.splitlines())[-TOLD:]]


def runs(processes: int, covered: bool, databases: list[str]) -> list[list[Run]]:
    """The whole suite: lists of runs, one after the other in each, the lists beside each other."""
    ignored = [f"--ignore={path}" for path in WAITING]
    waiting, busy = [], []
    for database in databases:
        environment, first = {"TEST_DATABASE": database}, database == "sqlite"
        waiting.append(
            Run(
                f"{database}, tests that wait",
                ["-n", str(PER_PROCESS * processes), *WAITING],
                environment,
                covered=covered and first,
            )
        )
        busy.append(
            Run(
                f"{database}, all others",
                ["-n", str(processes), "tests", *ignored],
                environment,
                nicer=NICER,
                covered=covered and first,
            )
        )
    return [waiting, busy]


def beside(lists: list[list[Run]], folder: Path) -> None:
    """Run lists beside each other, the runs of each one after the other."""

    def each(of: list[Run]) -> None:
        for run in of:
            run(folder)

    threads = [threading.Thread(target=each, args=(of,)) for of in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def again(run: Run, folder: Path) -> None:
    """The second chance of a run: each test that failed alone, so that nothing of one is left for the next; or all of
    it, where it was broken off."""
    if run.status == BROKEN_OFF:
        print(f"\n--- {run.title}: broken off; once more", flush=True)
        run(folder)
    if run.status != 1 or not 0 < len(run.failed) <= FEW:
        return
    print(f"\n--- {run.title}: {len(run.failed)} failed beside others; once more, each alone", flush=True)
    alone = [Run(name, [name], run.environment) for name in run.failed]
    for number, one in enumerate(alone):
        one.title = f"again {number}: {run.failed[number]}".replace("/", ".")[:150]
        one(folder)
    run.status = max(one.status for one in alone)
    passed = [name for name, one in zip(run.failed, alone, strict=True) if not one.status]
    run.failed = [name for name in run.failed if name not in passed]
    run.told += [f"passed only alone, to be mended: {name}" for name in passed]


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from tests.servers import postgres_binaries

    argv = sys.argv[1:]
    kernels = [sys.executable, "-m", "tradingsite.kernels"]
    if status := subprocess.run(kernels, cwd=ROOT, check=False).returncode:
        return status
    has_postgres = postgres_binaries() is not None
    if not has_postgres:
        print("\nPostgreSQL: skipped, this machine has no PostgreSQL server (apt-get install postgresql)")
    databases = ["sqlite", "postgres"] if has_postgres else ["sqlite"]
    covered = bool(os.environ.get("COVERAGE"))
    if argv[:1] == ["-n"] and len(argv) == 2:
        lists = runs(int(argv[1]), covered, databases)
    else:
        lists = [[Run(name, argv, {"TEST_DATABASE": name}, covered=covered and name == "sqlite") for name in databases]]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        beside(lists, folder)
        done = [run for of in lists for run in of]
        for run in done:
            if run.status and os.environ.get("CI"):
                again(run, folder)
        if covered:
            report(folder)
    for run in done:
        print(f"{run.title}: {'passed' if not run.status else f'FAILED, status {run.status}'}")
        for line in [*run.told, *(f"failed: {name}" for name in run.failed)]:
            print(f"    {line}")
    return max(run.status for run in done)


def report(folder: Path) -> None:
    """Which lines no test reached, of all runs together."""
    environment = os.environ | {"COVERAGE_FILE": str(folder / ".coverage")}
    for argv in (["combine", "-q", str(folder)], ["report", "--skip-covered"]):
        subprocess.run([sys.executable, "-m", "coverage", *argv], cwd=ROOT, env=environment, check=False)


if __name__ == "__main__":
    sys.exit(main())
