"""Coarser bars inside a strategy: what is known of them at each bar, and never more.

A strategy on one-minute bars may ask for hours or days. `aligned` makes them of the bars that it has, and hands what
was computed on them back, one value a bar: that of the newest coarse bar that had closed when the bar closed. Where a
coarse bar begins and when it is known is `engine.resample`'s. Plain Python and NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine import exchange
from engine.errors import Fault, InputError
from engine.types import TIMEFRAMES
from strategies.base import Strategy
from strategies.params import shown

if TYPE_CHECKING:
    from engine import Bars

# A session keeps its history in memory, and every decision reads all of it.
MAX_HISTORY = 250_000
# Minutes of one trading day, with what is traded before the open and after the close.
_EXCHANGE_DAY_MINUTES = 16 * 60
_ROUND_THE_CLOCK_MINUTES = 24 * 60
_MINUTE_NS = TIMEFRAMES["1m"]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Coarse bars that closed no later than the newest of `base`, and how they meet its bars.

    bars: the coarse ones. rows: int64, one a base bar: the newest coarse bar known at its close, -1 before the first.
    """

    base: Bars
    bars: Bars
    rows: NDArray[np.int64]

    def spread(self, values: NDArray[Any], ago: int = 0) -> NDArray[Any]:
        """`values`, one a coarse bar, as one a base bar; before the first coarse bar NaN, other dtypes 0 or False.

        ago: how many coarse bars before the newest known one.
        """
        out = np.empty((len(self.base), *values.shape[1:]), values.dtype)
        # Rows never fall, so that what is not known yet comes first.
        first = int(np.searchsorted(self.rows, ago))
        out[:first] = np.nan if values.dtype.kind == "f" else 0
        np.take(values, self.rows[first:] - ago, axis=0, out=out[first:], mode="clip")
        return out

    @property
    def closing(self) -> NDArray[np.bool_]:
        """Base bars at whose close a further coarse bar became known: where a signal of a coarse bar belongs."""
        return np.diff(self.rows, prepend=-1) > 0


def aligned(bars: Bars, timeframe: str) -> Aligned:
    """`bars` in a coarser timeframe, or in their own.

    Raises InputError (path ``timeframe``) where the timeframe is unknown, finer than the bars' or no multiple of it.
    """
    from engine.resample import close_times, resample

    refuse_finer(timeframe, bars.timeframe)
    if timeframe == bars.timeframe:
        return Aligned(bars, bars, np.arange(len(bars)))
    coarse = resample(bars, timeframe)
    known_at = close_times(coarse)
    own = close_times(bars)
    # The newest coarse bar may still be forming: only bars that the clock has closed are anybody's to read.
    closed = int(np.searchsorted(known_at, own[-1], side="right")) if len(bars) else 0
    rows = np.searchsorted(known_at[:closed], own, side="right") - 1
    return Aligned(bars, coarse[:closed], rows)


def refuse_finer(wanted: str, timeframe: str, path: str = "timeframe") -> None:
    """Raises InputError where bars of `wanted` cannot be made of bars of `timeframe`."""
    if wanted not in TIMEFRAMES:
        hint = f"One of: {', '.join(TIMEFRAMES)}."
        raise InputError(Fault(path, "unknown_choice", f"There is no timeframe {shown(wanted)}.", hint))
    if TIMEFRAMES[wanted] % exchange.timeframe_ns(timeframe):
        message = f"Bars of {wanted} cannot be made of bars of {timeframe}."
        raise InputError(Fault(path, "conflict", message, f"Run it on {wanted} bars or on finer ones."))


def refuse(declared: type[Strategy], parameters: Mapping[str, Any], timeframe: str) -> None:
    """Raises InputError (path ``timeframe``) where a strategy reads bars that cannot be made of those it runs on."""
    for wanted in declared(**parameters).timeframes():
        refuse_finer(wanted, timeframe)


def refuse_history(needed: int, timeframe: str) -> None:
    """Raises InputError (path ``timeframe``) where a session would need more bars than one can hold."""
    if needed > MAX_HISTORY:
        message = f"about {needed:,} bars of {timeframe} would be needed before the first decision"
        hint = f"At most {MAX_HISTORY:,}: run it on a coarser timeframe, or look back over fewer bars."
        raise InputError(Fault("timeframe", "out_of_range", message, hint))


def base_bars(count: int, timeframe: str, base: str, calendar: str) -> int:
    """Bars of `base` that surely hold `count` closed bars of `timeframe`, and the one that is forming. Rather too many.

    A day of an exchange is taken as 16 hours, because bars before its open and after its close may be among them; a bar
    that is shorter than a day and cut off by the session's end counts in full.
    """
    length, own = TIMEFRAMES[timeframe], TIMEFRAMES[base]
    if length <= own:
        return count
    if length == TIMEFRAMES["1d"]:
        minutes = _ROUND_THE_CLOCK_MINUTES if calendar == exchange.ROUND_THE_CLOCK else _EXCHANGE_DAY_MINUTES
        length = minutes * _MINUTE_NS
    return (count + 1) * -(-length // own)
