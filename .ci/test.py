"""The whole test suite: on SQLite, then again on PostgreSQL what touches the database. `make test` calls it.

    python .ci/test.py [-n PROCESSES] [pytest arguments]

With COVERAGE=1 the first run also prints which lines of the product no test reached.

On CI a few tests that failed beside others, on two busy cores, are run once more alone. What fails again fails the run;
what then passes is named at the end, because it wants mending.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEW = 5


def run(title: str, *argv: str, **environment: str) -> int:
    print(f"\n--- {title}", flush=True)
    return subprocess.run([sys.executable, *argv], cwd=ROOT, env=os.environ | environment, check=False).returncode


def suite(title: str, *argv: str, **environment: str) -> int:
    """Run pytest; its exit status, or that of the second chance."""
    with tempfile.TemporaryDirectory() as folder:
        failures = Path(folder) / "failed"
        # Tests that wait for real processes are slow and stand together: who is done takes over from who is not.
        sharing = ("--dist", "worksteal") if "-n" in argv else ()
        status = run(title, "-m", "pytest", "-q", *sharing, *argv, FAILED_TESTS=str(failures), **environment)
        failed = sorted(set(failures.read_text("utf-8").splitlines())) if failures.is_file() else []
    if status != 1 or not os.environ.get("CI") or not 0 < len(failed) <= FEW:
        return status
    status = run(
        f"{title}: {len(failed)} failed beside others; once more, alone", "-m", "pytest", "-q", *failed, **environment
    )
    if not status:
        print("\nPASSED ONLY ALONE, to be mended: " + ", ".join(failed))
    return status


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from tests.servers import postgres_binaries

    if status := run("Compiling the kernels for all test processes", "-m", "tradingsite.kernels"):
        return status
    coverage = ["--cov", "--cov-report=term:skip-covered"] if os.environ.get("COVERAGE") else []
    statuses = [suite("Tests on SQLite", *coverage, *sys.argv[1:])]
    if postgres_binaries() is None:
        print("\n--- Tests on PostgreSQL: skipped, this machine has no PostgreSQL server (apt-get install postgresql)")
    else:
        again = suite("Tests on PostgreSQL", *sys.argv[1:], TEST_DATABASE="postgres")
        statuses.append(again)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
