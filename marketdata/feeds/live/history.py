"""Closed bars of a vendor's history in any timeframe: its own ones, or made of its finer ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.exchange import ROUND_THE_CLOCK
from engine.types import TIMEFRAMES
from marketdata.columns import DAY, BarColumns
from marketdata.feeds.spans import spans_of
from marketdata.providers.base import Provider

_TRIES = 6
_REGULAR_SHARE, _DAYS_SHARE = 5.5, 1.6  # a week has so many times the hours, and days, of an exchange


class History:
    """One vendor's. calendar(symbol): its exchange's. listed(symbol): what the provider calls it. finest: the timeframe
    of the feed's own bars."""

    def __init__(
        self, provider: Provider, calendar: Callable[[str], str], listed: Callable[[str], str], finest: str
    ) -> None:
        self._provider, self._calendar, self._listed, self._finest = provider, calendar, listed, finest

    def between(self, symbol: str, timeframe: str, start_ns: int, end_ns: int, now_ns: int) -> BarColumns:
        """Bars that open in [start_ns, end_ns) and have ended by `now_ns`. Raises ProviderError."""
        if start_ns >= end_ns:
            return BarColumns.empty()
        native, name = self._native(timeframe), self._listed(symbol)
        if native == timeframe:
            return self._ended(self._provider.history(name, timeframe, start_ns, end_ns), symbol, timeframe, now_ns)
        # All of the bar that begins before the range and of the one that ends after it, so that both are whole.
        margin = DAY if timeframe == "1d" else TIMEFRAMES[timeframe]
        found = self._provider.history(name, native, start_ns - margin, min(end_ns + margin, now_ns))
        coarse = self._coarser(found, symbol, native, timeframe)
        return self._ended(coarse.between(start_ns, end_ns), symbol, timeframe, now_ns)

    def last(self, symbol: str, timeframe: str, count: int, before_ns: int) -> BarColumns:
        """The last `count` bars that have ended by `before_ns`; fewer where there are no more. Raises ProviderError."""
        span = TIMEFRAMES[timeframe] * (count + 1)
        if self._calendar(symbol) != ROUND_THE_CLOCK:  # over nights and weekends
            span = max(int(span * (_DAYS_SHARE if timeframe == "1d" else _REGULAR_SHARE)), 4 * DAY)
        found = BarColumns.empty()
        for _ in range(_TRIES):
            more = self.between(symbol, timeframe, before_ns - span, before_ns, before_ns)
            if len(more) >= count or (len(found) and len(more) == len(found)):
                return more.take(slice(max(len(more) - count, 0), None))
            found, span = more, span * 3
        return found

    def _native(self, timeframe: str) -> str:
        """The vendor's coarsest timeframe that `timeframe` is made of, itself where it has it."""
        known = {*self._provider.capabilities.timeframes, self._finest}
        if timeframe in known:
            return timeframe
        length = TIMEFRAMES[timeframe]
        return max((t for t in known if length % TIMEFRAMES[t] == 0), key=TIMEFRAMES.__getitem__)

    def _coarser(self, bars: BarColumns, symbol: str, native: str, timeframe: str) -> BarColumns:
        from engine.bars import Bars
        from engine.resample import resample

        if not len(bars):
            return bars
        fine = Bars(symbol=symbol, timeframe=native, calendar=self._calendar(symbol), ts=bars.ts, open=bars.open,
                    high=bars.high, low=bars.low, close=bars.close, volume=bars.volume)  # fmt: skip
        coarse = resample(fine, timeframe)
        return BarColumns(coarse.ts, coarse.open, coarse.high, coarse.low, coarse.close, coarse.volume)

    def _ended(self, bars: BarColumns, symbol: str, timeframe: str, now_ns: int) -> BarColumns:
        spans = spans_of(self._calendar(symbol))
        kept = [spans.place(ts, timeframe).ts_close <= now_ns for ts in bars.ts.tolist()]
        return bars.take(np.array(kept, bool)) if len(bars) else bars
