"""The memory of one portfolio: its state, its view of the inputs, its result buffers, and the record of addresses.

The only place that takes addresses of arrays. A `World` keeps every array that the kernel may touch alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.exchange import timeframe_ns
from engine.gathering import GATHERED_STEPS
from engine.guards import PACE_ROOM
from engine.orders import ROWS_PER_SYMBOL
from engine.rules import ORDER_TYPES, REBALANCES, SIZINGS, SLIPPAGES, TIMES_IN_FORCE, Costs, Rules
from engine.signals import Signals
from engine.state import FACTS, FEED, HOLDING, QUOTE, SETTINGS, WORLD
from engine.types import (
    BOOK,
    CLS,
    DAILY,
    DAY,
    DENIAL,
    EQUITY,
    FILL,
    NANOS_PER_DAY,
    OPG,
    ORDER,
    ROUND_TRIP,
    Floats,
    Ints,
    Records,
)

_NEVER: Final = np.iinfo(np.int64).min
_LONG_AGO: Final = -(1 << 62)  # bars; differences to it are still int64
_FIRST_ROOM: Final = 4096
_ENTRY_GUARDS: Final = (
    "cooldown_bars",
    "max_orders_per_minute",
    "max_correlated_positions",
    "price_collar_pct",
    "vol_stop_atr",
)
_EXPOSURE_CAPS: Final = (
    "max_gross_exposure_pct",
    "max_net_exposure_pct",
    "account_gross_cap",
    "account_net_cap",
    "account_symbol_cap",
)
LOGS: Final = {"orders": ORDER, "fills": FILL, "trips": ROUND_TRIP, "denials": DENIAL}


@dataclass(slots=True)
class SymbolFeed:
    """One symbol's columns, of equal length. None: no session is asked for, the window is always open, each bar is a
    decision bar. leg: the number of its group of legs; 0 = none."""

    ts: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    lot: float
    signals: Signals
    day: npt.NDArray[np.int32] | None = None
    flags: npt.NDArray[np.int8] | None = None
    window: npt.NDArray[np.int8] | None = None
    clock: npt.NDArray[np.int32] | None = None
    leg: int = 0


def address(array: npt.NDArray[Any] | None) -> int:
    """Where a contiguous array begins; 0 for None."""
    if array is None:
        return 0
    if not array.flags.c_contiguous:
        raise ValueError("the kernel reads contiguous arrays only")
    return array.ctypes.data  # much quicker than __array_interface__, which spells out the fields of a record


def feed_records(feeds: list[SymbolFeed]) -> Records:
    """FEED records of the symbols, in the order given. The caller keeps `feeds` alive."""
    records = np.zeros(len(feeds), dtype=FEED)
    for s, feed in enumerate(feeds):
        signals = feed.signals
        records[s] = (
            len(feed.ts),
            *(address(column) for column in (feed.ts, feed.open, feed.high, feed.low, feed.close, feed.volume)),
            *(address(column) for column in (signals.action, signals.confidence, signals.limit_px, signals.stop_px)),
            *(address(c) for c in (signals.target_weight, signals.bid_px, signals.ask_px, signals.quote_qty)),
            *(address(column) for column in (feed.window, feed.day, feed.flags, feed.clock)),
            feed.lot,
            feed.leg,
        )
    return records


def follows_days(rules: Rules) -> bool:
    """Whether a portfolio by these rules must notice when a new day begins."""
    by_loss = rules.daily_loss_limit_pct is not None or rules.daily_loss_limit_abs is not None
    return by_loss or rules.rebalance in ("daily", "weekly", "monthly")


def needs_sessions(rules: Rules) -> bool:
    """Whether a run by these rules must know the trading day and the session of each bar."""
    return follows_days(rules) or rules.flatten_at_session_end or rules.time_in_force in ("day", "opg", "cls")


def settings_record(
    rules: Rules,
    costs: Costs,
    *,
    symbols: int,
    timeframe: str,
    one_calendar: bool,
    aligned: bool,
    track_equity: bool = True,
) -> Records:
    """Rules and costs as the kernel reads them. Switched-off numbers are NaN, switched-off counts 0."""

    def number(value: float | None) -> float:
        return np.nan if value is None else value

    guards = not (rules.daily_loss_limit_pct is rules.daily_loss_limit_abs is rules.max_drawdown_pct is None)
    record = np.zeros(1, dtype=SETTINGS)
    record[0] = (
        number(rules.stop_loss_pct),
        number(rules.take_profit_pct),
        number(rules.trailing_stop_pct),
        rules.size_value,
        float(rules.max_open_positions or symbols),
        number(rules.capital_per_trade),
        number(rules.max_position_size_pct),
        number(rules.max_symbol_concentration_pct),
        number(rules.daily_loss_limit_pct),
        number(rules.daily_loss_limit_abs),
        number(rules.max_drawdown_pct),
        rules.limit_offset_pct,
        rules.stop_offset_pct,
        rules.min_confidence,
        rules.kelly_ratio,
        rules.kelly_cap_pct,
        rules.atr_multiple,
        costs.commission_rate,
        costs.commission_per_share,
        costs.commission_min,
        costs.slippage_value,
        number(costs.volume_cap_ratio),
        number(rules.max_gross_exposure_pct),
        number(rules.max_net_exposure_pct),
        number(rules.account_gross_cap),
        number(rules.account_net_cap),
        number(rules.account_symbol_cap),
        rules.correlation_threshold,
        number(rules.price_collar_pct),
        number(rules.vol_stop_atr),
        0.0,
        0.0,
        rules.max_open_positions or 0,
        rules.max_holding_bars or 0,
        rules.order_timeout_bars or 0,
        rules.kelly_min_trades,
        rules.atr_period,
        rules.max_correlated_positions or 0,
        rules.correlation_bars,
        rules.max_orders_per_minute or 0,
        rules.cooldown_bars or 0,
        rules.latency_ms * 1_000_000,
        timeframe_ns(timeframe),
        SIZINGS.index(rules.sizing),
        rules.size_at == "fill",
        ORDER_TYPES.index(rules.order_type),
        TIMES_IN_FORCE.index(rules.time_in_force),
        rules.allow_partial_fills,
        rules.fill_at == "this_close",
        rules.allow_short,
        rules.allow_scale_in,
        REBALANCES.index(rules.rebalance),
        rules.close_at_end,
        SLIPPAGES.index(costs.slippage),
        rules.trailing_stop_pct is not None,
        rules.max_holding_bars is not None,
        rules.time_in_force == "cls",
        rules.allow_short,
        rules.sizing == "volatility" or rules.vol_stop_atr is not None,
        one_calendar,
        aligned,
        guards,
        follows_days(rules),
        track_equity,
        rules.flatten_at_session_end or any(getattr(rules, name) is not None for name in _ENTRY_GUARDS),
        any(getattr(rules, name) is not None for name in _EXPOSURE_CAPS),
        rules.flatten_at_session_end,
        False,
        rules.max_orders_per_minute is not None,
        rules.max_correlated_positions is not None,
        False,
        False,
    )
    return record


def fresh_book(starting_cash: float) -> Records:
    """The state of a portfolio that holds nothing but cash."""
    book = np.zeros(1, dtype=BOOK)
    first = book[0]
    for name in ("cash", "equity", "starting_cash", "day_start_equity", "top_equity"):
        first[name] = starting_cash
    for name in ("portfolio_day", "rebalance_period", "day_end_ns"):
        first[name] = _NEVER
    for name in ("max_drawdown_top_ts", "max_drawdown_low_ts", "max_drawdown_end_ts"):
        first[name] = -1
    return book


def _flat_holding() -> Records:
    holding = np.zeros(1, dtype=HOLDING)
    first = holding[0]
    for name in (
        "entry_order",
        "exit_order",
        "opened_inside",
        "volume_t",
        "exit_again",
        "last_denial",
        "blocked",
        "at",
    ):
        first[name] = -1
    for name in ("weight", "protect_px", "vol_stop", "entry_vol_stop", "atr", "atr_close"):
        first[name] = np.nan
    first["atr_high"], first["atr_low"] = -np.inf, np.inf
    first["exit_clock"] = _LONG_AGO
    return holding


_FLAT: Final = _flat_holding()


def fresh_holdings(symbols: int) -> Records:
    """The state of `symbols` symbols that are flat and have no order."""
    return np.repeat(_FLAT, symbols)


def fresh_quotes(symbols: int) -> Records:
    """The state of `symbols` symbols that quote nothing."""
    quotes = np.zeros(2 * symbols, dtype=QUOTE)
    quotes["order"] = quotes["last_denial"] = -1
    return quotes


class Logs:
    """The buffers into which the kernel writes rows; they grow, and may serve one run after the other."""

    def __init__(self) -> None:
        self.rows: dict[str, Records] = {name: np.zeros(_FIRST_ROOM, dtype=dtype) for name, dtype in LOGS.items()}
        self.daily: Records = np.empty(0, dtype=DAILY)
        self.equity: Records = np.empty(0, dtype=EQUITY)

    def reserve(self, symbols: int, times: Ints, steps: int, *, equity: bool, orders: int = 0) -> None:
        """Room for one step of `symbols` symbols at least, a row of equity a step, a row a UTC date.

        orders: how many are expected. A guess that is too low costs a copy, one that is too high only addresses, since
        pages of zeros are not memory until they are written.
        """
        days = int(min(steps, (times[-1] - times[0]) // NANOS_PER_DAY + 2)) + 1 if len(times) else 1
        if len(self.daily) < days:
            self.daily = np.empty(days, dtype=DAILY)
        if equity and len(self.equity) < steps:
            self.equity = np.empty(steps, dtype=EQUITY)
        expected = {"orders": orders, "fills": orders, "trips": orders // 2, "denials": 0}
        for name, rows in self.rows.items():
            room = expected[name] + 64 * symbols
            if len(rows) < room:
                self.rows[name] = np.zeros(room, dtype=rows.dtype)

    def grow(self, book: Records, least: int) -> None:
        """Double what cannot take one more step; what was written stays."""
        for name in LOGS:
            used = int(book[0][f"n_{name}"])
            self.rows[name] = _grown(self.rows[name], used, least)
        self.daily = _grown(self.daily, int(book[0]["n_daily"]), 2)
        if len(self.equity):
            self.equity = _grown(self.equity, int(book[0]["n_equity"]), 2)


def _grown(rows: Records, used: int, least: int) -> Records:
    if used + least <= len(rows):
        return rows
    larger = np.zeros(2 * (used + least), dtype=rows.dtype)  # zeros: rows have padding, and equal rows equal bytes
    larger[:used] = rows[:used]
    return larger


class World:
    """State, inputs and buffers of one portfolio, with the record of addresses that the kernel takes."""

    def __init__(
        self, settings: Records, feeds: Records, times: Ints, book: Records, holdings: Records, logs: Logs
    ) -> None:
        self.settings, self.feeds, self.times = settings, feeds, times
        self.book, self.holdings, self.logs = book, holdings, logs
        reads_days = settings["track_day"][0] or settings["flatten"][0] or settings["tif"][0] in (DAY, OPG, CLS)
        if reads_days and not (feeds["day"].all() and feeds["flags"].all()):
            raise ValueError("these rules need the trading day and the session of each bar")
        symbols = len(feeds)
        self.quotes = fresh_quotes(symbols)
        self.lists = np.zeros((4, symbols), dtype=np.int32)
        self.scratch = np.zeros((4, symbols), dtype=np.int32)
        self.wanted = np.zeros(symbols, dtype=np.float64)
        ahead = GATHERED_STEPS if settings["aligned"][0] else 1
        self.signalled = np.zeros((ahead, symbols), dtype=np.int32)
        self.signal_counts = np.zeros(ahead, dtype=np.int32)
        self.recent_ts, self.recent_px = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
        if settings["track_recent"][0]:
            self.remember(int(settings["correlation_bars"][0]))
        self.pace = np.zeros(1 + (PACE_ROOM if settings["track_pace"][0] else 0), dtype=np.int64)
        self.facts = np.zeros(symbols if settings["track_facts"][0] else 0, dtype=FACTS)
        self.repeats = np.zeros(ROWS_PER_SYMBOL * symbols, dtype=np.int32)
        self.record = np.zeros(1, dtype=WORLD)
        self.handle = address(self.record)  # what the kernel takes
        self.bind()

    def bind(self) -> None:
        """Write the addresses of the arrays of now; to be called whenever one of them was replaced."""
        rows = self.logs.rows
        lists, scratch, row = address(self.lists), address(self.scratch), self.lists.strides[0]
        self.record[0] = (
            *(address(a) for a in (self.settings, self.book, self.holdings, self.feeds, self.times)),
            *(lists + k * row for k in range(4)),
            address(self.quotes),
            *(scratch + k * row for k in range(4)),
            *(address(a) for a in (self.wanted, self.signalled, self.signal_counts)),
            *(address(a) for a in (self.recent_ts, self.recent_px, self.pace, self.facts, self.repeats)),
            *(address(rows[name]) for name in LOGS),
            address(self.logs.equity),
            address(self.logs.daily),
            *(len(rows[name]) for name in LOGS),
            len(self.logs.equity),
            len(self.logs.daily),
            len(self.feeds),
            len(self.times),
            len(self.recent_ts) // max(len(self.feeds), 1),
            0,
            -1,
        )

    def remember(self, bars: int) -> None:
        """Rings of closes for correlations over so many bars; to be bound."""
        room = 2 * (bars + 1)
        self.recent_ts = np.zeros(room * len(self.feeds), dtype=np.int64)
        self.recent_px = np.zeros(room * len(self.feeds), dtype=np.float64)

    def straighten(self, holdings: Records, room: int) -> tuple[Ints, Floats]:
        """The rings, of `room` closes a symbol, with the oldest close first; `holdings` counts what is kept."""
        symbols = len(self.feeds)
        ts, px = self.recent_ts.reshape(symbols, -1), self.recent_px.reshape(symbols, -1)
        new_ts, new_px = np.zeros((symbols, room), dtype=np.int64), np.zeros((symbols, room), dtype=np.float64)
        for s, count in enumerate(holdings["recent_n"].tolist()):
            places = np.arange(max(count - min(room, ts.shape[1]), 0), count) % ts.shape[1]
            new_ts[s, : len(places)], new_px[s, : len(places)] = ts[s, places], px[s, places]
            holdings["recent_n"][s] = len(places)
        return new_ts.ravel(), new_px.ravel()

    def make_room(self) -> None:
        """After the kernel has stopped for want of room."""
        self.logs.grow(self.book, 2 * ROWS_PER_SYMBOL * len(self.feeds))
        self.bind()
