"""`python -m bench.chaos`: every fault at random moments, round after round, on both databases; the table of what held.

A fault is what tests marked with its number provoke (`bench/faults.py`); each of them asks at its end for the ledger of
a run that nothing disturbed, or for the venue's. A round is every test of a fault once; what never asks for a database
has no moment to draw, runs once, on SQLite, and counts in each round there. A round that failed is run again alone with
CHAOS_ROUNDS and CHAOS_SEED as printed.

Given the JSON files of runs that are over, prints the table of all of them together and runs nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from bench.faults import FAULTS

ROOT = Path(__file__).resolve().parents[1]
DATABASES = ("sqlite", "postgres")
MARK = "mark.fault("
SLOWEST = 5
INTERRUPTED = 2  # how pytest says so


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    options.add_argument("files", nargs="*", type=Path, help="JSON of runs that are over: their table, no run")
    options.add_argument("--rounds", type=int, default=20, help="of each fault, on each database")
    options.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    options.add_argument("--faults", nargs="+", type=numbers, help="only these: 9, or 1-6 9")
    options.add_argument("--only", default="", help="a pytest -k expression: only these tests")
    options.add_argument("--seed", type=int, default=int(time.time()), help="of the moments at which faults come")
    options.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON and of the table")
    chosen = options.parse_args()
    wanted = sorted({number for each in chosen.faults or [FAULTS] for number in each})
    if chosen.files:
        cases = [case for file in chosen.files for case in json.loads(file.read_text("utf-8"))["cases"]]
        sys.stdout.write(table(cases, chosen.databases, wanted))
    else:
        cases, interrupted = [], False
        for database in chosen.databases:
            if not interrupted:
                ran, interrupted = run(database, chosen, wanted)
                cases += ran
        write(cases, chosen, wanted)
    shown = {(number, case["database"]) for case in cases for number in case["faults"]}
    complete = all((number, database) in shown for number in wanted for database in chosen.databases)
    return 0 if complete and all(case["held"] for case in cases) else 1


def numbers(asked: str) -> range:
    """The faults that "9" or "1-6" names."""
    first, _, last = asked.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise argparse.ArgumentTypeError(f"{asked!r} is neither a number nor a range like 1-6")
    named = range(int(first), int(last or first) + 1)
    if not named or not {*named} <= {*FAULTS}:
        raise argparse.ArgumentTypeError(f"{asked}: faults are {min(FAULTS)} to {max(FAULTS)}")
    return named


def run(database: str, chosen: argparse.Namespace, wanted: list[int]) -> tuple[list[dict], bool]:
    """One pytest for all rounds on one database: its cases that show a wanted fault and apply to the database, and
    whether Ctrl-C ended it before its time."""
    env = dict(os.environ, TEST_DATABASE=database, CHAOS_ROUNDS=str(chosen.rounds), CHAOS_SEED=str(chosen.seed))
    env["CHAOS_FAULTS"] = " ".join(map(str, wanted))
    # Only the files that provoke a fault: to read all tests takes longer than some faults.
    files = [str(path) for path in sorted(Path(ROOT, "tests").rglob("test_*.py")) if MARK in path.read_text("utf-8")]
    with tempfile.TemporaryDirectory() as home:
        report = Path(home, "report.xml")
        argv = [sys.executable, "-m", "pytest", "-q", "-m", "fault", f"--junitxml={report}"]
        argv += ["-o", "junit_family=xunit1", *files]
        argv += ["-k", chosen.only] if chosen.only else []
        with subprocess.Popen(argv, env=env, cwd=ROOT) as suite:
            try:
                status = suite.wait()
            except KeyboardInterrupt:
                status = suite.wait()  # it hears of it, too, and still writes down what it has
        cases = cases_of(database, report, chosen.seed, wanted) if report.exists() else []
        return cases, status == INTERRUPTED


def cases_of(database: str, report: Path, seed: int, wanted: Collection[int]) -> list[dict]:
    """Each test case that ran: {test, faults, database, seed, round (None: it has none), held, seconds}.

    faults: the wanted ones that it shows. Of the others it shows a part, and a part is no round.
    """
    found = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        noted = {each.get("name"): each.get("value", "") for each in case.iter("property")}
        if case.find("skipped") is None and noted.get("faults"):
            held = case.find("failure") is None and case.find("error") is None
            drawn = re.search(r"\bround(\d+)\b", case.get("name", ""))
            found.append(
                {
                    "test": case.get("name", ""),
                    "faults": [int(number) for number in noted["faults"].split() if int(number) in wanted],
                    "database": database,
                    "seed": seed,
                    "round": int(drawn[1]) if drawn else None,
                    "held": held,
                    "seconds": float(case.get("time", 0)),
                }
            )
    return found


def table(cases: list[dict], databases: Sequence[str], wanted: list[int]) -> str:
    """One line a fault: how many of its rounds held on each database. Below it what broke, and what took longest."""
    by_fault: defaultdict[tuple[int, str], list[dict]] = defaultdict(list)
    for case in cases:
        for number in case["faults"]:
            by_fault[number, case["database"]].append(case)
    rows = [("F", "fault", *databases, "cases", "s a case", "")]
    for number in wanted:
        each = [by_fault[number, database] for database in databases]
        every = [case for some in each for case in some]
        seconds = f"{sum(case['seconds'] for case in every) / len(every):.1f}" if every else ""
        missing = [database for database, some in zip(databases, each, strict=True) if not some]
        held = all(case["held"] for case in every)
        verdict = "BROKEN" if not held else f"not shown on {', '.join(missing)}" if missing else "held"
        rows.append((str(number), FAULTS[number], *map(rounds_held, each), str(len(every)), seconds, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        f"broken on {case['database']}: {case['test']}, seed {case['seed']}" for case in cases if not case["held"]
    ]
    for database in databases:
        ran = sorted((c for c in cases if c["database"] == database), key=lambda case: -case["seconds"])
        took = sum(case["seconds"] for case in ran)
        lines.append(f"{len(ran)} cases in {took / 60:.1f} min on {database}; the slowest:")
        lines += [f"  {case['seconds']:6.1f} s  {case['test']}" for case in ran[:SLOWEST]]
    return "\n".join(lines) + "\n"


def rounds_held(cases: list[dict]) -> str:
    """ "19/20": a round is held if each of its cases is, those without a round of their own among them."""
    rounds: defaultdict[tuple[int, int], list[bool]] = defaultdict(list)
    for case in cases:
        if case["round"] is not None:
            rounds[case["seed"], case["round"]].append(case["held"])
    for seed in {case["seed"] for case in cases} - {seed for seed, _ in rounds}:
        rounds[seed, 0] = []
    for case in cases:
        for (seed, _), held in rounds.items():
            if case["round"] is None and seed == case["seed"]:
                held.append(case["held"])
    return f"{sum(map(all, rounds.values()))}/{len(rounds)}" if rounds else "-"


def write(cases: list[dict], chosen: argparse.Namespace, wanted: list[int]) -> None:
    """Print the table; keep it and the cases it is made of."""
    now = dt.datetime.now(dt.UTC)
    text = table(cases, chosen.databases, wanted) + f"seed {chosen.seed}\n"
    body = {"at": now.isoformat(timespec="seconds"), "seed": chosen.seed, "rounds": chosen.rounds, "cases": cases}
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / f"chaos-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".txt").write_text(text, encoding="utf-8")
    sys.stdout.write(f"\n{text}{path} (and .txt)\n")


if __name__ == "__main__":
    sys.exit(main())
