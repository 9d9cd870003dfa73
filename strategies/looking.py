"""What condition trees say about a series of bars, ready for a chart and a list. Plain Python and NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from strategies import catalogue, conditions
from strategies.base import utc

if TYPE_CHECKING:
    from engine import Bars

MOST_CANDLES, MOST_LISTED = 2_000, 2_000
SECOND = 1_000_000_000


def look(trees: Mapping[str, Any], bars: Bars, explain_at: Sequence[int | str] = ()) -> dict[str, Any]:
    """Where each tree is true on `bars`, and why on the bars of `explain_at`.

    trees: canonical ones by name (buy, sell, short, cover), None where there is none. explain_at: indexes of bars or
    ISO starts of bars. ``{"symbol", "timeframe", "chart": candles and indicator lines (beyond 2,000 bars several share
    a candle), "signals": {name: {"count", "listed", "indexes", "times" (starts of bars, ISO)}} the
    newest 2,000 of each, "actions": {"BUY": n, …} what the trees together come to, "warmup": bars, "sentences",
    "explained": [{"index", "time", "close", "trees": {name: explained tree}}]}``. Raises InputError for a place of
    `explain_at` that is no bar.
    """
    places = _places(bars, explain_at)
    strategy = catalogue.get("conditions")(**trees)
    given = {name: tree for name, tree in trees.items() if tree is not None}
    codes, counts = np.unique(strategy.signals(bars), return_counts=True)
    by_code = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    why = {name: conditions.explain(tree, bars, places) for name, tree in given.items()} if places else {}
    return {
        "symbol": bars.symbol,
        "timeframe": bars.timeframe,
        "chart": candles(bars, strategy.overlays(bars)),
        "signals": {name: _matches(conditions.evaluate(tree, bars), bars) for name, tree in given.items()},
        "actions": {word: by_code.get(code, 0) for code, word in _ACTIONS.items()},
        "warmup": strategy.warmup(),
        "sentences": conditions.sentences(trees),
        "explained": [
            {
                "index": place,
                "time": _iso(int(bars.ts[place])),
                "close": float(bars.close[place]),
                "trees": {name: told[i] for name, told in why.items()},
            }
            for i, place in enumerate(places)
        ],
    }


def candles(bars: Bars, overlays: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """At most 2,000 candles with the indicator lines at their last bars.

    ``{"time": [Unix s], "open", "high", "low", "close", "volume", "bars": how many there are, "bars_per_candle",
    "overlays": [{"name", "label", "pane", "values"}]}``. Of bars that share a candle: first open, highest high, lowest
    low, last close, summed volume.
    """
    n = len(bars)
    step = max(1, -(-n // MOST_CANDLES))
    first = np.arange(0, n, step)
    last = np.minimum(first + step, n) - 1
    return {
        "time": (bars.ts[first] // SECOND).tolist(),
        "open": _plain(bars.open[first]),
        "high": _plain(np.maximum.reduceat(bars.high, first)),
        "low": _plain(np.minimum.reduceat(bars.low, first)),
        "close": _plain(bars.close[last]),
        "volume": _plain(np.add.reduceat(bars.volume, first)),
        "bars": n,
        "bars_per_candle": step,
        "overlays": [
            {**{key: line[key] for key in ("name", "label", "pane")}, "values": _plain(line["values"][last])}
            for line in overlays
        ],
    }


# What the signal codes of `strategies.base` come to.
_ACTIONS = {1: "BUY", -1: "SELL", -2: "EXIT_LONG", 2: "EXIT_SHORT", -3: "EXIT"}


def _matches(true: NDArray[np.bool_], bars: Bars) -> dict[str, Any]:
    at = np.flatnonzero(true)
    listed = at[-MOST_LISTED:]
    return {
        "count": len(at),
        "listed": len(listed),
        "indexes": listed.tolist(),
        "times": [_iso(ts) for ts in bars.ts[listed].tolist()],
    }


def _places(bars: Bars, asked: Sequence[int | str]) -> list[int]:
    found, faults = [], []
    for i, place in enumerate(asked):
        path = f"explain_at[{i}]"
        if isinstance(place, str):
            since = datetime.fromisoformat(place) - utc(0)
            ts = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000
            at = int(np.searchsorted(bars.ts, ts))
            if at == len(bars) or int(bars.ts[at]) != ts:
                faults.append(Fault(path, "not_found", f"No bar starts at {place}", "Name the start of a bar, in UTC"))
                continue
        elif place >= len(bars):
            text = f"There is no bar {place}"
            faults.append(Fault(path, "out_of_range", text, f"From 0 to {len(bars) - 1}"))
            continue
        else:
            at = place
        found.append(at)
    if faults:
        raise InputError(faults)
    return found


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.10g}") if np.isfinite(value) else None for value in values.tolist()]


def _iso(ns: int) -> str:
    return utc(ns).isoformat().replace("+00:00", "Z")
