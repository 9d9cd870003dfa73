"""What is kept of a finished run for pages, API and exports: arrays with fixed columns, and dicts ready for JSON.

numpy only: the web process reads these shapes without loading the engine's compiled part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.errors import Fault, InputError
from engine.result import iso_times
from engine.types import BUY, REASON_NAMES, SELL

# Names of the columns of a round trip for people and programs outside, and where the engine keeps them.
TRADE_COLUMNS = {
    "symbol": "symbol",
    "side": "side",
    "qty": "qty",
    "entry_time": "entry_ts",
    "entry_px": "entry_px",
    "exit_time": "exit_ts",
    "exit_px": "exit_px",
    "pnl_net": "pnl_net",
    "return_pct": "",
    "commission": "commission",
    "slippage": "slippage",
    "bars_held": "bars",
    "exit_reason": "exit_reason",
}
CHART_POINTS = 4_000
MAX_MARKERS = 2_000
SIDES = {BUY: "LONG", SELL: "SHORT"}


def seconds(ts: np.ndarray) -> list[int]:
    """int64 ns UTC as Unix seconds, what the chart libraries take."""
    return (ts // 1_000_000_000).tolist()


def finite(values: np.ndarray, digits: int = 10) -> list[float | None]:
    """Floats for JSON: NaN and infinities become None; `digits` significant digits are more than a chart can show."""
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in values.tolist()]


def kept(values: np.ndarray, limit: int = CHART_POINTS) -> np.ndarray:
    """Indices of at most `limit` points that keep the line's look: the lowest and highest of each bucket, both ends."""
    n = len(values)
    if n <= limit:
        return np.arange(n)
    size = -(-n // ((limit - 4) // 2))
    whole = n // size * size
    blocks = values[:whole].reshape(-1, size)
    starts = np.arange(0, whole, size)
    chosen = [np.array([0]), starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1), np.array([n - 1])]
    if whole < n:
        rest = values[whole:]
        chosen.append(np.array([whole + rest.argmin(), whole + rest.argmax()]))
    return np.unique(np.concatenate(chosen))


def drawdown_pct(equity: np.ndarray, starting_cash: float) -> np.ndarray:
    """Percent below the highest closing mark so far, the initial cash included; 0 or negative."""
    peak = np.maximum(np.maximum.accumulate(equity), starting_cash)
    return (equity / peak - 1.0) * 100.0


def equity_chart(
    ts: np.ndarray, equity: np.ndarray, benchmark: np.ndarray | None, starting_cash: float, benchmark_label: str
) -> dict[str, Any]:
    """Series of the result page.

    ``{"time": [Unix s], "equity": [money], "drawdown_pct": [≤ 0], "benchmark": [money] | None, "benchmark_label": str,
    "starting_cash": float, "points": int before decimation, "decimated": bool}``; all lists have the same length.
    """
    index = kept(equity)
    return {
        "time": seconds(ts[index]),
        "equity": finite(equity[index]),
        "drawdown_pct": finite(drawdown_pct(equity, starting_cash)[index], 6),
        "benchmark": None if benchmark is None else finite(benchmark[index]),
        "benchmark_label": benchmark_label,
        "starting_cash": starting_cash,
        "points": len(ts),
        "decimated": len(index) < len(ts),
    }


def rebased(chart: Mapping[str, Any], limit: int = 1_000) -> dict[str, Any]:
    """The equity of an `equity_chart`, 100 at the start, for laying several runs over each other."""
    values = np.array(chart["equity"], dtype=float)
    index = kept(values, limit)
    time = np.array(chart["time"])
    return {"time": time[index].tolist(), "value": finite(values[index] / chart["starting_cash"] * 100.0, 8)}


def price_chart(
    symbol: str,
    ts: np.ndarray,
    ohlcv: Sequence[np.ndarray],
    overlays: Sequence[Mapping[str, Any]],
    fills: np.ndarray,
) -> dict[str, Any]:
    """Candles of one symbol with what the strategy saw and did.

    ``{"symbol", "time": [Unix s], "open", "high", "low", "close", "volume": [float], "overlays": [{"name", "label",
    "pane": "price" | "own", "values": [float | None]}], "trades": [{"time", "price", "qty" (signed), "entry": bool,
    "reason"}], "trades_total": int, "bars": int before decimation, "bars_per_candle": int}``. Beyond 4,000 bars several
    share a candle (first open, highest high, lowest low, last close, summed volume; an overlay's last value) and a
    trade is drawn on the candle that holds its bar. The newest 2,000 trades are listed.
    """
    n = len(ts)
    step = max(1, -(-n // CHART_POINTS))
    starts = np.arange(0, n, step)
    ends = np.minimum(starts + step, n) - 1
    opened, high, low, close, volume = ohlcv
    times = ts[starts]
    shown = fills[-MAX_MARKERS:]
    at = np.clip(np.searchsorted(times, shown["ts"], side="right") - 1, 0, max(len(times) - 1, 0))
    signed = shown["qty"] * shown["side"]
    return {
        "symbol": symbol,
        "time": seconds(times),
        "open": finite(opened[starts]),
        "high": finite(np.maximum.reduceat(high, starts)),
        "low": finite(np.minimum.reduceat(low, starts)),
        "close": finite(close[ends]),
        "volume": finite(np.add.reduceat(volume, starts)),
        "overlays": [
            {
                "name": entry["name"],
                "label": entry["label"],
                "pane": entry["pane"],
                "values": finite(np.asarray(entry["values"], dtype=float)[ends], 8),
            }
            for entry in overlays
        ],
        "trades": [
            {"time": time, "price": price, "qty": qty, "entry": bool(entry), "reason": REASON_NAMES[reason]}
            for time, price, qty, entry, reason in zip(
                seconds(times[at]),
                shown["px"].tolist(),
                signed.tolist(),
                shown["entry"].tolist(),
                shown["reason"].tolist(),
                strict=True,
            )
        ],
        "trades_total": len(fills),
        "bars": n,
        "bars_per_candle": step,
    }


def monthly_returns(days: np.ndarray, equity: np.ndarray, starting_cash: float) -> list[dict[str, Any]]:
    """Return of each calendar month (UTC) and year, from the last mark of each month.

    days: datetime64[D], ascending. ``[{"year": 2010, "months": [12 × percent | None], "year_pct": percent}]``.
    """
    if not len(days):
        return []
    months = days.astype("datetime64[M]").astype(np.int64)
    last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    marks = equity[last]
    returns = (marks / np.concatenate(([starting_cash], marks[:-1])) - 1.0) * 100.0
    table: dict[int, list[float | None]] = {}
    for month, value in zip(months[last].tolist(), finite(returns, 6), strict=True):
        year = 1970 + month // 12
        table.setdefault(year, [None] * 12)[month % 12] = value
    rows, before = [], starting_cash
    years = 1970 + months[last] // 12
    for year, cells in table.items():
        end = float(marks[np.flatnonzero(years == year)[-1]])
        rows.append(
            {"year": year, "months": cells, "year_pct": round((end / before - 1.0) * 100.0, 6) if before else None}
        )
        before = end
    return rows


def histogram(equity: np.ndarray, starting_cash: float, bins: int = 41) -> dict[str, list[float]]:
    """Daily returns counted in equal bins: ``{"edges_pct": [bins + 1], "counts": [bins]}``; empty lists for none."""
    marks = np.concatenate(([starting_cash], equity))
    returns = (marks[1:] / marks[:-1] - 1.0) * 100.0
    returns = returns[np.isfinite(returns)]
    if not len(returns):
        return {"edges_pct": [], "counts": []}
    # The outermost bins take the tails, so that one crash day does not squeeze all others into one bar.
    reach = max(float(np.percentile(np.abs(returns), 99.5)), 0.01)
    counts, edges = np.histogram(np.clip(returns, -reach, reach), bins=bins, range=(-reach, reach))
    return {"edges_pct": [round(e, 6) for e in edges.tolist()], "counts": counts.tolist()}


def return_pct(trips: np.ndarray) -> np.ndarray:
    """Net profit of each round trip in percent of what its entry cost."""
    return trips["pnl_net"] / (trips["entry_px"] * trips["qty"]) * 100.0


def select(trips: np.ndarray, symbols: Sequence[str], sort: str, filters: Mapping[str, str]) -> np.ndarray:
    """Round trips that pass the filters, sorted; see `backtests.selectors.round_trips` for what is allowed.

    symbols: the run's, in the engine's (alphabetical) order, so that sorting by index is sorting by name.
    """
    keep = np.ones(len(trips), dtype=bool)
    for name, wanted in filters.items():
        if name == "symbol":
            keep &= trips["symbol"] == (list(symbols).index(wanted) if wanted in symbols else -1)
        elif name == "side" and wanted in SIDES.values():
            keep &= trips["side"] == (BUY if wanted == "LONG" else SELL)
        elif name == "result" and wanted in ("win", "loss"):
            keep &= (trips["pnl_net"] > 0) if wanted == "win" else (trips["pnl_net"] <= 0)
        elif name == "exit_reason":
            keep &= trips["exit_reason"] == (REASON_NAMES.index(wanted) if wanted in REASON_NAMES else -1)
        else:
            hint = "symbol=…, side=LONG|SHORT, result=win|loss, exit_reason=…"
            raise InputError(Fault(name[:60], "unknown_choice", f"{wanted[:60]!r} is no filter here", hint))
    chosen = trips[keep]
    column = sort.removeprefix("-")
    if column not in TRADE_COLUMNS:
        hint = f"One of: {', '.join(TRADE_COLUMNS)}"
        raise InputError(Fault("sort", "unknown_choice", f"{sort[:60]!r} is no column", hint))
    key = return_pct(chosen) if column == "return_pct" else chosen[TRADE_COLUMNS[column]]
    if not sort.startswith("-"):
        return chosen[np.argsort(key, kind="stable")]
    # Sorting the reversed column and reversing that keeps ties in order of exit here, too.
    return chosen[len(key) - 1 - np.argsort(key[::-1], kind="stable")[::-1]]


def round_trip_rows(trips: np.ndarray, symbols: Sequence[str]) -> list[dict[str, Any]]:
    """Round trips for tables and JSON.

    ``[{"symbol", "side": "LONG" | "SHORT", "qty", "entry_time", "entry_px", "exit_time", "exit_px", "pnl_net",
    "return_pct", "commission", "slippage", "bars_held", "exit_reason"}]``; times ISO-8601 UTC, start of the bar of the
    first and of the last fill; prices averaged over the fills; pnl_net after all costs; bars_held in decision bars.
    """
    columns = {name: trips[field].tolist() for name, field in TRADE_COLUMNS.items() if field}
    columns["symbol"] = [symbols[i] for i in columns["symbol"]]
    columns["side"] = [SIDES[side] for side in columns["side"]]
    columns["entry_time"], columns["exit_time"] = iso_times(trips["entry_ts"]), iso_times(trips["exit_ts"])
    columns["exit_reason"] = [REASON_NAMES[code] for code in columns["exit_reason"]]
    columns["return_pct"] = return_pct(trips).tolist()
    return [
        dict(zip(TRADE_COLUMNS, row, strict=True))
        for row in zip(*(columns[name] for name in TRADE_COLUMNS), strict=True)
    ]


def export_json(head: Mapping[str, Any], equity: np.ndarray, batch: int = 5_000) -> Iterator[str]:
    """`engine.Result.to_dict()` as JSON text in pieces; `head` is that dict made without equity rows.

    A million equity points as Python objects would take a web process hundreds of megabytes; so they are written a
    few thousand at a time.
    """
    yield "{"
    for number, (name, value) in enumerate(head.items()):
        yield f"{', ' if number else ''}{json.dumps(name)}: "
        if name != "equity":
            yield json.dumps(value, allow_nan=False)
            continue
        yield "["
        for start in range(0, len(equity), batch):
            rows = equity[start : start + batch]
            pairs = zip(iso_times(rows["ts"]), rows["equity"].tolist(), strict=True)
            text = ", ".join(json.dumps(pair, allow_nan=False) for pair in pairs)
            yield f"{', ' if start else ''}{text}"
        yield "]"
    yield "}"
