"""One price, bar or quote at a time, over the same pure functions.

`Incremental` keeps the bars it was given and asks the strategy for its opinion on the latest one, so that feeding a
series one by one and computing it at once give the same signals, bit for bit. Each answer costs one pass over the bars
so far.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from engine.types import TIMEFRAMES
from strategies.base import Signal, Strategy
from strategies.panel import PanelStrategy
from strategies.params import shown

if TYPE_CHECKING:
    from engine import Bars

_COLUMNS = ("open", "high", "low", "close", "volume")
# Timeframes whose bars start at multiples of their length in every market; hours and days start with the session.
_BUILT_FROM_QUOTES = ("1s", "1m", "5m", "15m")


class Incremental:
    """A strategy that is fed bit by bit: `on_bar`, `on_quote`, `add_price`, then `get_signal`; `reset` forgets all.

    symbol, timeframe, calendar: as in `engine.Bars`. Raises InputError on values that are no market data.
    """

    def __init__(self, strategy: Strategy, *, symbol: str, timeframe: str = "1d", calendar: str = "XNYS") -> None:
        if not isinstance(strategy, Strategy):
            raise TypeError(f"expected a Strategy, got {type(strategy).__name__}")
        if isinstance(strategy, PanelStrategy):
            message = f"{strategy.label} reads several symbols together, and here is one"
            raise InputError(Fault("strategy", "conflict", message, "Ask strategies.reading.explain"))
        if timeframe not in TIMEFRAMES:
            hint = f"One of: {', '.join(TIMEFRAMES)}."
            raise InputError(Fault("timeframe", "unknown_choice", f"There is no timeframe {shown(timeframe)}.", hint))
        self.strategy = strategy
        self.symbol, self.timeframe, self.calendar = symbol, timeframe, calendar
        self._step = TIMEFRAMES[timeframe]
        self.reset()

    def __len__(self) -> int:
        return self._count

    def reset(self) -> None:
        """Forgets every bar and the one that quotes were building."""
        self._count = 0
        self._ts: NDArray[np.int64] = np.empty(256, np.int64)
        self._values: NDArray[np.float64] = np.empty((len(_COLUMNS), 256))
        self._forming: dict[str, float] | None = None
        self._forming_ts = 0

    def on_bar(self, bar: Mapping[str, object]) -> Signal:
        """Takes one closed bar and gives the opinion on it.

        bar: ts (aware datetime or int ns UTC, the bar's start), open, high, low, close, and volume (default 0).
        Raises InputError: not a finite number, prices not positive, high < low, time not after the last bar's.
        """
        if unknown := [name for name in bar if name not in ("ts", *_COLUMNS)]:
            raise InputError(Fault(str(name), "unknown_field", "A bar has no such field.") for name in unknown)
        values = {name: _number(bar.get(name), name) for name in _COLUMNS[:4]}
        values["volume"] = _number(bar.get("volume", 0.0), "volume", least=0.0)
        low, high = values["low"], values["high"]
        if not low <= min(values["open"], values["close"]) <= max(values["open"], values["close"]) <= high:
            raise InputError(Fault("high", "out_of_range", "Open and close must lie between low and high."))
        self._take(_instant(bar.get("ts"), "ts"), values)
        return self._latest()

    def add_price(self, px: float, ts: datetime.datetime | int, volume: float = 0.0) -> Signal:
        """Takes a closing price as a bar that did not move. ts: the bar's start. Raises InputError."""
        price = _number(px, "px")
        prices = dict.fromkeys(_COLUMNS[:4], price)
        self._take(_instant(ts, "ts"), {**prices, "volume": _number(volume, "volume", least=0.0)})
        return self._latest()

    def on_quote(self, bid: float, ask: float, ts: datetime.datetime | int) -> Signal | None:
        """Takes a quote; when it is the first one of a later bar, gives the opinion on the bar that has closed.

        Bars are made from the mid price and have no volume. Only for timeframes of 1s to 15m: longer bars start with
        the exchange's session, which quotes do not tell. Raises InputError: crossed, not positive, or out of order.
        """
        if self.timeframe not in _BUILT_FROM_QUOTES:
            text = f"Bars of {self.timeframe} cannot be made from quotes; feed them with on_bar."
            raise InputError(Fault("timeframe", "conflict", text))
        low, high = _number(bid, "bid"), _number(ask, "ask")
        if low > high:
            raise InputError(Fault("bid", "out_of_range", f"The bid {low:g} is above the ask {high:g}."))
        start = _instant(ts, "ts") // self._step * self._step
        mid = (low + high) / 2
        if self._forming is not None and start == self._forming_ts:
            self._forming["high"] = max(self._forming["high"], mid)
            self._forming["low"] = min(self._forming["low"], mid)
            self._forming["close"] = mid
            return None
        last = self._forming_ts if self._forming is not None else self._last()
        self._refuse_unless_later(start, last)
        closed = self._forming
        if closed is not None:
            self._append(self._forming_ts, closed)
        self._forming = {**dict.fromkeys(_COLUMNS[:4], mid), "volume": 0.0}
        self._forming_ts = start
        return None if closed is None else self._latest()

    def get_signal(self) -> Signal | None:
        """The opinion on the latest closed bar; None before there is one."""
        return self._latest() if self._count else None

    def generate_signals(self, bars: Bars) -> list[Signal]:
        """Every BUY and SELL of a whole series; what was fed before plays no part in it."""
        return self.strategy.generate_signals(bars)

    def bars(self) -> Bars:
        """The closed bars so far."""
        from engine import Bars

        columns = {name: self._values[i, : self._count].copy() for i, name in enumerate(_COLUMNS)}
        return Bars.from_arrays(
            symbol=self.symbol,
            timeframe=self.timeframe,
            calendar=self.calendar,
            ts=self._ts[: self._count].copy(),
            **columns,
        )

    def _latest(self) -> Signal:
        return self.strategy.explain(self.bars(), -1)

    def _last(self) -> int | None:
        return int(self._ts[self._count - 1]) if self._count else None

    def _take(self, ts: int, values: Mapping[str, float]) -> None:
        if self._forming is not None:
            raise InputError(Fault("ts", "conflict", "Quotes are building a bar already; reset before feeding bars."))
        self._refuse_unless_later(ts, self._last())
        self._append(ts, values)

    def _append(self, ts: int, values: Mapping[str, float]) -> None:
        if self._count == len(self._ts):
            self._ts = np.concatenate([self._ts, np.empty_like(self._ts)])
            self._values = np.concatenate([self._values, np.empty_like(self._values)], axis=1)
        self._ts[self._count] = ts
        self._values[:, self._count] = [values[name] for name in _COLUMNS]
        self._count += 1

    def _refuse_unless_later(self, ts: int, last: int | None) -> None:
        if last is not None and ts <= last:
            raise InputError(Fault("ts", "out_of_order", "It is not later than the bar before it."))


def _number(value: object, path: str, *, least: float | None = None) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(Fault(path, "not_a_number", f"It must be a number, not {shown(value)}."))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(Fault(path, "not_a_finite_number", "It must be a finite number."))
    if (number <= 0) if least is None else (number < least):
        bound = "above 0" if least is None else f"at least {least:g}"
        raise InputError(Fault(path, "out_of_range", f"It is {number:g} and must be {bound}."))
    return number


def _instant(value: object, path: str) -> int:
    """Nanoseconds since 1970 UTC of an aware datetime or an int that already is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        since = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    raise InputError(Fault(path, "wrong_type", f"It must be an aware datetime or nanoseconds, not {shown(value)}."))
