"""The whole test suite: on SQLite, then again on PostgreSQL what touches the database. `make test` calls it.

    python .ci/test.py [-n PROCESSES] [pytest arguments]

With COVERAGE=1 the first run also prints which lines of the product no test reached.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(title: str, *argv: str, **environment: str) -> int:
    print(f"\n--- {title}", flush=True)
    return subprocess.run([sys.executable, *argv], cwd=ROOT, env=os.environ | environment, check=False).returncode


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from tests.servers import postgres_binaries

    if status := run("Compiling the kernels for all test processes", "-m", "tradingsite.kernels"):
        return status
    coverage = ["--cov", "--cov-report=term:skip-covered"] if os.environ.get("COVERAGE") else []
    statuses = [run("Tests on SQLite", "-m", "pytest", "-q", *coverage, *sys.argv[1:])]
    if postgres_binaries() is None:
        print("\n--- Tests on PostgreSQL: skipped, this machine has no PostgreSQL server (apt-get install postgresql)")
    else:
        again = run("Tests on PostgreSQL", "-m", "pytest", "-q", *sys.argv[1:], TEST_DATABASE="postgres")
        statuses.append(again)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
