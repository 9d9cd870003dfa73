"""`python -m bench.chaos`: every fault at random moments, round after round, on both databases; the table of what held.

A fault is what tests marked with its number provoke (`bench/faults.py`); each of them asks at its end for the ledger of
a run that nothing disturbed, or for the venue's. A round that failed is run again alone with CHAOS_ROUNDS and
CHAOS_SEED as printed.
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

from bench.faults import FAULTS

ROOT = Path(__file__).resolve().parents[1]
DATABASES = ("sqlite", "postgres")
SLOWEST = 5


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    options.add_argument("--rounds", type=int, default=20, help="of each fault, on each database")
    options.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    options.add_argument("--faults", nargs="+", type=int, choices=FAULTS, help="only these numbers")
    options.add_argument("--only", default="", help="a pytest -k expression: only these tests")
    options.add_argument("--seed", type=int, default=int(time.time()), help="of the moments at which faults come")
    options.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON file")
    chosen = options.parse_args()
    wanted = sorted(set(chosen.faults or FAULTS))
    cases = [case for database in chosen.databases for case in run(database, chosen, wanted)]
    show(cases, chosen, wanted)
    write(cases, chosen)
    shown = {number for case in cases for number in case["faults"]}
    return 0 if all(case["held"] for case in cases) and shown >= set(wanted) else 1


def run(database: str, chosen: argparse.Namespace, wanted: list[int]) -> list[dict]:
    """One pytest for all rounds on one database: its cases that show a wanted fault and apply to the database."""
    env = dict(os.environ, TEST_DATABASE=database, CHAOS_ROUNDS=str(chosen.rounds), CHAOS_SEED=str(chosen.seed))
    if chosen.faults:
        env["CHAOS_FAULTS"] = " ".join(map(str, wanted))
    with tempfile.TemporaryDirectory() as home:
        report = Path(home, "report.xml")
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "fault",
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit1",
        ]
        argv += ["-k", chosen.only] if chosen.only else []
        subprocess.run([*argv, "tests"], env=env, cwd=ROOT, check=False)
        return cases_of(database, report) if report.exists() else []


def cases_of(database: str, report: Path) -> list[dict]:
    """Each test case that ran: {test, faults, database, held, seconds}."""
    found = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        noted = {each.get("name"): each.get("value", "") for each in case.iter("property")}
        if case.find("skipped") is None and noted.get("faults"):
            held = case.find("failure") is None and case.find("error") is None
            found.append(
                {
                    "test": case.get("name", ""),
                    "faults": [int(number) for number in noted["faults"].split()],
                    "database": database,
                    "held": held,
                    "seconds": float(case.get("time", 0)),
                }
            )
    return found


def show(cases: list[dict], chosen: argparse.Namespace, wanted: list[int]) -> None:
    """One line a fault: how many of its rounds held on each database."""
    by_fault: defaultdict[tuple[int, str], list[dict]] = defaultdict(list)
    for case in cases:
        for number in case["faults"]:
            by_fault[number, case["database"]].append(case)
    rows = [("F", "fault", *chosen.databases, "s a round", "")]
    for number in wanted:
        rounds = [by_fault[number, database] for database in chosen.databases]
        every = [case for each in rounds for case in each]
        held = [f"{sum(case['held'] for case in each)}/{len(each)}" if each else "-" for each in rounds]
        seconds = f"{sum(case['seconds'] for case in every) / len(every):.1f}" if every else ""
        verdict = "not shown" if not every else "held" if all(case["held"] for case in every) else "BROKEN"
        rows.append((str(number), FAULTS[number], *held, seconds, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n")
    for case in cases:
        if not case["held"]:
            sys.stdout.write(f"broken on {case['database']}: {case['test']}\n")
    for database in chosen.databases:
        ran = sorted((c for c in cases if c["database"] == database), key=lambda case: -case["seconds"])
        took = sum(case["seconds"] for case in ran)
        sys.stdout.write(f"{len(ran)} cases in {took / 60:.1f} min on {database}; the slowest:\n")
        for case in ran[:SLOWEST]:
            sys.stdout.write(f"  {case['seconds']:6.1f} s  {case['test']}\n")
    sys.stdout.write(f"seed {chosen.seed}\n")


def write(cases: list[dict], chosen: argparse.Namespace) -> None:
    chosen.out.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    body = {"at": now.isoformat(timespec="seconds"), "seed": chosen.seed, "rounds": chosen.rounds, "cases": cases}
    path = chosen.out / f"chaos-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
