"""`python -m bench.chaos`: every fault at random moments, round after round, on both databases; the table of what held.

The faults are tests (`tests/bots/host/test_chaos*.py`): each asks at its end for the ledger of a run that nothing
disturbed. A round that failed is run again alone with CHAOS_ROUNDS and CHAOS_SEED as printed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = "tests/bots/host"
DATABASES = ("sqlite", "postgres")
HEAD = ("fault", "database", "rounds", "passed", "seconds a round", "")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    options.add_argument("--rounds", type=int, default=20, help="of each fault, on each database")
    options.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    options.add_argument("--only", default="", help="a pytest -k expression: only these faults")
    options.add_argument("--seed", type=int, default=int(time.time()), help="of the moments at which faults come")
    options.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON file")
    chosen = options.parse_args()
    lines = []
    for database in chosen.databases:
        lines += run(database, chosen.rounds, chosen.seed, chosen.only)
    show(lines, chosen.seed)
    write(lines, chosen)
    return 0 if lines and all(line["passed"] == line["rounds"] for line in lines) else 1


def run(database: str, rounds: int, seed: int, only: str) -> list[dict]:
    """One pytest for all rounds on one database; a line for each fault."""
    env = dict(os.environ, TEST_DATABASE=database, CHAOS_ROUNDS=str(rounds), CHAOS_SEED=str(seed))
    with tempfile.TemporaryDirectory() as home:
        report = Path(home, "report.xml")
        argv = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-o", "junit_family=xunit1"]
        argv += ["-k", f"chaos and ({only})" if only else "chaos", TESTS]
        subprocess.run(argv, env=env, cwd=ROOT, check=False)
        return lines_of(database, report) if report.exists() else []


def lines_of(database: str, report: Path) -> list[dict]:
    """Rounds, passes and seconds by fault. What does not apply to a database is left out."""
    faults: defaultdict[str, list[tuple[bool, float]]] = defaultdict(list)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        name, _, rest = case.get("name", "").partition("[")
        parts = [part for part in rest.rstrip("]").split("-") if part and not part.startswith("round")]
        if case.find("skipped") is None:
            held = case.find("failure") is None and case.find("error") is None
            faults[" ".join([name.removeprefix("test_").replace("_", " "), *parts])].append(
                (held, float(case.get("time", 0)))
            )
    return [
        {
            "fault": fault,
            "database": database,
            "rounds": len(rounds),
            "passed": sum(held for held, _ in rounds),
            "seconds": round(sum(seconds for _, seconds in rounds) / len(rounds), 2),
        }
        for fault, rounds in faults.items()
    ]


def show(lines: list[dict], seed: int) -> None:
    rows = [HEAD]
    for line in lines:
        verdict = "held" if line["passed"] == line["rounds"] else "BROKEN"
        figures = (str(line["rounds"]), str(line["passed"]), f"{line['seconds']:.1f}")
        rows.append((line["fault"], line["database"], *figures, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n")
    sys.stdout.write(f"seed {seed}\n")


def write(lines: list[dict], chosen: argparse.Namespace) -> None:
    chosen.out.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    body = {"at": now.isoformat(timespec="seconds"), "seed": chosen.seed, "lines": lines}
    path = chosen.out / f"chaos-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
