"""Bars of one symbol: checked once, then read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from engine import exchange
from engine.errors import Fault, InputError
from engine.types import SESSION_CLOSING, SESSION_FIRST, SESSION_LAST, SESSION_OVER, Flags, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

    from engine.windows import TradingWindow

PRICE_COLUMNS: Final = ("open", "high", "low", "close")
COLUMNS: Final = (*PRICE_COLUMNS, "volume")
_MOST_FAULTS = 10

A = TypeVar("A", bound=npt.NDArray[Any])


class Bars:
    """OHLCV bars of one symbol, sorted by time, as contiguous read-only arrays of equal length n.

    ts: int64, when each bar opens, ns since 1970-01-01 UTC; strictly rising.
    open, high, low, close: float64 prices above 0, low <= open, close <= high. volume: float64, 0 or more.
    timeframe: 1s 1m 5m 15m 1h 4h 1d. calendar: a name of exchange_calendars (XNYS …), or 24/7.
    tick_size, lot_size: the least step of a price and of a quantity. fractionable: may be traded in any fraction, if
    the rules allow it too. currency: that of the prices. extras: see `with_extras`.

    Raises InputError with the first ten faults. Sequences are copied; float64 arrays that are contiguous are shared and
    must not be changed afterwards.
    """

    def __init__(
        self,
        symbol: str,
        timeframe: str,
        calendar: str,
        ts: npt.ArrayLike,
        open: npt.ArrayLike,
        high: npt.ArrayLike,
        low: npt.ArrayLike,
        close: npt.ArrayLike,
        volume: npt.ArrayLike,
        *,
        tick_size: float = 0.01,
        lot_size: float = 1.0,
        fractionable: bool = True,
        currency: str = "USD",
    ) -> None:
        exchange.timeframe_ns(timeframe)
        if not isinstance(symbol, str) or not symbol:
            raise InputError(Fault("symbol", "wrong_type", f"must be a name, got {symbol!r}"))
        if not isinstance(calendar, str) or not calendar:
            raise InputError(Fault("calendar", "wrong_type", f"must be a name, got {calendar!r}", "XNYS or 24/7"))
        for name, number in (("tick_size", tick_size), ("lot_size", lot_size)):
            if isinstance(number, bool) or not np.isfinite(number) or number <= 0:
                raise InputError(Fault(name, "out_of_range", f"must be above 0, got {number!r}"))
        self.symbol = symbol
        self.timeframe = timeframe
        self.calendar = calendar
        self.tick_size = float(tick_size)
        self.lot_size = float(lot_size)
        self.fractionable = bool(fractionable)
        self.currency = currency
        self.extras: dict[str, Floats] = {}
        self.ts: Ints = _times(ts)
        self.open = _column("open", open, len(self.ts))
        self.high = _column("high", high, len(self.ts))
        self.low = _column("low", low, len(self.ts))
        self.close = _column("close", close, len(self.ts))
        self.volume = _column("volume", volume, len(self.ts))
        self._check()

    @classmethod
    def from_arrays(
        cls,
        symbol: str,
        timeframe: str,
        ts: npt.ArrayLike,
        open: npt.ArrayLike,
        high: npt.ArrayLike,
        low: npt.ArrayLike,
        close: npt.ArrayLike,
        volume: npt.ArrayLike | None = None,
        *,
        calendar: str = "XNYS",
        **instrument: Any,
    ) -> Bars:
        """No volume means 0 everywhere. `instrument`: tick_size, lot_size, fractionable, currency."""
        if volume is None:
            volume = np.zeros(np.shape(ts))
        return cls(symbol, timeframe, calendar, ts, open, high, low, close, volume, **instrument)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, symbol: str, timeframe: str, calendar: str = "XNYS", **instrument: Any
    ) -> Bars:
        """From a pandas frame with the columns open high low close [volume] and a DatetimeIndex of opening times.

        An index without a zone is taken as UTC. Column names may be capitalised.
        """
        import pandas as pd

        names = {str(name).lower(): name for name in frame.columns}
        missing = [name for name in PRICE_COLUMNS if name not in names]
        if missing:
            raise InputError(Fault(name, "required", f"the frame has no column {name!r}") for name in missing)
        index = frame.index
        if not isinstance(index, pd.DatetimeIndex):
            raise InputError(Fault("index", "wrong_type", "must be a DatetimeIndex of opening times"))
        if index.hasnans:
            raise InputError(Fault("index", "required", "has a missing time"))
        index = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
        ts = index.as_unit("ns").asi8
        columns = {name: frame[names[name]].to_numpy(dtype=np.float64) for name in COLUMNS if name in names}
        return cls.from_arrays(symbol, timeframe, ts, calendar=calendar, **columns, **instrument)

    def frame(self) -> pd.DataFrame:
        """A pandas frame of the five columns, indexed by opening time in UTC."""
        import pandas as pd

        index = pd.DatetimeIndex(self.ts.astype("datetime64[ns]"), tz="UTC", name="time")
        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS}, index=index)

    def between(self, start: int | None, end: int | None) -> Bars:
        """The bars that open in [start, end), int64 ns; None leaves that side open."""
        first = 0 if start is None else int(np.searchsorted(self.ts, start, side="left"))
        last = len(self) if end is None else int(np.searchsorted(self.ts, end, side="left"))
        return self[first:last]

    def with_extras(self, extras: Mapping[str, npt.ArrayLike]) -> Bars:
        """These bars with more series beside the prices: float64, one value a bar, NaN where there is none.

        Strategies may read them; the engine never does. The value of a bar is what was known when it closed. Slices
        keep them, coarser bars (`engine.resample`) the last of each. Shares memory. Raises InputError for a length that
        is not that of the bars.
        """
        whole = self[0 : len(self)]
        whole.extras |= {name: _column(name, values, len(self)) for name, values in extras.items()}
        return whole

    def __getitem__(self, rows: slice) -> Bars:
        """A run of consecutive bars; shares memory, is not checked again."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError("bars are sliced, one after the other: bars[10:20]")
        part = object.__new__(Bars)
        for name in ("symbol", "timeframe", "calendar", "tick_size", "lot_size", "fractionable", "currency"):
            setattr(part, name, getattr(self, name))
        for name in ("ts", *COLUMNS):
            setattr(part, name, getattr(self, name)[rows])
        part.extras = {name: values[rows] for name, values in self.extras.items()}
        return part

    def __len__(self) -> int:
        return len(self.ts)

    def __repr__(self) -> str:
        span = ""
        if len(self):
            first, last = self.ts[[0, -1]].astype("datetime64[ns]").astype("datetime64[s]")
            span = f", {first}Z … {last}Z"
        return f"Bars({self.symbol} {self.timeframe} {self.calendar}, {len(self)} bars{span})"

    @cached_property
    def ts_close(self) -> Ints:
        """When each bar closes: ts + timeframe."""
        return _frozen(self.ts + exchange.timeframe_ns(self.timeframe))

    @cached_property
    def trading_day(self) -> npt.NDArray[np.int32]:
        """The exchange's trading day of each bar, in days since 1970-01-01."""
        days: npt.NDArray[np.int32] = np.ascontiguousarray(
            exchange.trading_days(self.ts, self.timeframe, self.calendar), dtype=np.int32
        )
        return _frozen(days)

    @cached_property
    def session_flags(self) -> npt.NDArray[np.int8]:
        """The SESSION_ bits of each bar; on each daily bar all but SESSION_CLOSING."""
        if self.timeframe == "1d":
            return _frozen(np.full(len(self), SESSION_FIRST | SESSION_LAST | SESSION_OVER, dtype=np.int8))
        _, first, last = exchange.session_flags(self.ts, self.timeframe, self.calendar)
        _, closes = exchange.session_bounds(self.ts, self.timeframe, self.calendar)
        bits = first * SESSION_FIRST + last * SESSION_LAST + (self.ts_close >= closes) * SESSION_OVER
        if self.calendar != exchange.ROUND_THE_CLOCK:
            length = exchange.timeframe_ns(self.timeframe)
            bits = bits + (self.ts_close + length >= closes) * SESSION_CLOSING
        return _frozen(bits.astype(np.int8))

    def mask_of(self, window: TradingWindow) -> npt.NDArray[np.int8]:
        """1 where `window` lets an entry be decided at the bar's close. The last window asked for is remembered."""
        known = self.__dict__.get("_mask")
        if known is None or known[0] != window:
            mask = np.ascontiguousarray(window.mask(self), dtype=np.int8)
            self.__dict__["_mask"] = known = (window, _frozen(mask))
        answer: npt.NDArray[np.int8] = known[1]
        return answer

    @property
    def session_first(self) -> Flags:
        """The first bar of each trading day that opens inside the regular session."""
        return np.asarray((self.session_flags & SESSION_FIRST) != 0)

    @property
    def session_last(self) -> Flags:
        """The bar that holds the session's close."""
        return np.asarray((self.session_flags & SESSION_LAST) != 0)

    def _check(self) -> None:
        faults = []
        for fault in self._faults():
            faults.append(fault)
            if len(faults) == _MOST_FAULTS:
                break
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        for row in np.flatnonzero(np.diff(self.ts) <= 0)[:_MOST_FAULTS]:
            same = self.ts[row] == self.ts[row + 1]
            word = "appears twice" if same else "is earlier than the one before"
            yield Fault(f"ts[{row + 1}]", "duplicate" if same else "unsorted", f"{_iso(self.ts[row + 1])} {word}")
        good = np.ones(len(self), dtype=np.bool_)
        for name in COLUMNS:
            values: Floats = getattr(self, name)
            finite = np.isfinite(values)
            for row in np.flatnonzero(~finite)[:_MOST_FAULTS]:
                yield Fault(f"{name}[{row}]", "not_a_finite_number", f"{values[row]} at {_iso(self.ts[row])}")
            low = values < 0.0 if name == "volume" else values <= 0.0
            for row in np.flatnonzero(finite & low)[:_MOST_FAULTS]:
                yield Fault(f"{name}[{row}]", "out_of_range", f"{values[row]} at {_iso(self.ts[row])}")
            good &= finite
        body_low, body_high = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        for row in np.flatnonzero(good & ((self.low > body_low) | (self.high < body_high)))[:_MOST_FAULTS]:
            prices = ", ".join(f"{name} {getattr(self, name)[row]:g}" for name in PRICE_COLUMNS)
            yield Fault(f"row {row}", "out_of_range", f"low <= open, close <= high does not hold: {prices}")


def _times(ts: npt.ArrayLike) -> Ints:
    times = np.asarray(ts)
    if times.dtype.kind == "M":
        times = times.astype("datetime64[ns]").astype(np.int64)
    if times.ndim != 1 or times.dtype.kind not in "iu":
        raise InputError(Fault("ts", "wrong_type", "must be one row of int64 nanoseconds"))
    return _frozen(np.ascontiguousarray(times, dtype=np.int64))


def _column(name: str, values: npt.ArrayLike, length: int) -> Floats:
    try:
        column: Floats = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(Fault(name, "not_a_number", "must be numbers")) from None
    if column.ndim != 1 or len(column) != length:
        raise InputError(Fault(name, "wrong_length", f"must have one value a bar ({length}), got shape {column.shape}"))
    return _frozen(column)


def _frozen(array: A) -> A:
    """A read-only view, so that the caller's own array stays writable."""
    view = array.view()
    view.flags.writeable = False
    return view


def _iso(ns: int) -> str:
    return str(np.datetime64(int(ns), "ns").astype("datetime64[s]")) + "Z"
