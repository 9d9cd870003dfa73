"""A portfolio that is driven one closed bar at a time: what a paper session runs.

It calls the very function that simulate() loops over, so the same bars and signals give the same orders, fills and
equity, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
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
from engine.types import (
    BOOK,
    DENIAL_NAMES,
    REASON_NAMES,
    SESSION_FIRST,
    SESSION_LAST,
    SESSION_OVER,
    SIGNAL,
    Records,
)
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
# What stands in a column until a bar comes: a time that no bar has, no signal, an open window.
_UNSET: Final = dict.fromkeys((SIGNAL.names or ())[1:], np.nan) | {"ts": np.iinfo(np.int64).min, "window": 1}
_FIRST_COUNT: Final = BOOK.fields["n_orders"][1] // 8 if BOOK.fields else 0  # where BOOK counts the rows of LOGS
_LOG_NUMBERS: Final = {name: k for k, name in enumerate(LOGS)}
_STEP_LOGS: Final = ("orders", "fills", "denials")
_Checked = tuple[tuple[float, ...], int | Signals]  # open, high, low, close, volume; the signal


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
        self._index = {symbol: s for s, symbol in enumerate(self.symbols)}
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
        self._counts = book.view(np.int64)[_FIRST_COUNT : _FIRST_COUNT + len(LOGS)]
        self._equity = book["equity"]
        nothing = np.zeros(len(LOGS), dtype=np.int64).tolist()
        self._no_rows = {name: self._since(name, nothing, nothing) for name in _STEP_LOGS}

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
        if self._needs_sessions or self.rules.window is not None:
            for symbol in checked:
                self._look_up(self._index[symbol], ts)
        before = self._counts.tolist()
        for symbol, (prices, signal) in checked.items():
            self._append(self._index[symbol], ts, prices, signal, closes=not self._finer or symbol in signals)
        if self._steps == len(self._times):
            self._times = _doubled(self._times)
            self._rebind()
        self._times[self._steps] = ts
        while advance(self._world.handle, self._steps, self._steps + 1, last) == self._steps:
            self._world.make_room()
        self._steps += 1
        now = self._counts.tolist()
        new = self._no_rows
        if now != before:
            new = {name: self._since(name, before, now) for name in _STEP_LOGS}
        return StepLog(new["orders"], new["fills"], new["denials"], float(self._equity[0]))

    @property
    def equity(self) -> float:
        """Cash and positions at the last marks."""
        return float(self._equity[0])

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

    def _check(self, ts: int, bars: Mapping[str, Any], signals: Mapping[str, Any]) -> dict[str, _Checked]:
        """Prices and signal of each symbol of this step. Raises InputError."""
        if not bars:
            raise InputError(Fault("bars", "required", "a step needs at least one symbol with a bar"))
        if self._steps and ts <= self._times[self._steps - 1]:
            raise InputError(Fault("ts", "unsorted", f"{ts} is not later than the step before"))
        unknown = [symbol for symbol in bars if symbol not in self._index]
        unknown += [symbol for symbol in signals if symbol not in bars]
        if unknown:
            raise InputError(Fault(str(name), "unknown_field", "this symbol has no bar here") for name in unknown)
        checked: dict[str, _Checked] = {}
        for symbol in sorted(bars):
            prices = tuple(float(value) for value in bars[symbol])
            if not _makes_a_bar(ts, prices):  # Bars says what is wrong with it
                market = self._markets[self._index[symbol]]
                Bars(symbol, market.timeframe, market.calendar, np.array([ts]), *([value] for value in prices))
            checked[symbol] = (prices, _read_signal(signals[symbol], symbol) if symbol in signals else 0)
        return checked

    def _look_up(self, s: int, ts: int) -> None:
        """Session and window of the bar that comes next. Raises InputError for a time that no calendar knows."""
        rows, market, window = self._columns[s], self._markets[s], self.rules.window
        columns, at = rows.columns, rows.n
        if isinstance(window, TradingWindow):
            times = np.array([ts], dtype=np.int64)
            columns["window"][at] = window.mask_of(times, market.timeframe, market.calendar)[0]
        elif window is not None:
            columns["window"][at] = bool(np.asarray(window)[self._steps])
        if self._needs_sessions:
            columns["day"][at], columns["flags"][at] = rows.session(ts, market)

    def _append(self, s: int, ts: int, prices: tuple[float, ...], signal: int | Signals, *, closes: bool) -> None:
        rows = self._columns[s]
        columns, at = rows.columns, rows.n
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
        rows.n = at + 1
        if rows.n == len(columns["ts"]):
            rows.double()
            self._rebind()

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

    def _since(self, name: str, before: list[int], now: list[int]) -> Rows:
        k = _LOG_NUMBERS[name]
        rows = self._world.logs.rows[name][before[k] : now[k]].copy()
        return Rows.of(rows, self.symbols, DENIAL_NAMES if name == "denials" else REASON_NAMES)


class _Columns:
    """One symbol's bars so far, as columns that grow."""

    def __init__(self) -> None:
        self.n = 0
        self.day: _TradingDay | None = None
        self.columns = {name: _unset(name, _FIRST_CAPACITY) for name in _ROW.names or ()}

    def session(self, ts: int, market: Bars) -> tuple[int, int]:
        """Trading day and session flags of a bar that comes next. The day is remembered: most bars lie in the same."""
        if market.timeframe == "1d":
            day = exchange.trading_days(np.array([ts], dtype=np.int64), "1d", market.calendar)[0]
            return int(day), SESSION_FIRST | SESSION_LAST | SESSION_OVER
        if self.day is None or not self.day.start <= ts < self.day.end:
            self.day = _TradingDay.at(ts, market.calendar)
        before = int(self.columns["ts"][self.n - 1]) if self.n else int(_UNSET["ts"])
        return self.day.number, self.day.flags(before, ts, market.timeframe)

    def double(self) -> None:
        for name, column in self.columns.items():
            self.columns[name] = np.concatenate((column, _unset(name, len(column))))

    def rows(self) -> Records:
        rows = np.zeros(self.n, dtype=_ROW)
        for name, column in self.columns.items():
            rows[name] = column[: self.n]
        return rows

    def load(self, rows: Records) -> None:
        self.n = len(rows)
        for name in self.columns:
            self.columns[name] = _unset(name, max(_FIRST_CAPACITY, 2 * self.n))
            self.columns[name][: self.n] = rows[name]

    def feed(self, lot: float, *, finer: bool) -> SymbolFeed:
        c = self.columns
        signals = Signals(c["action"], c["confidence"], c["limit_px"], c["stop_px"], c["target_weight"])
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
        )


def _unset(name: str, length: int) -> Records:
    return np.full(length, _UNSET.get(name, 0), dtype=_ROW[name])


def _makes_a_bar(ts: int, prices: tuple[float, ...]) -> bool:
    """Whether Bars would take them; no NaN passes these comparisons."""
    if len(prices) != len(COLUMNS) or not isinstance(ts, (int, np.integer)) or isinstance(ts, bool):
        return False
    first, high, low, last, volume = prices
    return 0.0 < low <= first <= high < inf and low <= last <= high and 0.0 <= volume < inf


def _read_signal(raw: Any, symbol: str) -> int | Signals:
    """A plain -1 0 +1 as it is; all else as simulate() reads it. Raises InputError."""
    if type(raw) is int and -1 <= raw <= 1:
        return raw
    return read_signals(np.atleast_1d(raw), 1, symbol)


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

    def flags(self, before: int, ts: int, timeframe: str) -> int:
        """The session flags of a bar, given when the bar before it opened; as Bars.session_flags has them."""
        regular = self.opens <= ts < self.closes
        is_over = ts + exchange.timeframe_ns(timeframe) >= self.closes
        had_first = before >= self.start and self.opens <= before < self.closes
        return (
            (regular and not had_first) * SESSION_FIRST + (regular and is_over) * SESSION_LAST + is_over * SESSION_OVER
        )


def _doubled(column: Records) -> Records:
    return np.concatenate((column, np.zeros(len(column), dtype=column.dtype)))


def _padded(rows: Records, like: Records) -> Records:
    """`rows` at the beginning of a buffer at least as long as `like`."""
    buffer = np.zeros(max(len(like), 2 * len(rows)), dtype=like.dtype)
    buffer[: len(rows)] = rows
    return buffer
