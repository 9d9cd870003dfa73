"""What the tests of feeds share: a clock that the test moves, a feed that the test speaks for, a listener."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable
from itertools import count, pairwise

import numpy as np

from engine.errors import Fault, InputError
from marketdata.columns import SECOND, TIMEFRAME_NS, BarColumns
from marketdata.feeds import (
    BarBatch,
    BarBuilder,
    ClosedBar,
    Feed,
    FeedError,
    FeedHub,
    FeedKey,
    FeedState,
    Sink,
    Subscription,
    Tick,
)

START = 1_700_000_000 * SECOND - 1_700_000_000 * SECOND % (86_400 * SECOND)
"""Midnight UTC of an ordinary day."""


class HeldClock:
    """Stands still until `advance`; sleepers wake in the order of their times."""

    def __init__(self, now_ns: int = START) -> None:
        self._now = self._monotonic = now_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = count()

    def now_ns(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        due = self._monotonic + max(round(seconds * SECOND), 1)
        heapq.heappush(self._sleepers, (due, next(self._number), woken))
        await woken

    def jump(self, seconds: float) -> None:
        """The wall clock is set; nobody wakes."""
        self._now += round(seconds * SECOND)

    async def advance(self, seconds: float) -> None:
        end = self._monotonic + round(seconds * SECOND)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self._move(due)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._move(end)
        await settle()

    def _move(self, to: int) -> None:
        step = max(to - self._monotonic, 0)
        self._monotonic += step
        self._now += step


async def settle() -> None:
    """Let every task run until it waits for time."""
    for _ in range(25):
        await asyncio.sleep(0)


class Listener:
    """Keeps batches, bars, states and ticks."""

    def __init__(self) -> None:
        self.batches: list[BarBatch] = []
        self.states: list[FeedState] = []
        self.ticks: list[Tick] = []

    def on_bars(self, batch: BarBatch) -> None:
        self.batches.append(batch)

    def on_state(self, state: FeedState) -> None:
        self.states.append(state)

    def on_tick(self, tick: Tick) -> None:
        self.ticks.append(tick)

    @property
    def statuses(self) -> list[str]:
        return [state.status for state in self.states]

    def bars(self, timeframe: str, symbol: str | None = None) -> list[ClosedBar]:
        found = [bar for batch in self.batches for bar in batch.bars.values()]
        return [bar for bar in found if bar.timeframe == timeframe and symbol in (None, bar.symbol)]

    def values(self, timeframe: str, symbol: str | None = None) -> list[tuple[float, ...]]:
        return [bar.values() for bar in self.bars(timeframe, symbol)]


def rows(columns: BarColumns) -> list[tuple[float, ...]]:
    return list(zip(columns.ts.tolist(), *(a.tolist() for a in columns.arrays()), strict=True))


def assert_in_order(listener: Listener) -> None:
    """Batches by time (but for those that say they are late), and no bar twice."""
    closes = [batch.ts_close for batch in listener.batches if not batch.late]
    back = [pair for pair in pairwise(closes) if pair[0] >= pair[1]]
    assert not back, back
    keys = [bar.key for batch in listener.batches for bar in batch.bars.values()]
    assert len(keys) == len(set(keys))


class SpokenFeed(Feed):
    """A feed that says what the test has it say. `happened`: everything that was traded, heard or not.

    runs: attempts to connect. asked: backfills. refusals: raised by the next attempts, one each. mute_connect: the next
    attempts get no answer.
    """

    provider = "spoken"

    def __init__(self, clock: HeldClock, *, timeframe: str | None = None, symbols: Iterable[str] = ("X", "Y")) -> None:
        self.timeframe = timeframe
        self.clock = clock
        self.known = set(symbols)
        self.happened: list[Tick] = []
        self.bars_known: list[ClosedBar] = []
        if timeframe is not None:
            self.silence_ns = TIMEFRAME_NS[timeframe] + 10 * SECOND
            self.grace_ns = SECOND
        self.subscribed: set[str] = set()
        self.runs = 0
        self.asked: list[tuple[str, str, int, int]] = []
        self.refusals: list[Exception] = []
        self.backfill_faults: list[Exception] = []
        self.mute_connect = False
        self.sink: Sink | None = None
        self._end: asyncio.Future[None] | None = None

    async def run(self, sink: Sink) -> None:
        self.runs += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self._end = asyncio.get_running_loop().create_future()
        if not self.mute_connect:
            self.sink = sink
            sink.connected()
        try:
            await self._end
        finally:
            self.sink = None

    def now(self) -> int:
        return self.clock.now_ns()

    async def prepare(self, symbols: Iterable[str]) -> None:
        unknown = set(symbols) - self.known
        if unknown:
            raise InputError(Fault("symbols", "not_found", f"{sorted(unknown)} are not known"))

    def subscribe(self, symbols: Iterable[str]) -> None:
        self.subscribed |= set(symbols)

    def unsubscribe(self, symbols: Iterable[str]) -> None:
        self.subscribed -= set(symbols)

    async def backfill(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.asked.append((symbol, timeframe, start_ns, end_ns))
        await asyncio.sleep(0)
        if self.backfill_faults:
            raise self.backfill_faults.pop(0)
        return self.truth(symbol, timeframe).between(start_ns, end_ns)

    def send(self, *bars: ClosedBar) -> None:
        """Bars of one instant, for a feed of bars."""
        if self.sink is not None:
            self.sink.bars([bar for bar in bars if bar.symbol in self.subscribed])

    def truth(self, symbol: str, timeframe: str) -> BarColumns:
        """The bars of everything that happened, of those that have ended."""
        builder = BarBuilder(symbol, [timeframe], base=self.base_timeframe)
        out: list[ClosedBar] = []
        for tick in self.happened:
            if tick.symbol == symbol:
                out += builder.add(tick)
        for bar in self.bars_known:
            if bar.symbol == symbol and bar.ts_close <= self.now():
                builder.add_bar(bar)
        out += [bar for bar in builder.close_until(1 << 61) if bar.ts_close <= self.now()]
        columns = list(zip(*(bar.values() for bar in out), strict=True)) or [()] * 6
        return BarColumns(np.array(columns[0], np.int64), *(np.array(c, np.float64) for c in columns[1:]))

    def say(self, symbol: str, px: float, size: float = 1.0) -> None:
        """A trade that is heard."""
        self.lose(symbol, px, size)
        if self.sink is not None and symbol in self.subscribed:
            self.sink.tick(self.happened[-1])

    def lose(self, symbol: str, px: float, size: float = 1.0) -> None:
        """A trade that nobody hears of."""
        self.happened.append(Tick(symbol, self.clock.now_ns(), px, size))

    def break_off(self, message: str = "The line is cut.", *, retryable: bool = True) -> None:
        self.stop(FeedError(message, retryable=retryable))

    def stop(self, error: Exception | None = None) -> None:
        assert self._end is not None
        if not self._end.done():
            if error is None:
                self._end.set_result(None)
            else:
                self._end.set_exception(error)


class Rig:
    """A hub over one spoken feed, on a held clock."""

    def __init__(self, **options: object) -> None:
        self.clock = HeldClock()
        self.feed = SpokenFeed(self.clock, **options)  # type: ignore[arg-type]
        self.opened = 0
        self.open_hours: Callable[[str, int], bool] = lambda calendar, at: True
        self.hub = FeedHub(
            self._open, clock=self.clock, market_open=lambda calendar, at: self.open_hours(calendar, at), seed=1
        )
        self.key = FeedKey.of("spoken")
        self._random = np.random.default_rng(3)
        self._px: dict[str, float] = {}

    def _open(self, key: FeedKey) -> Feed:
        self.opened += 1
        return self.feed

    def listen(
        self, symbols: Iterable[str] = ("X",), timeframes: Iterable[str] = ("1s", "1m"), **more: object
    ) -> tuple[Listener, Subscription]:
        listener = Listener()
        subscription = self.hub.listen(
            self.key, symbols, timeframes, listener.on_bars, listener.on_state, listener.on_tick, **more
        )
        return listener, subscription

    async def trade(self, seconds: float, symbols: Iterable[str] = ("X", "Y"), *, heard: bool = True) -> None:
        """Two trades a second of each symbol; with `heard=False` nobody hears of them."""
        for _ in range(round(seconds * 2)):
            for symbol in symbols:
                px = self._px[symbol] = self._px.get(symbol, 100.0) + float(self._random.integers(-5, 6)) / 100
                (self.feed.say if heard else self.feed.lose)(symbol, px, float(self._random.integers(1, 9)))
            await self.clock.advance(0.5)

    def stats(self) -> dict:
        return self.hub.stats()[self.key]


def run(scene: Callable[[Rig], Awaitable[None]], **options: object) -> None:
    """Play a scene with the hub running."""

    async def play() -> None:
        rig = Rig(**options)
        hub = asyncio.create_task(rig.hub.run())
        try:
            await scene(rig)
        finally:
            hub.cancel()
            await asyncio.gather(hub, return_exceptions=True)

    asyncio.run(play())


def assert_whole(rig: Rig, listener: Listener, frames: tuple[str, ...], symbols: tuple[str, ...] = ("X",)) -> None:
    """What was heard is, from its first bar on, everything that happened."""
    assert_in_order(listener)
    for frame in frames:
        for symbol in symbols:
            heard = listener.values(frame, symbol)
            assert heard, (frame, symbol)
            true = [row for row in rows(rig.feed.truth(symbol, frame)) if row[0] >= heard[0][0]]
            wrong = set(heard) ^ set(true)
            assert not wrong, (symbol, frame, sorted(wrong)[:6])
