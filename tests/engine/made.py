"""Made bars and signals for tests: small tables by hand, and seeded random ones with many price ties."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import Bars, Costs, Result, Rules, simulate
from engine.types import SIGNAL, TIMEFRAMES

START = 1_577_836_800_000_000_000  # 2020-01-01T00:00Z, a Wednesday


def bars_of(
    rows: list[tuple[float, ...]],
    *,
    symbol: str = "A",
    timeframe: str = "1d",
    calendar: str = "24/7",
    **instrument: Any,
) -> Bars:
    """Bars from rows (open, high, low, close[, volume]), one after the other from 2020-01-01 on."""
    table = np.array([row if len(row) == 5 else (*row, 1_000_000.0) for row in rows], dtype=float)
    ts = START + np.arange(len(table)) * TIMEFRAMES[timeframe]
    return Bars(symbol, timeframe, calendar, ts, *table.T.copy(), **instrument)


def flat(price: float, count: int) -> list[tuple[float, ...]]:
    """Rows of a market that does not move."""
    return [(price, price, price, price)] * count


def run(rows: list[tuple[float, ...]], signals: list[int] | np.ndarray, rules: Rules, **options: Any) -> Result:
    """Simulate one symbol "A"; `options`: costs, cash, timeframe, calendar, lot_size …"""
    costs, cash = options.pop("costs", Costs()), options.pop("cash", 100_000.0)
    bars = bars_of(rows, **options)
    answer = np.asarray(signals) if isinstance(signals, np.ndarray) else np.array(signals, dtype=np.int8)
    return simulate({"A": bars}, {"A": answer}, rules=rules, costs=costs, starting_cash=cash)


def orders_of(*signals: dict[str, float]) -> np.ndarray:
    """Structured signals, one a bar; fields that are not named are NaN, action 0."""
    rows = np.zeros(len(signals), dtype=SIGNAL)
    for name in (SIGNAL.names or ())[1:]:
        rows[name] = np.nan
    for k, signal in enumerate(signals):
        for name, value in signal.items():
            rows[name][k] = value
    return rows


def fills(result: Result) -> list[tuple[int, str, float, float, str]]:
    """(bar, buy or sell, quantity, price, reason) of each fill of a run on daily bars."""
    return [
        (
            int((row.ts - START) // TIMEFRAMES["1d"]),
            "buy" if row.side > 0 else "sell",
            float(row.qty),
            round(float(row.px), 9),
            str(row.reason),
        )
        for row in result.fills.frame().itertuples()
        for row in [row._replace(ts=row.ts.value)]
    ]


def denials(result: Result) -> list[tuple[str, float, float, int]]:
    """(reason, asked, allowed, count) of each denial row."""
    rows = result.denials.frame()
    return [(r["reason"], float(r["asked"]), float(r["allowed"]), int(r["count"])) for _, r in rows.iterrows()]


def statuses(result: Result) -> list[str]:
    return list(result.orders.frame()["status"])


def random_bars(
    seed: int, count: int, *, symbol: str = "A", timeframe: str = "1m", calendar: str = "24/7", gap: float = 0.0
) -> Bars:
    """A random walk in cents, with gaps between bars and, with `gap`, that share of bars missing."""
    rng = np.random.default_rng(seed)
    close = np.round(np.maximum(5.0, 50.0 + np.cumsum(rng.normal(0, 0.4, count))), 2)
    open_ = np.round(np.maximum(1.0, np.concatenate(([50.0], close[:-1])) + rng.normal(0, 0.3, count)), 2)
    high = np.round(np.maximum(open_, close) + np.abs(rng.normal(0, 0.4, count)), 2)
    low = np.round(np.maximum(0.5, np.minimum(open_, close) - np.abs(rng.normal(0, 0.4, count))), 2)
    low = np.minimum(low, np.minimum(open_, close))
    volume = rng.integers(0, 2_000, count).astype(float)
    ts = START + 14 * 3_600_000_000_000 + np.arange(count) * TIMEFRAMES[timeframe]
    kept = rng.random(count) >= gap
    return Bars(symbol, timeframe, calendar, *(column[kept] for column in (ts, open_, high, low, close, volume)))


def random_signals(seed: int, count: int, *, structured: bool = False, rate: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    action = rng.choice(np.array([-1, 0, 1], dtype=np.int8), size=count, p=[rate / 2, 1 - rate, rate / 2])
    if not structured:
        return action
    rows = orders_of(*({} for _ in range(count)))
    rows["action"] = action
    some = rng.random(count) < 0.5
    rows["confidence"][some] = np.round(rng.random(int(some.sum())), 1)
    return rows
