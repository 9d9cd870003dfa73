"""A backtest: checked inputs, one compiled loop over the step, a Result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.bars import Bars
from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK, periods_per_year, timeframe_ns
from engine.groups import Legs, read_groups
from engine.resample import last_fine_bar
from engine.result import Result, Rows, open_positions
from engine.rules import Costs, Rules
from engine.signals import Signals, changes_of, read_signals
from engine.step import advance
from engine.types import DAILY, DENIAL_NAMES, NANOS_PER_DAY, REASON_NAMES, SIGNAL, Ints, Records
from engine.windows import TradingWindow
from engine.world import (
    Logs,
    SymbolFeed,
    World,
    feed_records,
    fresh_book,
    fresh_holdings,
    needs_sessions,
    settings_record,
)

Progress = Callable[[int, int], bool | None]
_BARS_A_CHUNK = 100_000


class Cancelled(Exception):
    """`on_progress` answered False; there is no result."""


@dataclass(frozen=True, slots=True)
class Market:
    """The bars of a run on one time line, checked once; may serve many runs.

    symbols: sorted. bars: those that signals are for; fine: those that orders meet (the same without match_bars).
    times: the sorted union of the opening times of `fine`. aligned: every symbol has a bar at every time.
    """

    symbols: tuple[str, ...]
    bars: tuple[Bars, ...]
    fine: tuple[Bars, ...]
    times: Ints
    aligned: bool
    one_calendar: bool

    @property
    def periods_per_year(self) -> int:
        """Trading days a year: 365 only if every symbol trades round the clock."""
        round_the_clock = all(b.calendar == ROUND_THE_CLOCK for b in self.bars)
        return periods_per_year(ROUND_THE_CLOCK if round_the_clock else "XNYS")


def simulate(
    bars: Mapping[str, Bars],
    signals: Mapping[str, npt.ArrayLike],
    *,
    rules: Rules | None = None,
    costs: Costs | None = None,
    starting_cash: float = 100_000.0,
    match_bars: Mapping[str, Bars] | None = None,
    legs: Legs = (),
    benchmark: Bars | None = None,
    on_progress: Progress | None = None,
    chunk: int | None = None,
) -> Result:
    """Trade `signals` on `bars` by `rules` at `costs`; docs/fills.md says what fills when.

    bars: one Bars a symbol, all of one timeframe. signals: for each symbol one entry a bar: whole numbers (-1 0 +1, or
    -2 +2 -3, which only close), or an array with fields of engine.types.SIGNAL. match_bars: finer bars on which orders
    meet the market. legs: groups of symbols; the entries of one group that one step decides are all placed, or none.
    benchmark: bars that alpha, beta and benchmark return are measured against.
    on_progress(done, total): called between chunks of `chunk` bar times; answering False raises Cancelled.

    Raises InputError for bars, signals or cash that make no sense.
    """
    rules, costs = rules or Rules(), costs or Costs()
    market = read_market(bars, match_bars)
    checked = read_all_signals(market, signals)
    cash = read_cash(starting_cash)
    logs = Logs()
    expected = sum(changes_of(one.action) for one in checked)
    logs.reserve(len(market.symbols), market.times, len(market.times), equity=True, orders=expected)
    feeds = build_feeds(market, checked, rules, read_groups(legs, market.symbols))
    settings = build_settings(market, rules, costs, track_equity=True)
    world = World(settings, feed_records(feeds), market.times, fresh_book(cash), fresh_holdings(len(feeds)), logs)
    run(world, on_progress=on_progress, chunk=chunk)
    return build_result(world, market.symbols, market.periods_per_year, benchmark)


def run(world: World, *, on_progress: Progress | None = None, chunk: int | None = None) -> None:
    """Advance `world` over all its times. Raises Cancelled."""
    total = len(world.times)
    size = total
    if on_progress is not None:
        size = chunk or max(1, _BARS_A_CHUNK // max(1, len(world.feeds)))
    elif chunk is not None:
        size = chunk
    at = 0
    handle = world.handle
    while at < total:
        stop = min(total, at + max(1, size))
        while at < stop:
            at = advance(handle, at, stop, stop == total)
            if at < stop:
                world.make_room()
        if on_progress is not None and on_progress(at, total) is False:
            raise Cancelled(f"cancelled after {at} of {total} bar times")


def read_market(bars: Mapping[str, Bars], match_bars: Mapping[str, Bars] | None = None) -> Market:
    """Put the bars of a run on one time line. Raises InputError."""
    _check_bars(bars, "bars")
    symbols = tuple(sorted(bars))
    coarse = tuple(bars[symbol] for symbol in symbols)
    fine = coarse
    if match_bars is not None:
        if sorted(match_bars) != list(symbols):
            message = f"must hold the same symbols as the bars ({', '.join(symbols)})"
            raise InputError(Fault("match_bars", "conflict", message))
        _check_bars(match_bars, "match_bars")
        fine = tuple(match_bars[symbol] for symbol in symbols)
        if timeframe_ns(fine[0].timeframe) >= timeframe_ns(coarse[0].timeframe):
            raise InputError(Fault("match_bars", "conflict", "must be finer than the bars"))
    first = fine[0].ts
    aligned = all(other.ts is first or np.array_equal(other.ts, first) for other in fine[1:])
    times = first if aligned else _union([b.ts for b in fine])
    return Market(symbols, coarse, fine, times, aligned, len({b.calendar for b in fine}) == 1)


def _check_bars(bars: Mapping[str, Bars], path: str) -> None:
    if not isinstance(bars, Mapping) or not bars:
        raise InputError(Fault(path, "required", "at least one symbol with bars is needed"))
    for symbol, one in bars.items():
        if not isinstance(symbol, str) or not isinstance(one, Bars):
            raise InputError(Fault(f"{path}[{symbol!r}]", "wrong_type", "must map a symbol's name to engine.Bars"))
        if len(one) == 0:
            raise InputError(Fault(f"{path}[{symbol!r}]", "required", "has no bars"))
    timeframes = sorted({one.timeframe for one in bars.values()})
    if len(timeframes) > 1:
        message = f"all symbols of a run share one timeframe, got {', '.join(timeframes)}"
        raise InputError(Fault(path, "conflict", message))


def _union(times: Sequence[Ints]) -> Ints:
    """Sorted distinct times; equal arrays are looked at once."""
    distinct: list[Ints] = []
    for one in times:
        if not any(one is other or np.array_equal(one, other) for other in distinct):
            distinct.append(one)
    merged = np.sort(np.concatenate(distinct), kind="stable")
    kept = np.concatenate(([True], merged[1:] != merged[:-1]))
    return np.ascontiguousarray(merged[kept])


def read_cash(starting_cash: float) -> float:
    """The starting cash as a float. Raises InputError."""
    if isinstance(starting_cash, bool) or not np.isscalar(starting_cash) or isinstance(starting_cash, (str, bytes)):
        raise InputError(Fault("starting_cash", "not_a_number", f"must be a number, got {starting_cash!r}"))
    if not np.isfinite(starting_cash) or starting_cash <= 0:
        raise InputError(Fault("starting_cash", "out_of_range", f"must be above 0, got {starting_cash!r}"))
    return float(starting_cash)


def read_all_signals(market: Market, signals: Mapping[str, npt.ArrayLike]) -> list[Signals]:
    """The checked signals of each symbol of the market, in its order. Raises InputError."""
    if not isinstance(signals, Mapping):
        raise InputError(Fault("signals", "wrong_type", "must map each symbol to an array"))
    faults = [
        Fault(f"signals[{symbol!r}]", "required", "this symbol has no signals")
        for symbol in market.symbols
        if symbol not in signals
    ]
    faults += [
        Fault(f"signals[{symbol!r}]", "unknown_field", "this symbol has no bars")
        for symbol in signals
        if symbol not in market.symbols
    ]
    if faults:
        raise InputError(faults)
    return [
        read_signals(signals[symbol], len(one), f"signals[{symbol!r}]")
        for symbol, one in zip(market.symbols, market.bars, strict=True)
    ]


def build_settings(market: Market, rules: Rules, costs: Costs, *, track_equity: bool) -> Records:
    """The rules and costs of a run on `market` as the kernel reads them."""
    return settings_record(
        rules,
        costs,
        symbols=len(market.symbols),
        timeframe=market.fine[0].timeframe,
        one_calendar=market.one_calendar,
        aligned=market.aligned,
        track_equity=track_equity,
    )


def build_feeds(market: Market, signals: Sequence[Signals], rules: Rules, groups: Sequence[int]) -> list[SymbolFeed]:
    """Each symbol's columns on the bars that orders meet. groups: the number of each symbol's group of legs."""
    window = _window_times(market, rules)
    sessions = needs_sessions(rules)
    feeds = []
    for k, (coarse, fine, one) in enumerate(zip(market.bars, market.fine, signals, strict=True)):
        clock = None
        if fine is not coarse:
            rows = last_fine_bar(coarse, fine)
            one = _spread(one, rows, len(fine))
            clock = np.cumsum(np.bincount(rows[rows >= 0], minlength=len(fine)), dtype=np.int32)
        feeds.append(
            SymbolFeed(
                fine.ts,
                fine.open,
                fine.high,
                fine.low,
                fine.close,
                fine.volume,
                0.0 if rules.allow_fractional and fine.fractionable else fine.lot_size,
                one,
                fine.trading_day if sessions else None,
                fine.session_flags if sessions else None,
                None if window is None else window[k],
                clock,
                groups[k],
            )
        )
    return feeds


def _spread(signals: Signals, rows: Ints, length: int) -> Signals:
    """Coarse signals on the fine bars that end their coarse bars; nothing everywhere else."""
    inside = rows >= 0
    action = np.zeros(length, dtype=np.int8)
    action[rows[inside]] = signals.action[inside]

    def column(values: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64] | None:
        if values is None:
            return None
        spread = np.full(length, np.nan)
        spread[rows[inside]] = values[inside]
        return spread

    return Signals(action, *(column(getattr(signals, name)) for name in (SIGNAL.names or ())[1:]))


def _window_times(market: Market, rules: Rules) -> list[npt.NDArray[np.int8]] | None:
    """Rules.window for each symbol's bars, 1 = open; None = no window."""
    window: Any = rules.window
    if window is None:
        return None
    if isinstance(window, TradingWindow):
        return [one.mask_of(window) for one in market.fine]
    mask = np.asarray(window)
    if mask.dtype != np.bool_ or mask.shape != market.times.shape:
        message = (
            f"must be a TradingWindow or {len(market.times)} booleans (one a bar time), got {mask.dtype} {mask.shape}"
        )
        raise InputError(Fault("window", "wrong_length", message))
    return [np.ascontiguousarray(mask[np.searchsorted(market.times, one.ts)], dtype=np.int8) for one in market.fine]


def daily_closes(bars: Bars) -> Records:
    """DAILY rows of the last close of each UTC date."""
    date = bars.ts // NANOS_PER_DAY
    last = np.flatnonzero(np.concatenate((date[1:] != date[:-1], [True])))
    rows = np.zeros(len(last), dtype=DAILY)
    rows["date"], rows["equity"] = date[last], bars.close[last]
    return rows


def build_result(
    world: World, symbols: tuple[str, ...], per_year: int, benchmark: Bars | None, *, copy: bool = False
) -> Result:
    """The result of a world that has been advanced; `copy` if the world goes on afterwards."""
    book = world.book.copy() if copy else world.book
    buffers = world.logs.rows | {"equity": world.logs.equity, "daily": world.logs.daily}

    def log(name: str, reasons: tuple[str, ...] = REASON_NAMES) -> Rows:
        used = buffers[name][: int(book[0][f"n_{name}"])]
        return Rows.of(used.copy() if copy else used, symbols, reasons)

    return Result(
        symbols=symbols,
        orders=log("orders"),
        fills=log("fills"),
        positions=log("trips"),
        denials=log("denials", DENIAL_NAMES),
        equity=log("equity"),
        daily=log("daily"),
        open_positions=Rows.of(open_positions(world.holdings), symbols),
        book=book,
        periods_per_year=per_year,
        benchmark_daily=None if benchmark is None else daily_closes(benchmark),
    )
