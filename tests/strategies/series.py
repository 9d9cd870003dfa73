"""Bars for tests of strategies: made ones, with a seed, and the real ones of the shared files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import Bars

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
