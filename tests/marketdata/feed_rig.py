"""What the tests of feeds share: a clock that the test moves, a feed that the test speaks for, a listener."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from marketdata.columns import SECOND, BarColumns
from marketdata.feeds import BarBatch, ClosedBar, FeedState, Tick

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
    """Batches by time, and no bar twice."""
    closes = [batch.ts_close for batch in listener.batches]
    assert closes == sorted(set(closes))
    keys = [bar.key for batch in listener.batches for bar in batch.bars.values()]
    assert len(keys) == len(set(keys))
