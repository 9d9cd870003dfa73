"""A live market that is made up: it trades round the clock, and anybody can work out what it traded at any time.

For trying sessions without a paid feed, for load tests and for demonstrations. Always labelled synthetic; nothing
about profit can be learned from it. A restarted host gets exactly the ticks it would have had, so backfill is exact.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterable
from functools import partial

import numpy as np

from engine.errors import Fault, InputError
from engine.types import NANOS_PER_DAY, TIMEFRAMES
from marketdata.columns import SECOND, BarColumns
from marketdata.feeds import noise
from marketdata.feeds.base import Feed, FeedError, Sink
from marketdata.feeds.clock import Clock, WallClock
from marketdata.feeds.types import Tick

NAMED = ("SIM-ALPHA", "SIM-BETA", "SIM-GAMMA", "SIM-DELTA")
DEFAULT_SEED = 20260101
_SYMBOL = re.compile(r"SIM-[A-Z0-9]{1,12}")
_STEP_NS = SECOND // 20
_JUMP_NS = 5 * SECOND  # between two looks: what was traded meanwhile is a hole, and comes as one
_AHEAD_S = 16
_CHUNK_S = 6 * 3600


def symbols() -> list[str]:
    """What pages offer: four names, then SIM-01 to SIM-99. Any other `SIM-` name trades too."""
    return [*NAMED, *(f"SIM-{number:02}" for number in range(1, 100))]


class SyntheticFeed(Feed):
    """Made-up ticks. Not a network feed: only a clock that jumps ahead ends it, and backfill is a calculation.

    seed: which world. ticks_per_s: of each symbol. accelerate: market seconds per second of the clock; other than 1,
    the market is at `anchor_ns` when the clock is there, and runs away from it at that pace.
    """

    provider = "synthetic"
    may_lose = False

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        ticks_per_s: int = 2,
        accelerate: float = 1.0,
        anchor_ns: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.seed = seed
        self.ticks_per_s = ticks_per_s
        self._accelerate, self._anchor = accelerate, anchor_ns
        self._clock = clock or WallClock()
        self._symbols: dict[str, _Ahead] = {}
        self._pushed = 0

    def now(self) -> int:
        wall = self._clock.now_ns()
        if self._accelerate == 1.0:
            return wall
        return self._anchor + int((wall - self._anchor) * self._accelerate)

    def watermark(self) -> int:
        return self._pushed

    async def prepare(self, symbols: Iterable[str]) -> None:
        for i, symbol in enumerate(symbols):
            if not _SYMBOL.fullmatch(symbol):
                message = f"{symbol[:40]!r} is no synthetic symbol"
                raise InputError(Fault(f"symbols[{i}]", "not_found", message, "SIM-ALPHA, SIM-01 or another SIM- name"))

    def subscribe(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._symbols.setdefault(symbol, _Ahead(self, symbol))

    def unsubscribe(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._symbols.pop(symbol, None)

    async def run(self, sink: Sink) -> None:
        """Push what was traded since the last look, 20 times a second, second by second, so that a bar closes right
        after its last tick however fast the market's clock runs."""
        self._pushed = self.now()
        sink.connected()
        while True:
            wall = self._clock.now_ns()
            await self._clock.sleep((_STEP_NS - wall % _STEP_NS) / SECOND)
            if self._clock.now_ns() - wall > _JUMP_NS:
                raise FeedError("The clock has jumped ahead, or this machine has slept.", retryable=True)
            now = self.now()
            while self._pushed < now:
                until = min(now, self._pushed - self._pushed % SECOND + SECOND)
                found = [t for ahead in list(self._symbols.values()) for t in ahead.between(self._pushed, until)]
                found.sort(key=lambda tick: tick.ts)
                for tick in found:
                    sink.tick(tick)
                self._pushed = until
                sink.advance(until)

    def history(self, symbol: str, timeframe: str, bars: int, before_ns: int) -> BarColumns:
        """The last `bars` bars that have ended by `before_ns`."""
        end = before_ns // TIMEFRAMES[timeframe] * TIMEFRAMES[timeframe]
        start = end - bars * TIMEFRAMES[timeframe]
        return history(symbol, timeframe, start, end, seed=self.seed, ticks_per_s=self.ticks_per_s)

    async def backfill(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        end_ns = min(end_ns, self.now())
        made = partial(history, symbol, timeframe, start_ns, end_ns, seed=self.seed, ticks_per_s=self.ticks_per_s)
        if end_ns - start_ns > _CHUNK_S * SECOND:
            return await asyncio.to_thread(made)  # it takes longer than others on the loop should wait
        return made()


def history(
    symbol: str,
    timeframe: str,
    start_ns: int,
    end_ns: int,
    *,
    seed: int = DEFAULT_SEED,
    ticks_per_s: int = 2,
) -> BarColumns:
    """The bars that the feed's ticks make, of those that open at or after `start_ns` and have ended by `end_ns`.

    About 25 million ticks a minute: 500 bars of 1m are ready in a tenth of a second, a year of days is not.
    """
    length = TIMEFRAMES[timeframe]
    first, last = -(-start_ns // length) * length, end_ns // length * length
    step = max(length, min(_CHUNK_S * SECOND, NANOS_PER_DAY) // length * length)
    parts = []
    for begin in range(first, last, step):
        parts.append(_bars(symbol, length, begin, min(begin + step, last), seed, ticks_per_s))
    return BarColumns.concat(parts)


def _bars(symbol: str, length: int, begin: int, end: int, seed: int, per_s: int) -> BarColumns:
    found = noise.ticks(seed, symbol, begin // SECOND, end // SECOND, per_s)
    shape = (-1, length // SECOND * per_s)
    px, size = found["px"].reshape(shape), found["size"].reshape(shape)
    ts = begin + np.arange(len(px), dtype=np.int64) * length
    # Sizes are whole numbers, so their sum is exact in any order.
    return BarColumns(ts, px[:, 0].copy(), px.max(axis=1), px.min(axis=1), px[:, -1].copy(), size.sum(axis=1))


class _Ahead:
    """The next seconds of one symbol, worked out together: a call for one second costs as much as for sixteen. It
    comes in the middle of a second, when no bar closes, and not for all symbols in the same one."""

    __slots__ = ("_feed", "_first", "_last", "_next", "_symbol", "_ticks")

    def __init__(self, feed: SyntheticFeed, symbol: str) -> None:
        self._feed, self._symbol = feed, symbol
        self._first = self._last = 0
        self._next = 0
        self._ticks: list[Tick] = []

    def between(self, start_ns: int, end_ns: int) -> list[Tick]:
        """Ticks in [start_ns, end_ns), which lies in one second."""
        second = start_ns // SECOND
        if not self._first <= second < self._last:
            self._ticks, self._next = [], 0
            self._first = self._last = second
            self._work_out(_AHEAD_S - (second + zlib.crc32(self._symbol.encode())) % _AHEAD_S)
        elif second == self._last - 1 and end_ns % SECOND > SECOND // 2:
            self._work_out(_AHEAD_S)
        found = []
        while self._next < len(self._ticks) and self._ticks[self._next].ts < end_ns:
            tick = self._ticks[self._next]
            if tick.ts >= start_ns:
                found.append(tick)
            self._next += 1
        return found

    def _work_out(self, seconds: int) -> None:
        until = self._last + seconds
        made = noise.ticks(self._feed.seed, self._symbol, self._last, until, self._feed.ticks_per_s)
        self._ticks = self._ticks[self._next :] + [Tick(self._symbol, *row) for row in made.tolist()]
        self._next, self._last = 0, until
