"""One subscription per provider, symbol and timeframe, whatever the number of listeners."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

from engine.errors import Fault, InputError
from marketdata.feeds import spans
from marketdata.feeds.base import Feed
from marketdata.feeds.builder import check_multiple
from marketdata.feeds.clock import Clock, WallClock
from marketdata.feeds.connection import Connection
from marketdata.feeds.listener import Subscription
from marketdata.feeds.reconnect import Reconnect
from marketdata.feeds.types import BarBatch, FeedKey, FeedState, Tick


class FeedHub:
    """Starts a feed when the first listens, stops it when the last leaves, and keeps it connected in between.

    open_feed(key): makes the feed of a key; raises InputError. market_open(calendar, ns): whether that market is open.
    Lives on one asyncio loop: `listen`, `close`, `pause` and callbacks all belong to that loop's thread.
    """

    def __init__(
        self,
        open_feed: Callable[[FeedKey], Feed],
        *,
        clock: Clock | None = None,
        policy: Reconnect | None = None,
        market_open: Callable[[str, int], bool] = spans.is_open,
        seed: int | None = None,
    ) -> None:
        self._open_feed = open_feed
        self._clock = clock or WallClock()
        self._policy = policy or Reconnect()
        self._market_open = market_open
        self._random = random.Random(seed)  # noqa: S311 - spreads reconnects, hides nothing
        self._connections: dict[FeedKey, Connection] = {}
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def listen(
        self,
        key: FeedKey,
        symbols: Iterable[str],
        timeframes: Iterable[str],
        on_bars: Callable[[BarBatch], None],
        on_state: Callable[[FeedState], None],
        on_tick: Callable[[Tick], None] | None = None,
        *,
        since_ns: int | None = None,
    ) -> Subscription:
        """Hear the closed bars of `symbols` in `timeframes`, all that closed at one instant in one batch.

        since_ns: the close of the last bar the listener has (feed's clock): everything after it is delivered, what is
        past already first (of each timeframe the last 50,000 bars at most). None: what closes from now on. Bars come in
        the order of time, each once, whole ones only.
        on_state: at once, then with each change. on_tick: believed prints, duplicates left out. Callbacks must be quick
        and are called on the loop; one that raises is logged, counted, and called again next time.

        Raises InputError for an unknown provider, option or timeframe. An unknown symbol is told through `on_state`
        (failed), because only the provider may know.
        """
        wanted, frames = list(symbols), list(timeframes)
        if not wanted or not frames:
            name = "timeframes" if wanted else "symbols"
            raise InputError(Fault(name, "required", f"name at least one of {name}"))
        connection = self._connections.get(key)
        if connection is None or connection.state.status in ("ended", "failed"):
            feed = self._open_feed(key)
            if since_ns is not None:
                feed.resume(since_ns)
            connection = Connection(
                key, feed, self._clock, self._policy, self._market_open, self._random, self._changed.set
            )
        for timeframe in frames:
            check_multiple(connection.feed.base_timeframe, timeframe)
        listener = Subscription(connection, wanted, frames, on_bars, on_state, on_tick, since_ns)
        self._connections[key] = connection
        connection.join(listener)
        self._changed.set()
        return listener

    async def run(self) -> None:
        """Run the feeds that somebody listens to, until cancelled."""
        try:
            while True:
                self._changed.clear()
                await self._settle()
                await self._changed.wait()
        finally:
            await _stopped(self._tasks.values())
            self._tasks.clear()

    async def _settle(self) -> None:
        """Tasks for the connections that have listeners, and only for those."""
        for key, connection in list(self._connections.items()):
            if not connection.listeners:
                del self._connections[key]
        left = [c for c in self._tasks if c not in self._connections.values()]
        await _stopped([self._tasks.pop(connection) for connection in left])
        for connection in self._connections.values():
            if connection not in self._tasks:
                self._tasks[connection] = asyncio.create_task(connection.run())

    def stats(self) -> dict[FeedKey, dict[str, Any]]:
        """By feed: status, reason, subscriptions (symbols asked of the provider), listeners, ticks (believed),
        duplicate, late, out_of_order, bars (closed, whatever the listeners), corrected (bars that the provider
        changed afterwards), quarantined (by reason), reconnects, backfills (requests), errors (callbacks that raised).
        """
        return {key: connection.stats() for key, connection in self._connections.items()}


async def _stopped(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
