"""One symbol's bars so far, as columns that grow, with the session of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine import exchange
from engine.bars import COLUMNS, Bars
from engine.signals import Signals
from engine.types import SESSION_CLOSING, SESSION_FIRST, SESSION_LAST, SESSION_OVER, SIGNAL, Records
from engine.world import SymbolFeed

ROW: Final = np.dtype(
    [("ts", np.int64), *((name, np.float64) for name in COLUMNS)]
    + [(name, np.float64) for name in (SIGNAL.names or ())[1:]]
    + [("action", np.int8), ("window", np.int8), ("day", np.int32), ("flags", np.int8), ("clock", np.int32)]
)
FIRST_CAPACITY: Final = 512
# What stands in a column until a bar comes: a time that no bar has, no signal, an open window.
_UNSET: Final = dict.fromkeys((SIGNAL.names or ())[1:], np.nan) | {"ts": np.iinfo(np.int64).min, "window": 1}


class Columns:
    """The columns of ROW, `n` of them filled."""

    def __init__(self) -> None:
        self.n = 0
        self.day: _TradingDay | None = None
        self._edition = exchange.edition()
        self.columns = {name: _unset(name, FIRST_CAPACITY) for name in ROW.names or ()}

    def session(self, ts: int, market: Bars) -> tuple[int, int]:
        """Trading day and session flags of a bar that comes next. The day is remembered, until its hours change: most
        bars lie in the same."""
        if market.timeframe == "1d":
            day = exchange.trading_days(np.array([ts], dtype=np.int64), "1d", market.calendar)[0]
            return int(day), SESSION_FIRST | SESSION_LAST | SESSION_OVER
        if self.day is None or not self.day.start <= ts < self.day.end or self._edition != exchange.edition():
            self._edition = exchange.edition()
            self.day = _TradingDay.at(ts, market.calendar)
        before = int(self.columns["ts"][self.n - 1]) if self.n else int(_UNSET["ts"])
        return self.day.number, self.day.flags(before, ts, market)

    def append(self, ts: int, prices: tuple[float, ...], signal: int | Signals, *, closes: bool) -> bool:
        """One more bar; `closes`: a decision bar ends with it. True if the columns moved."""
        columns, at = self.columns, self.n
        columns["ts"][at] = ts
        for name, price in zip(COLUMNS, prices, strict=True):
            columns[name][at] = price
        if isinstance(signal, int):
            columns["action"][at] = signal
        else:
            columns["action"][at] = signal.action[0]
            for name in (SIGNAL.names or ())[1:]:
                given = getattr(signal, name)
                if given is not None:
                    columns[name][at] = given[0]
        columns["clock"][at] = (columns["clock"][at - 1] if at else 0) + closes
        self.n = at + 1
        if self.n < len(columns["ts"]):
            return False
        for name, column in columns.items():
            columns[name] = np.concatenate((column, _unset(name, len(column))))
        return True

    def last(self) -> Records:
        """The last bar, as ROW; no row if there is none."""
        rows = np.zeros(min(self.n, 1), dtype=ROW)
        for name, column in self.columns.items():
            rows[name] = column[max(self.n - 1, 0) : self.n]
        return rows

    def restart(self, rows: Records) -> None:
        """Only these rows are left, in the same memory."""
        for name, column in self.columns.items():
            column[: self.n] = _UNSET.get(name, 0)
            column[: len(rows)] = rows[name]
        self.n = len(rows)

    def feed(self, lot: float, leg: int, *, finer: bool) -> SymbolFeed:
        c = self.columns
        signals = Signals(*(c[name] for name in SIGNAL.names or ()))
        return SymbolFeed(
            c["ts"],
            c["open"],
            c["high"],
            c["low"],
            c["close"],
            c["volume"],
            lot,
            signals,
            c["day"],
            c["flags"],
            c["window"],
            c["clock"] if finer else None,
            leg,
        )


def _unset(name: str, length: int) -> Records:
    return np.full(length, _UNSET.get(name, 0), dtype=ROW[name])


@dataclass(frozen=True, slots=True)
class _TradingDay:
    """A trading day of an exchange: instants in [start, end); its number; its regular session. ns UTC."""

    start: int
    end: int
    number: int
    opens: int
    closes: int

    @classmethod
    def at(cls, ts: int, calendar: str) -> _TradingDay:
        table = exchange.sessions(calendar, ts, ts)
        row = int(table.index(np.array([ts], dtype=np.int64))[0])
        end = int(table.starts[row + 1]) if row + 1 < len(table.starts) else ts + 1
        start = min(ts, int(table.starts[row]))
        return cls(start, end, int(table.day[row]), int(table.opens[row]), int(table.closes[row]))

    def flags(self, before: int, ts: int, market: Bars) -> int:
        """The session flags of a bar, given when the bar before it opened; as Bars.session_flags has them."""
        length = exchange.timeframe_ns(market.timeframe)
        regular = self.opens <= ts < self.closes
        is_over = ts + length >= self.closes
        had_first = before >= self.start and self.opens <= before < self.closes
        is_closing = market.calendar != exchange.ROUND_THE_CLOCK and ts + length + length >= self.closes
        return (
            (regular and not had_first) * SESSION_FIRST
            + (regular and is_over) * SESSION_LAST
            + is_over * SESSION_OVER
            + is_closing * SESSION_CLOSING
        )
