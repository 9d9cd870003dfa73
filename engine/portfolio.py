"""A portfolio that is driven one closed bar at a time: what a paper session runs.

It calls the very function that simulate() loops over, so the same bars and signals give the same orders, fills and
equity, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine import exchange
from engine.backtest import build_result, read_cash
from engine.bars import COLUMNS, Bars
from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK, periods_per_year
from engine.result import Result, Rows
from engine.rules import Costs, Rules
from engine.signals import Signals, read_signals
from engine.step import advance
from engine.types import DENIAL_NAMES, SESSION_FIRST, SESSION_LAST, SESSION_OVER, SIGNAL, Records
from engine.windows import TradingWindow
from engine.world import (
    LOGS,
    Logs,
    SymbolFeed,
    World,
    feed_records,
    fresh_book,
    fresh_holdings,
    needs_sessions,
    settings_record,
)

_ROW: Final = np.dtype(
    [("ts", np.int64), *((name, np.float64) for name in COLUMNS)]
    + [(name, np.float64) for name in (SIGNAL.names or ())[1:]]
    + [("action", np.int8), ("window", np.int8), ("day", np.int32), ("flags", np.int8), ("clock", np.int32)]
)
_FIRST_CAPACITY: Final = 512


@dataclass(frozen=True, slots=True)
class StepLog:
    """What one step added: new orders, fills and denials, and the equity at its close."""

    orders: Rows
    fills: Rows
    denials: Rows
    equity: float


class Portfolio:
    """The state of one portfolio and its `step`.

    bars: one Bars a symbol for its timeframe, calendar and lot size; their rows are not traded, they may be empty.
    finer_matching: as match_bars in simulate(): the steps are fine bars, and the symbols that a step gives signals for
        are those whose decision bar ends with it.

    Raises InputError for bars or cash that make no sense.
    """

    def __init__(
        self,
        bars: Mapping[str, Bars],
        *,
        rules: Rules | None = None,
        costs: Costs | None = None,
        starting_cash: float = 100_000.0,
        finer_matching: bool = False,
    ) -> None:
        if not bars or len({one.timeframe for one in bars.values()}) != 1:
            raise InputError(Fault("bars", "conflict", "at least one symbol, and all of one timeframe"))
        self.symbols = tuple(sorted(bars))
        self.rules = rules or Rules()
        self._markets = [bars[symbol] for symbol in self.symbols]
        self._finer = finer_matching
        self._needs_sessions = needs_sessions(self.rules)
        self._steps = 0
        self._counts = np.zeros(len(self.symbols), dtype=np.int64)
        self._columns = [_Columns() for _ in self.symbols]
        self._times = np.zeros(_FIRST_CAPACITY, dtype=np.int64)
        settings = settings_record(
            self.rules,
            costs or Costs(),
            symbols=len(self.symbols),
            timeframe=self._markets[0].timeframe,
            one_calendar=len({one.calendar for one in self._markets}) == 1,
            aligned=False,
        )
        logs = Logs()
        logs.reserve(len(self.symbols), self._times, _FIRST_CAPACITY, equity=True)
        book, holdings = fresh_book(read_cash(starting_cash)), fresh_holdings(len(self.symbols))
        self._world = World(settings, self._feeds(), self._times, book, holdings, logs)

    def step(
        self,
        ts: int,
        bars: Mapping[str, tuple[float, float, float, float, float]],
        signals: Mapping[str, Any] | None = None,
        *,
        last: bool = False,
    ) -> StepLog:
        """Go on by one bar time.

        ts: when the bars opened, int64 ns UTC, later than the step before. bars: (open, high, low, close, volume) of
        each symbol that has one. signals: for these symbols -1 0 +1, or a record of engine.types.SIGNAL; known at the
        bars' close. last: this step ends the run (close_at_end).

        Raises InputError for times that do not rise, prices that make no bar, unknown symbols; then nothing was done.
        """
        signals = signals or {}
        checked = self._check(ts, bars, signals)
        before = {name: int(self._world.book[0][f"n_{name}"]) for name in LOGS}
        for symbol, (one, signal) in checked.items():
            self._append(self.symbols.index(symbol), one, signal, closes=not self._finer or symbol in signals)
        if self._steps == len(self._times):
            self._times = _doubled(self._times)
        self._times[self._steps] = ts
        self._rebind()
        while advance(self._world.handle, self._steps, self._steps + 1, last) == self._steps:
            self._world.make_room()
        self._steps += 1
        return StepLog(
            self._since("orders", before), self._since("fills", before), self._since("denials", before), self.equity
        )

    @property
    def equity(self) -> float:
        """Cash and positions at the last marks."""
        return float(self._world.book[0]["equity"])

    @property
    def cash(self) -> float:
        return float(self._world.book[0]["cash"])

    def result(self, benchmark: Bars | None = None) -> Result:
        """Everything so far, as simulate() returns it. A copy: later steps do not change it."""
        round_the_clock = all(one.calendar == ROUND_THE_CLOCK for one in self._markets)
        per_year = periods_per_year(ROUND_THE_CLOCK if round_the_clock else "XNYS")
        return build_result(self._world, self.symbols, per_year, benchmark, copy=True)

    def snapshot(self) -> dict[str, Records]:
        """The whole state as arrays (numpy.savez takes them); `restore` goes on from it."""
        world = self._world
        state = {
            "steps": np.array([self._steps]),
            "times": self._times[: self._steps].copy(),
            "book": world.book.copy(),
            "holdings": world.holdings.copy(),
            "lists": world.lists.copy(),
            "daily": world.logs.daily[: int(world.book[0]["n_daily"])].copy(),
            "equity": world.logs.equity[: int(world.book[0]["n_equity"])].copy(),
        }
        for name in LOGS:
            state[name] = world.logs.rows[name][: int(world.book[0][f"n_{name}"])].copy()
        for symbol, columns in zip(self.symbols, self._columns, strict=True):
            state[f"bars:{symbol}"] = columns.rows()
        return state

    def restore(self, state: Mapping[str, Records]) -> None:
        """Take over a snapshot of a portfolio that was made with the same symbols, rules and costs."""
        world = self._world
        missing = [f"bars:{symbol}" for symbol in self.symbols if f"bars:{symbol}" not in state]
        if missing:
            raise InputError(Fault(name, "required", "the snapshot has no such part") for name in missing)
        self._steps = int(state["steps"][0])
        self._times = np.zeros(max(_FIRST_CAPACITY, 2 * self._steps), dtype=np.int64)
        self._times[: self._steps] = state["times"]
        world.book[:], world.holdings[:], world.lists[:] = state["book"], state["holdings"], state["lists"]
        world.logs.daily = _padded(state["daily"], world.logs.daily)
        world.logs.equity = _padded(state["equity"], world.logs.equity)
        for name in LOGS:
            world.logs.rows[name] = _padded(state[name], world.logs.rows[name])
        for columns, symbol in zip(self._columns, self.symbols, strict=True):
            columns.load(state[f"bars:{symbol}"])
        self._rebind()

    def _check(
        self, ts: int, bars: Mapping[str, Any], signals: Mapping[str, Any]
    ) -> dict[str, tuple[Bars, Signals | None]]:
        if not bars:
            raise InputError(Fault("bars", "required", "a step needs at least one symbol with a bar"))
        if self._steps and ts <= int(self._times[self._steps - 1]):
            raise InputError(Fault("ts", "unsorted", f"{ts} is not later than the step before"))
        unknown = [symbol for symbol in bars if symbol not in self.symbols]
        unknown += [symbol for symbol in signals if symbol not in bars]
        if unknown:
            raise InputError(Fault(str(name), "unknown_field", "this symbol has no bar here") for name in unknown)
        checked = {}
        for symbol in sorted(bars):
            market = self._markets[self.symbols.index(symbol)]
            prices = [[float(value)] for value in bars[symbol]]
            one = Bars(symbol, market.timeframe, market.calendar, np.array([ts]), *prices)
            signal = read_signals(np.atleast_1d(signals[symbol]), 1, symbol) if symbol in signals else None
            checked[symbol] = (one, signal)
        return checked

    def _append(self, s: int, one: Bars, signal: Signals | None, *, closes: bool) -> None:
        columns, ts = self._columns[s], one.ts
        row: dict[str, Any] = {"ts": ts[0], "action": 0 if signal is None else signal.action[0], "window": 1}
        for name in COLUMNS:
            row[name] = getattr(one, name)[0]
        for name in (SIGNAL.names or ())[1:]:
            given = None if signal is None else getattr(signal, name)
            row[name] = np.nan if given is None else given[0]
        window = self.rules.window
        if isinstance(window, TradingWindow):
            row["window"] = window.mask_of(ts, one.timeframe, one.calendar)[0]
        elif window is not None:
            row["window"] = bool(np.asarray(window)[self._steps])
        if self._needs_sessions:
            row["day"] = exchange.trading_days(ts, one.timeframe, one.calendar)[0]
            row["flags"] = _session_bits(columns.last_ts(), int(ts[0]), one)
        row["clock"] = columns.last_clock() + closes
        columns.append(row)

    def _feeds(self) -> Records:
        feeds = []
        for columns, market in zip(self._columns, self._markets, strict=True):
            fractional = self.rules.allow_fractional and market.fractionable
            feeds.append(columns.feed(0.0 if fractional else market.lot_size, finer=self._finer))
        return feed_records(feeds)

    def _rebind(self) -> None:
        self._world.feeds = self._feeds()
        self._world.times = self._times
        self._world.bind()

    def _since(self, name: str, before: dict[str, int]) -> Rows:
        rows = self._world.logs.rows[name][before[name] : int(self._world.book[0][f"n_{name}"])].copy()
        return Rows.of(rows, self.symbols, DENIAL_NAMES) if name == "denials" else Rows.of(rows, self.symbols)


class _Columns:
    """One symbol's bars so far, as columns that grow."""

    def __init__(self) -> None:
        self.n = 0
        self.columns = {name: np.zeros(_FIRST_CAPACITY, dtype=_ROW[name]) for name in _ROW.names or ()}

    def append(self, row: Mapping[str, Any]) -> None:
        if self.n == len(self.columns["ts"]):
            self.columns = {name: _doubled(column) for name, column in self.columns.items()}
        for name, value in row.items():
            self.columns[name][self.n] = value
        self.n += 1

    def last_ts(self) -> int | None:
        return int(self.columns["ts"][self.n - 1]) if self.n else None

    def last_clock(self) -> int:
        return int(self.columns["clock"][self.n - 1]) if self.n else 0

    def rows(self) -> Records:
        rows = np.zeros(self.n, dtype=_ROW)
        for name, column in self.columns.items():
            rows[name] = column[: self.n]
        return rows

    def load(self, rows: Records) -> None:
        self.n = len(rows)
        for name in self.columns:
            self.columns[name] = np.zeros(max(_FIRST_CAPACITY, 2 * self.n), dtype=_ROW[name])
            self.columns[name][: self.n] = rows[name]

    def feed(self, lot: float, *, finer: bool) -> SymbolFeed:
        c = self.columns
        signals = Signals(c["action"], c["confidence"], c["limit_px"], c["stop_px"], c["target_weight"])
        return SymbolFeed(
            c["ts"][: self.n],
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
        )


def _session_bits(before: int | None, ts: int, one: Bars) -> int:
    """The session flags of a bar, given when the bar before it opened."""
    if one.timeframe == "1d":
        return SESSION_FIRST | SESSION_LAST | SESSION_OVER
    times = np.array([ts] if before is None else [before, ts], dtype=np.int64)
    _, first, last = exchange.session_flags(times, one.timeframe, one.calendar)
    _, closes = exchange.session_bounds(times, one.timeframe, one.calendar)
    over = ts + exchange.timeframe_ns(one.timeframe) >= int(closes[-1])
    return int(first[-1]) * SESSION_FIRST + int(last[-1]) * SESSION_LAST + over * SESSION_OVER


def _doubled(column: Records) -> Records:
    return np.concatenate((column, np.zeros(len(column), dtype=column.dtype)))


def _padded(rows: Records, like: Records) -> Records:
    """`rows` at the beginning of a buffer at least as long as `like`."""
    buffer = np.zeros(max(len(like), 2 * len(rows)), dtype=like.dtype)
    buffer[: len(rows)] = rows
    return buffer
