"""Coarser bars from finer ones, and coarse values handed to fine bars, without ever looking ahead.

Where a coarse bar begins:

- Inside the exchange's regular session, intraday bars are counted from the session's open: hours of XNYS are 09:30,
  10:30 … 15:30, and the last one ends with the session (16:00, on half days 13:00). No bar holds prices from both sides
  of the open or the close.
- Outside it, pre-market bars are counted backwards from the open, post-market bars forwards from the close.
- ``24/7`` counts from midnight UTC.
- A day holds the regular session only (`extended_hours=True` adds the rest) and is labelled midnight UTC of its date.

A coarse bar is known when it has ended by the clock (its session's close, if that is earlier). Minutes without trades
leave no mark: a coarse bar of which one minute exists is a bar, one of which none exists is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine import exchange
from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK
from engine.types import NANOS_PER_DAY, Flags, Ints

if TYPE_CHECKING:
    from engine.bars import Bars


def resample(bars: Bars, timeframe: str, *, extended_hours: bool | None = None) -> Bars:
    """The same market in coarser bars.

    open, high, low, close, volume: first, highest, lowest, last, sum of the finer bars; series beside them: the last.
    ts is where the bar begins by the rules above, not where its first trade happened.
    extended_hours: whether bars outside the regular session take part; None: in intraday bars yes, in days no.
    Raises InputError when `timeframe` is unknown, or not coarser than the bars and a multiple of them.
    """
    from engine.bars import Bars

    fine_ns, coarse_ns = exchange.timeframe_ns(bars.timeframe), exchange.timeframe_ns(timeframe)
    if coarse_ns <= fine_ns or coarse_ns % fine_ns:
        message = f"cannot make {timeframe} bars from {bars.timeframe} bars"
        raise InputError(Fault("timeframe", "unknown_choice", message, "a coarser timeframe, a multiple of the bars'"))
    keep_extended = timeframe != "1d" if extended_hours is None else extended_hours
    starts, regular = _bucket_starts(bars.ts, bars.timeframe, timeframe, bars.calendar)
    kept = np.ones(len(bars), dtype=np.bool_) if keep_extended else regular
    starts = starts[kept]
    first = np.flatnonzero(np.concatenate(([True], starts[1:] != starts[:-1]))) if len(starts) else starts
    last = np.concatenate((first[1:], [len(starts)])).astype(np.int64)[: len(first)] - 1

    def reduced(ufunc: np.ufunc, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(ufunc.reduceat(values[kept], first) if len(first) else values[:0], dtype=np.float64)

    coarse = Bars(
        symbol=bars.symbol,
        timeframe=timeframe,
        calendar=bars.calendar,
        ts=starts[first],
        open=bars.open[kept][first],
        high=reduced(np.maximum, bars.high),
        low=reduced(np.minimum, bars.low),
        close=bars.close[kept][last],
        volume=reduced(np.add, bars.volume),
        tick_size=bars.tick_size,
        lot_size=bars.lot_size,
        fractionable=bars.fractionable,
        currency=bars.currency,
    )
    # What was known at the last of them is what is known when the coarse bar closes.
    return (
        coarse.with_extras({name: values[kept][last] for name, values in bars.extras.items()})
        if bars.extras
        else coarse
    )


def close_times(bars: Bars) -> Ints:
    """When each bar is known, int64 ns: the end of its span, or its session's close, whichever comes first.

    A day of an exchange is known at its session's close. Shape (len(bars),).
    """
    if bars.calendar == ROUND_THE_CLOCK or len(bars) == 0:
        return bars.ts + exchange.timeframe_ns(bars.timeframe)
    if bars.timeframe == "1d":
        return _daily_spans(bars)[1]
    _, closes = exchange.session_bounds(bars.ts, bars.timeframe, bars.calendar)
    ends = bars.ts + exchange.timeframe_ns(bars.timeframe)
    return np.asarray(np.where(bars.ts < closes, np.minimum(ends, closes), ends), dtype=np.int64)


def align(values: npt.NDArray[Any], coarse: Bars, fine: Bars) -> npt.NDArray[Any]:
    """For each fine bar, the value of the last coarse bar that is known at the fine bar's close.

    values: shape (len(coarse), …), any dtype. Returns shape (len(fine), …) of the same dtype; before the first coarse
    bar is known: NaN for floats, 0 or False otherwise. Raises InputError when `values` and `coarse` differ in length.
    """
    _require_one_each(values, coarse)
    row = np.searchsorted(close_times(coarse), close_times(fine), side="right") - 1
    known = row >= 0
    out = np.full((len(fine), *values.shape[1:]), np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
    out[known] = values[row[known]]
    return out


def last_fine_bar(coarse: Bars, fine: Bars) -> Ints:
    """For each coarse bar the index of the last fine bar inside it, or -1 where it has none. Shape (len(coarse),).

    That fine bar is where the coarse bar's signal sits when a run decides on one timeframe and matches on a finer one:
    an order decided there meets the market in the next fine bar, which opens after the coarse bar has ended.
    """
    if len(fine) == 0 or len(coarse) == 0:
        return np.full(len(coarse), -1, dtype=np.int64)
    if coarse.timeframe == "1d" and coarse.calendar != ROUND_THE_CLOCK:
        begins, ends = _daily_spans(coarse)
    else:
        begins, ends = coarse.ts, close_times(coarse)
    row = np.searchsorted(fine.ts, ends, side="left") - 1
    inside = (row >= 0) & (fine.ts[np.maximum(row, 0)] >= begins)
    return np.asarray(np.where(inside, row, -1), dtype=np.int64)


def spread(signals: npt.NDArray[Any], coarse: Bars, fine: Bars) -> npt.NDArray[Any]:
    """Coarse signals placed on fine bars: each on the last fine bar of its coarse bar, zeros everywhere else.

    signals: shape (len(coarse),), any dtype, also structured. A signal whose coarse bar has no fine bar is dropped,
    because there is no market to meet. Raises InputError when `signals` and `coarse` differ in length.
    """
    _require_one_each(signals, coarse)
    row = last_fine_bar(coarse, fine)
    out = np.zeros(len(fine), dtype=signals.dtype)
    out[row[row >= 0]] = signals[row >= 0]
    return out


def _require_one_each(values: npt.NDArray[Any], coarse: Bars) -> None:
    if len(values) != len(coarse):
        raise InputError(Fault("values", "wrong_length", f"{len(values)} values for {len(coarse)} coarse bars"))


def _bucket_starts(ts: Ints, fine: str, timeframe: str, calendar: str) -> tuple[Ints, Flags]:
    """Where the coarse bar of each fine bar begins, and which fine bars open in the regular session."""
    length = exchange.timeframe_ns(timeframe)
    if calendar == ROUND_THE_CLOCK:
        return ts // length * length, np.ones(len(ts), dtype=np.bool_)
    opens, closes = exchange.session_bounds(ts, fine, calendar)
    regular = (ts >= opens) & (ts < closes)
    if timeframe == "1d":
        return exchange.trading_days(ts, fine, calendar).astype(np.int64) * NANOS_PER_DAY, regular
    anchor = np.where(ts >= closes, closes, opens)
    return anchor + (ts - anchor) // length * length, regular


def _daily_spans(bars: Bars) -> tuple[Ints, Ints]:
    """The session of each daily bar; a date on which the calendar has none is taken as its UTC day."""
    day = exchange.trading_days(bars.ts, "1d", bars.calendar).astype(np.int64)
    table = exchange.sessions(bars.calendar, int(bars.ts[0]), int(bars.ts[-1]))
    row = np.minimum(np.searchsorted(table.day, day), len(table.day) - 1)
    in_calendar = table.day[row] == day
    begins = np.where(in_calendar, table.opens[row], day * NANOS_PER_DAY)
    return begins, np.where(in_calendar, table.closes[row], (day + 1) * NANOS_PER_DAY)
