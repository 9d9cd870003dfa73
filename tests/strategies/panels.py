"""Bars of several symbols for tests: made ones that belong together, with a seed, and the real closes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import Bars
from strategies import catalogue
from strategies.base import Strategy
from strategies.panel import PanelStrategy
from tests.strategies.series import DAY_NS, FIRST_DAY_NS, MINUTE_NS

Array = NDArray[np.float64]


def by_itself() -> list[type[Strategy]]:
    """The strategies of the catalogue that take each symbol by itself."""
    return [declared for declared in catalogue.listed() if not issubclass(declared, PanelStrategy)]


def bars_of(symbol: str, close: ArrayLike, *, timeframe: str = "1d", ts: ArrayLike | None = None) -> Bars:
    """Bars that open at the close before and reach a little beyond both."""
    prices = np.asarray(close, dtype=np.float64)
    step = {"1d": DAY_NS, "1m": MINUTE_NS}[timeframe]
    starts = FIRST_DAY_NS + np.arange(len(prices)) * step if ts is None else ts
    opened = np.concatenate([prices[:1], prices[:-1]])
    high, low = np.maximum(opened, prices) * 1.001, np.minimum(opened, prices) * 0.999
    volume = np.full(len(prices), 10_000.0)
    return Bars.from_arrays(symbol, timeframe, starts, opened, high, low, prices, volume, calendar="24/7")


def returning(rng: np.random.Generator, n: int, pull: float = 0.9, size: float = 0.006) -> Array:
    """A process that returns to 0."""
    values, steps = np.zeros(n), rng.normal(0, size, n)
    for i in range(1, n):
        values[i] = pull * values[i - 1] + steps[i]
    return values


def couple(n: int, seed: int = 3, *, ratio: float = 1.2, timeframe: str = "1d") -> dict[str, Bars]:
    """Two symbols, Y and X, with log Y = 0.3 + ratio · log X + a process that returns; on cents."""
    rng = np.random.default_rng(seed)
    x = 4 + np.cumsum(rng.normal(0, 0.01, n))
    y = 0.3 + ratio * x + returning(rng, n)
    closes = {"Y": np.round(np.exp(y), 2), "X": np.round(np.exp(x), 2)}
    return {symbol: bars_of(symbol, close, timeframe=timeframe) for symbol, close in closes.items()}


def strangers(n: int, seed: int = 3) -> dict[str, Bars]:
    """Two walks that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    walks = {symbol: 50 * np.exp(np.cumsum(rng.normal(0, 0.01, n))) for symbol in "YX"}
    return {symbol: bars_of(symbol, np.round(close, 2)) for symbol, close in walks.items()}


def basket(n: int, count: int = 6, seed: int = 3) -> dict[str, Bars]:
    """Symbols S0, S1, … that follow one factor, each with a process of its own that returns; on cents."""
    rng = np.random.default_rng(seed)
    factor = np.cumsum(rng.normal(0, 0.01, n))
    closes = [np.round(np.exp(4 + factor + returning(rng, n)), 2) for _ in range(count)]
    return {f"S{k}": bars_of(f"S{k}", close) for k, close in enumerate(closes)}


def venues(n: int, seed: int = 5) -> dict[str, Bars]:
    """One instrument at two venues, A and B, whose prices part and come back; minutes, on cents."""
    rng = np.random.default_rng(seed)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, n)))
    apart = returning(rng, n, 0.8, 0.0008)
    closes = {"A": np.round(price, 2), "B": np.round(price * (1 + apart), 2)}
    return {symbol: bars_of(symbol, close, timeframe="1m") for symbol, close in closes.items()}


def without(bars: Bars, places: ArrayLike) -> Bars:
    """The bars that are left when some are missing."""
    kept = np.ones(len(bars), bool)
    kept[np.asarray(places)] = False
    columns = [getattr(bars, name)[kept] for name in ("ts", "open", "high", "low", "close", "volume")]
    return Bars.from_arrays(bars.symbol, bars.timeframe, *columns, calendar=bars.calendar)


def real_closes(shared_data: Path, *symbols: str) -> dict[str, Bars]:
    """Daily bars of closes only, of close_matrix_20_stocks.csv; a day without a close is no bar."""
    with (shared_data / "close_matrix_20_stocks.csv").open() as file:
        names = file.readline().strip().split(",")
        rows = [line.strip().split(",") for line in file]
    days = np.array([row[0] for row in rows], dtype="datetime64[D]").astype("datetime64[ns]").astype(np.int64)
    found = {}
    for symbol in symbols:
        column = [row[names.index(symbol)] for row in rows]
        kept = np.array([text != "" for text in column])
        close = np.array([float(text) for text in column if text])
        found[symbol] = Bars.from_arrays(symbol, "1d", days[kept], close, close, close, close)
    return found
