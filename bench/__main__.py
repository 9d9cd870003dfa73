"""`python -m bench`: a table on the screen, and the same as JSON in bench-out/. Ends with 1 if a target is missed."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

HEAD = ("work", "best ms", "median ms", "limit ms", "× floor", "limit", "")
LINES = ("year", "days", "million", "symbols", "steps", "trees", "grid", "sweep", "fresh")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument(
        "--repeats", type=int, default=60, help="warm runs of the one-symbol lines (fewer of the rest)"
    )
    options.add_argument("--out", type=Path, default=Path("bench-out"), help="directory of the JSON file")
    options.add_argument(
        "--lines", nargs="+", choices=LINES, default=LINES, help="only these lines (year is always run)"
    )
    chosen = options.parse_args()

    from bench import measure

    year = measure.minutes(chosen.repeats)
    others = {
        "days": lambda: measure.days(chosen.repeats),
        "million": lambda: measure.million(chosen.repeats, year),
        "symbols": lambda: measure.many_symbols(chosen.repeats),
        "steps": lambda: measure.bar_by_bar(chosen.repeats),
        "trees": lambda: measure.trees(chosen.repeats),
        "grid": lambda: measure.grid(chosen.repeats, year),
        "sweep": measure.sweep,
        "fresh": lambda: measure.fresh_process(chosen.repeats),
    }
    lines = [year, *(make() for name, make in others.items() if name in chosen.lines)]
    show(lines)
    write(lines, chosen.out)
    return 0 if all(line.reached for line in lines) else 1


def show(lines: list) -> None:
    rows = [HEAD]
    for line in lines:
        floors = "" if line.floors is None else f"{line.floors:.2f}"
        limit = "" if line.limit_floors is None else f"{line.limit_floors:.1f}"
        verdict = "reached" if line.reached else "MISSED"
        rows.append(
            (
                line.work,
                f"{line.best_ms:,.2f}",
                f"{line.median_ms:,.2f}",
                f"{line.limit_ms:,.0f}",
                floors,
                limit,
                verdict,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells))
    print()
    for line in lines:
        notes = ", ".join(f"{name} {value:,.1f}" for name, value in line.notes.items())
        print(f"{line.work}: best and median of {line.repeats} warm runs; {notes}")
        for failure in line.failures:
            print(f"  {failure}")
    print("The floor is bench/floor.py: one bare compiled loop with the same trades, equity and metrics.")


def write(lines: list, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(tz=dt.UTC)
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg(),
        **{name: metadata.version(name) for name in ("numpy", "numba")},
    }
    report = {"at": now.isoformat(timespec="seconds"), "machine": machine, "lines": [line.as_dict() for line in lines]}
    path = directory / f"bench-{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"Written to {path}")


if __name__ == "__main__":
    sys.exit(main())
