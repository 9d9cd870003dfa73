"""Stored bars sent again as if they came live: at the pace of the market, faster, or as fast as listeners take them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.resample import close_times, resample
from marketdata.columns import SECOND, BarColumns
from marketdata.feeds.base import Feed, Sink
from marketdata.feeds.builder import check_multiple
from marketdata.feeds.clock import Clock, WallClock
from marketdata.feeds.spans import Span, spans_of
from marketdata.feeds.types import ClosedBar

if TYPE_CHECKING:
    from engine.bars import Bars

_LOOK_S = 0.25
END_OF_TIME = 1 << 61


@dataclass(slots=True)
class Series:
    """The bars of one symbol: those before index `begin` are history, the others are replayed. closes: when each is
    known, ns UTC."""

    bars: Bars
    begin: int
    closes: NDArray[np.int64] = field(init=False)
    coarser: dict[str, tuple[Bars, NDArray[np.int64]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.closes = close_times(self.bars)

    def of(self, timeframe: str) -> tuple[Bars, NDArray[np.int64]]:
        """The same market in bars of `timeframe`, and when each of them is known."""
        if timeframe == self.bars.timeframe:
            return self.bars, self.closes
        if timeframe not in self.coarser:
            bars = resample(self.bars, timeframe)
            self.coarser[timeframe] = bars, close_times(bars)
        return self.coarser[timeframe]

    def span(self, index: int) -> Span:
        return spans_of(self.bars.calendar).place(int(self.bars.ts[index]), self.bars.timeframe)


class ReplayFeed(Feed):
    """A feed of bars whose clock is market time.

    load(symbol): its series; blocking, called in a thread, once per symbol; may raise InputError. start_ns: what the
    clock shows until it runs, so that history can be asked for up to there. speed: market seconds per second; 0: as
    fast as listeners take them. keep_gaps: wait through nights and weekends too. resume_at_ns: what closes up to then
    was seen already. The clock starts with the first bar of those symbols that are subscribed first.
    """

    provider = "replay"
    silence_ns = None
    may_lose = False

    def __init__(
        self,
        load: Callable[[str], Series],
        timeframe: str,
        *,
        start_ns: int = 0,
        speed: float = 0.0,
        keep_gaps: bool = False,
        resume_at_ns: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.timeframe = timeframe
        self._load, self._speed, self._keep_gaps = load, speed, keep_gaps
        self._clock = clock or WallClock()
        self._series: dict[str, Series] = {}
        self._subscribed: dict[str, int] = {}  # symbol → index of its next bar
        self._pushed = max(start_ns, resume_at_ns)
        self._next = 0  # the next instant at which bars close; 0: not known
        self._market, self._began = self._pushed, self._clock.monotonic_ns()

    def now(self) -> int:
        if not self._speed:
            return self._market
        at = self._market + int((self._clock.monotonic_ns() - self._began) * self._speed)
        return min(at, self._next) if self._next else self._market

    def watermark(self) -> int:
        return max(self._pushed, min(self.now(), self._next - 1)) if self._next else self._pushed

    def resume(self, after_ns: int) -> None:
        self._pushed = max(self._pushed, after_ns)
        self._set_clock(self._pushed)

    async def prepare(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            if symbol not in self._series:
                self._series[symbol] = await asyncio.to_thread(self._load, symbol)

    def calendar(self, symbol: str) -> str:
        return self._series[symbol].bars.calendar

    def subscribe(self, symbols: Iterable[str]) -> None:
        new = [symbol for symbol in symbols if symbol not in self._subscribed]
        if new and not self._subscribed:
            found = [self._series[symbol] for symbol in new]
            begin = min((s.span(s.begin).first for s in found if s.begin < len(s.bars)), default=0)
            self._pushed = max(self._pushed, begin)
            self._set_clock(self._pushed)
        for symbol in new:
            series = self._series[symbol]
            seen = int(np.searchsorted(series.closes, self._pushed, side="right"))
            self._subscribed[symbol] = max(series.begin, seen)

    def unsubscribe(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._subscribed.pop(symbol, None)

    async def run(self, sink: Sink) -> None:
        self._set_clock(self._pushed)
        sink.connected()
        while True:
            await sink.drained()
            due = self._due()
            if not due:
                sink.advance(END_OF_TIME)  # what is open now ends with the data, as it does in a backtest
                return
            self._next = min(due.values())
            while self._speed and self.now() < self._next:
                self._skip_closed_hours()
                sink.advance(self.watermark())
                await self._clock.sleep(min((self._next - self.now()) / self._speed / SECOND, _LOOK_S))
                await sink.drained()
                self._next = min(self._due().values(), default=self._next)
            self._push(sink)

    async def backfill(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        check_multiple(self.timeframe or "1m", timeframe)
        bars, closes = self._series[symbol].of(timeframe)
        first = int(np.searchsorted(bars.ts, start_ns))
        last = min(int(np.searchsorted(bars.ts, end_ns)), int(np.searchsorted(closes, self.watermark(), side="right")))
        part = slice(first, max(first, last))
        return BarColumns(bars.ts[part], *(a[part] for a in (bars.open, bars.high, bars.low, bars.close, bars.volume)))

    def _due(self) -> dict[str, int]:
        """When each symbol's next bar closes; symbols without one are left out."""
        return {
            symbol: int(self._series[symbol].closes[at])
            for symbol, at in self._subscribed.items()
            if at < len(self._series[symbol].closes)
        }

    def _push(self, sink: Sink) -> None:
        instant, received = self._next, self._clock.now_ns()
        closed = []
        for symbol, due in self._due().items():
            if due == instant:
                at = self._subscribed[symbol]
                bars = self._series[symbol].bars
                values = (float(a[at]) for a in (bars.open, bars.high, bars.low, bars.close, bars.volume))
                closed.append(ClosedBar(symbol, bars.timeframe, int(bars.ts[at]), instant, *values, received))
                self._subscribed[symbol] = at + 1
        self._pushed = instant
        self._set_clock(instant)
        sink.bars(closed)
        sink.advance(instant)

    def _set_clock(self, market_ns: int) -> None:
        self._market, self._began, self._next = market_ns, self._clock.monotonic_ns(), 0

    def _skip_closed_hours(self) -> None:
        """Jump to where the next bar begins, when no exchange is open until then."""
        now = self.now()
        if self._keep_gaps:
            return
        calendars = {self._series[s].bars.calendar for s in self._subscribed}
        if any(spans_of(calendar).is_open(now) for calendar in calendars):
            return
        due = self._due()
        begin = min((self._series[s].span(self._subscribed[s]).first for s in due), default=now)
        if begin > now:
            following = self._next
            self._set_clock(begin)
            self._next = following
