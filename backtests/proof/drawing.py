"""The small charts of a passport as coordinates for inline SVG: no script, no library, the page's own colours.

Every chart lies in a box of `WIDTH` × `HEIGHT`; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from backtests.proof.judging import FAILS_UNDER
from backtests.proof.sharpe import SURE

WIDTH, HEIGHT = 320, 120
_STEPS: Final = 3  # shades of a strip to either side


def drawn(chart: Mapping[str, Any]) -> dict[str, Any]:
    """What a template draws of a finding's chart, with its `kind`, `width` and `height`; {} for none."""
    if not chart:
        return {}
    return {"kind": chart["kind"], "width": WIDTH, "height": HEIGHT, **_DRAWERS[chart["kind"]](chart)}


def _fan(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Two bands, the middle line, the path that happened; the level of the start."""
    bands, path = chart["bands"], chart["path"]
    y = _scale([*bands["5"], *bands["95"], *path, 1.0])
    x = [share * WIDTH for share in chart["at"]]

    def line(values: Sequence[float]) -> list[tuple[float, float]]:
        return list(zip(x, map(y, values), strict=True))

    return {
        "outer": _points(line(bands["5"]) + line(bands["95"])[::-1]),
        "inner": _points(line(bands["25"]) + line(bands["75"])[::-1]),
        "middle": _points(line(bands["50"])),
        "path": _points(line(path)),
        "start": _at(y(1.0)),
    }


def _histogram(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Bars, and the mark of what happened, drawn at the edge where it lies outside."""
    counts, edges, mark = chart["counts"], chart["edges"], chart["mark"]
    low, high = min(edges[0], mark), max(edges[-1], mark)
    span = (high - low) or 1.0
    top = max(counts) or 1

    def x(value: float) -> float:
        return (value - low) / span * (WIDTH - 2) + 1

    bars = [
        {
            "x": _at(x(left)),
            "y": _at(HEIGHT - count / top * (HEIGHT - 4)),
            "width": _at(max(x(right) - x(left) - 0.5, 0.5)),
            "height": _at(count / top * (HEIGHT - 4)),
        }
        for count, left, right in zip(counts, edges, edges[1:], strict=False)
    ]
    return {"bars": bars, "mark": _at(x(mark)), "low": low, "high": high}


def _windows(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Of each window the Sharpe ratio in training and, beside it, in the test."""
    rows = chart["windows"]
    y = _scale([row[name] for row in rows for name in ("in_sample", "out_of_sample")] + [0.0])
    slot = WIDTH / len(rows)
    pairs = [
        {
            "trained": _bar(k * slot + slot * 0.14, slot * 0.32, row["in_sample"], y),
            "tested": _bar(k * slot + slot * 0.54, slot * 0.32, row["out_of_sample"], y),
            "won": row["out_of_sample"] > 0,
        }
        for k, row in enumerate(rows)
    ]
    return {"pairs": pairs, "zero": _at(y(0.0)), "rows": rows}


def _bars(chart: Mapping[str, Any]) -> dict[str, Any]:
    rows = chart["rows"]
    y = _scale([row["value"] for row in rows] + [0.0])
    slot = WIDTH / len(rows)
    bars = [
        {**_bar(k * slot + slot * 0.25, slot * 0.5, row["value"], y), "won": row["value"] > 0}
        for k, row in enumerate(rows)
    ]
    return {"bars": bars, "zero": _at(y(0.0)), "rows": rows}


def _strip(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Of each parameter its neighbours from low to high, shaded by what they keep of the chosen one's Sharpe ratio."""
    own = chart["own"]
    rows = []
    for row in chart["rows"]:
        cells = [{**cell, "shade": _shade(cell["sharpe"], own)} for cell in row["cells"]]
        below = [cell for cell in cells if cell["steps"] < 0]
        above = [cell for cell in cells if cell["steps"] > 0]
        rows.append({"label": row["label"], "below": below, "above": above})
    return {"rows": rows, "own": own}


def _gauge(chart: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "value": _at(chart["value"] * WIDTH),
        "passes": _at(SURE * WIDTH),
        "fails": _at(FAILS_UNDER * WIDTH),
        "height": 28,
    }


def _shade(value: float, own: float) -> str:
    """Three steps each way: up to a third, two thirds, and all of the chosen one's; below zero the same downwards."""
    if own <= 0 or value == 0:
        return ""
    step = min(1 + int(abs(value) / own * _STEPS), _STEPS)
    return f"{'up' if value > 0 else 'down'}{step}"


def _bar(x: float, width: float, value: float, y: Callable[[float], float]) -> dict[str, str]:
    top, foot = sorted((y(value), y(0.0)))
    return {"x": _at(x), "y": _at(top), "width": _at(width), "height": _at(max(foot - top, 1.0))}


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return lambda value: HEIGHT - 3 - (value - low) / span * (HEIGHT - 6)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_at(x)},{_at(y)}" for x, y in places)


def _at(value: float) -> str:
    """A coordinate as text, whatever the page's language writes for a decimal point."""
    return f"{value:.1f}"


_DRAWERS: Final[dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "fan": _fan,
    "histogram": _histogram,
    "windows": _windows,
    "bars": _bars,
    "strip": _strip,
    "gauge": _gauge,
}
