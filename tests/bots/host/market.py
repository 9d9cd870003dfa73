"""A market that was made up, as stored bars, and sessions that replay it: the same bars for every run."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from accounts.models import User
from bots.models import TradingSession
from marketdata.columns import SECOND, BarColumns
from marketdata.models import Instrument
from marketdata.services import series
from tests.bots.host.hosting import make

MINUTE = 60 * SECOND
SYMBOLS = ("MADE-ONE", "MADE-TWO")
BEGIN = int(np.datetime64("2026-03-02T00:00", "ns").astype(np.int64))
WARMUP, REPLAYED = 400, 160
FIRST = BEGIN + WARMUP * MINUTE
END = FIRST + REPLAYED * MINUTE


def walk(seed: int, ts: np.ndarray, *, step: float = 0.004) -> BarColumns:
    """Valid bars of a random walk."""
    source = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(source.normal(0, step, len(ts)))), 2)
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.round(np.maximum(open_, close) * 1.002, 2)
    low = np.round(np.minimum(open_, close) * 0.998, 2)
    return BarColumns(ts, open_, high, low, close, np.round(source.uniform(1_000, 9_000, len(ts))))


def regular_minutes(*days: dt.date) -> np.ndarray:
    """Starts of the minutes from 09:30 to 16:00 in New York on these days."""
    zone = ZoneInfo("America/New_York")
    opens = [int(dt.datetime.combine(day, dt.time(9, 30), zone).timestamp()) * SECOND for day in days]
    return np.concatenate([at + np.arange(390, dtype=np.int64) * MINUTE for at in opens])


def store() -> None:
    """The bars of `SYMBOLS`, seen by everybody, round the clock."""
    ts = BEGIN + np.arange(WARMUP + REPLAYED, dtype=np.int64) * MINUTE
    for seed, symbol in enumerate(SYMBOLS, 11):
        put(symbol, walk(seed, ts), calendar="24/7")


def put(symbol: str, columns: BarColumns, *, calendar: str, timeframe: str = "1m") -> None:
    instrument = Instrument.objects.create(source="file", symbol=symbol, calendar=calendar)
    series.put(instrument, timeframe, columns, (int(columns.ts[0]), int(columns.ts[-1]) + MINUTE))


def replay(start_ns: int, end_ns: int, *, speed: float = 0) -> dict[str, Any]:
    """Options of a feed that replays [start, end)."""
    return {"source": "file", "start": _text(start_ns), "end": _text(end_ns), "speed": speed}


def _text(ns: int) -> str:
    return str(np.datetime64(ns, "ns").astype("datetime64[s]")) + "Z"


SETTINGS = {"stop_loss_pct": 1.0, "take_profit_pct": 2.5, "trailing_stop_pct": 1.5, "commission_rate": 0.01}


def session(owner: User, *, speed: float = 0, **columns: Any) -> TradingSession:
    """A session that trades often on the made bars. speed: market seconds per second; 0: as fast as it can."""
    fields: dict[str, Any] = {
        "symbols": list(SYMBOLS),
        "timeframe": "1m",
        "strategy_parameters": {"fast_window": 3, "slow_window": 8, "min_strength_threshold": 0.0},
        "feed": "replay",
        "feed_options": replay(FIRST, END, speed=speed),
        "settings": SETTINGS,
    }
    return make(owner, **{**fields, **columns})
