"""Targets and what was reached: a table on the screen, the same as JSON in bench-out/."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One figure. limit: reached while value <= limit; None: told, not judged."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def reached(self) -> bool:
        return self.limit is None or self.value <= self.limit


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def percentiles(what: str, values: list[float], limits: dict[float, float | None]) -> list[Line]:
    """Lines for milliseconds. limits: by share."""
    lines = [
        Line(f"{what}, p{share * 100:g}", percentile(values, share), "ms", limit) for share, limit in limits.items()
    ]
    return [*lines, Line(f"{what}, counted", len(values), "")]


def show(name: str, lines: list[Line], out: Path, **about: object) -> int:
    """Print and write; 1 where a target was missed."""
    rows = [("figure", "value", "target", "")]
    for line in lines:
        limit = "" if line.limit is None else f"{line.limit:,g} {line.unit}"
        verdict = "" if line.limit is None else "reached" if line.reached else "MISSED"
        rows.append((line.what, f"{line.value:,.1f} {line.unit}", limit, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n")
    now, load = dt.datetime.now(dt.UTC), os.getloadavg()
    sys.stdout.write(f"{os.cpu_count()} CPUs, load average {load[0]:.1f} at the end (a busy machine is slower)\n")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"live-{name}-{now:%Y%m%d-%H%M%S}.json"
    machine = {"cpus": os.cpu_count(), "load": load, "python": platform.python_version()}
    body = {"at": now.isoformat(timespec="seconds"), "about": about, "machine": machine}
    path.write_text(json.dumps(body | {"lines": [asdict(line) for line in lines]}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")
    return 0 if all(line.reached for line in lines) else 1
