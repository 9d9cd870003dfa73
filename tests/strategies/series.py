"""Bars for tests of strategies: made ones, with a seed, and the real ones of the shared files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import Bars
from marketdata.news.series import Known, attach
from strategies.base import Strategy

DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
FIRST_DAY_NS = 1_262_563_200_000_000_000  # 2010-01-04


def from_close(close: ArrayLike, volume: ArrayLike | None = None) -> Bars:
    """Daily bars that do not move: every price of a bar is its close."""
    prices = np.asarray(close, dtype=np.float64)
    ts = FIRST_DAY_NS + np.arange(len(prices)) * DAY_NS
    return Bars.from_arrays("TEST", "1d", ts, prices, prices, prices, prices, volume, calendar="24/7")


def walk(n: int, seed: int = 7, *, timeframe: str = "1d", cents: bool = True) -> Bars:
    """A random walk of n bars with ranges and volumes; on cents, where exact ties happen as on real prices."""
    rng = np.random.default_rng(seed)
    step = {"1d": DAY_NS, "1m": MINUTE_NS}[timeframe]
    size = {"1d": 0.02, "1m": 0.001}[timeframe]
    close = 50 * np.exp(np.cumsum(rng.normal(0, size, n)))
    opened = close * np.exp(rng.normal(0, size / 2, n))
    if cents:
        close, opened = np.round(close, 2), np.round(opened, 2)
    high = np.maximum(opened, close) + np.round(rng.exponential(size * 20, n), 2)
    low = np.maximum(np.minimum(opened, close) - np.round(rng.exponential(size * 20, n), 2), 0.01)
    low = np.minimum(low, np.minimum(opened, close))
    volume = rng.integers(0, 10_000, n).astype(np.float64)
    return Bars.from_arrays(
        "WALK", timeframe, FIRST_DAY_NS + np.arange(n) * step, opened, high, low, close, volume, calendar="24/7"
    )


def furnished(strategy: Strategy, bars: Bars, seed: int = 7) -> Bars:
    """The bars with everything beside them that the strategy reads: made quotes, and made news at made times."""
    names = strategy.extras()
    rng = np.random.default_rng(seed)
    n = len(bars)
    if "bid" in names:
        half = bars.close * rng.uniform(0.5e-4, 4e-4, n)
        sizes = {name: rng.integers(0, 50, n) for name in ("bid_size", "ask_size")}
        bars = bars.with_extras({"bid": bars.close - half, "ask": bars.close + half, **sizes})
    when = rng.integers(bars.ts[0], bars.ts_close[-1], n) if n else []
    return attach(
        bars,
        Known.of(
            (int(at), float(score), "file") for at, score in zip(when, rng.normal(0, 0.4, n).clip(-1, 1), strict=True)
        ),
        names,
    )


def real_daily(shared_data: Path, symbol: str) -> Bars:
    """Raw daily bars of one symbol of us_daily_raw.csv."""
    table = np.genfromtxt(shared_data / "us_daily_raw.csv", delimiter=",", names=True, dtype=None, encoding="ascii")
    rows = table[table["symbol"] == symbol]
    when = "date" if "date" in (rows.dtype.names or ()) else "time"
    days = np.array([text[:10] for text in rows[when]], dtype="datetime64[D]")
    columns = [rows[name].astype(np.float64) for name in ("open", "high", "low", "close", "volume")]
    return Bars.from_arrays(symbol, "1d", days.astype("datetime64[ns]").astype(np.int64), *columns)


def bits(values: NDArray) -> bytes:
    """The exact bits of an array, every NaN as the same NaN."""
    return np.where(values == values, values, np.nan).tobytes()
