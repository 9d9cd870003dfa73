"""What the benchmarks run on: seeded minute bars on real sessions, and the real daily bars of the sample data."""

from __future__ import annotations

import numpy as np

from engine import Bars, exchange
from marketdata.providers.sample import SampleProvider

MINUTE_NS = 60_000_000_000
YEAR_OF_MINUTES = 98_280  # 252 sessions of 390 minutes
TEN_YEARS_OF_DAYS = 2_520


def minute_bars(symbol: str, count: int, seed: int = 1) -> Bars:
    """Synthetic: a cent-priced walk on the full sessions of XNYS from 2000 on; the same for the same seed."""
    rng = np.random.default_rng(seed)
    ts = _minutes(count)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.0006, count)) * 0.5), 2)
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) + np.round(rng.exponential(0.03, count), 2)
    low = np.minimum(open_, close) - np.round(rng.exponential(0.03, count), 2)
    volume = rng.integers(100, 10_000, count).astype(np.float64)
    return Bars.from_arrays(symbol, "1m", ts, open_, high, low, close, volume, calendar="XNYS")


def daily_bars(symbol: str = "AAPL", count: int = TEN_YEARS_OF_DAYS) -> Bars:
    """Real: the first `count` days of the sample (raw prices)."""
    columns = SampleProvider().history(symbol, "1d", 0, 2_000_000_000_000_000_000)
    names = ("ts", "open", "high", "low", "close", "volume")
    ts, *prices = (np.asarray(getattr(columns, name))[:count] for name in names)
    return Bars.from_arrays(symbol, "1d", ts, *prices, calendar="XNYS")


def _minutes(count: int) -> np.ndarray:
    first = np.datetime64("2000-02-01", "ns").astype(np.int64)
    last = np.datetime64("2020-11-30", "ns").astype(np.int64)
    table = exchange.sessions("XNYS", int(first), int(last))
    whole_days = table.opens[table.closes - table.opens == 390 * MINUTE_NS]
    opens = whole_days[: -(-count // 390)]
    if len(opens) * 390 < count:
        raise ValueError(f"{count} minutes are more than the calendar holds")
    return (opens[:, None] + np.arange(390, dtype=np.int64) * MINUTE_NS).ravel()[:count]
