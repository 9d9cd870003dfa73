"""One listener of a feed: what it wants, what it got, whether it takes more."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from marketdata.feeds.types import BarBatch, ClosedBar, FeedState, Tick

if TYPE_CHECKING:
    from marketdata.feeds.connection import Connection

log = logging.getLogger(__name__)


class Subscription:
    """What `FeedHub.listen` returns.

    delivered: batches handed over. errors: callbacks that raised (logged; the listener and everybody else go on).
    """

    def __init__(
        self,
        connection: Connection,
        symbols: Iterable[str],
        timeframes: Iterable[str],
        on_bars: Callable[[BarBatch], None],
        on_state: Callable[[FeedState], None],
        on_tick: Callable[[Tick], None] | None,
        since_ns: int | None,
    ) -> None:
        self.symbols = tuple(dict.fromkeys(symbols))
        self.timeframes = tuple(dict.fromkeys(timeframes))
        self.since_ns = since_ns
        self.delivered = 0
        self.errors = 0
        self.ready = False
        self.paused = False
        self.closed = False
        self._connection = connection
        self._on_bars, self._on_state, self.on_tick = on_bars, on_state, on_tick
        self._after = since_ns
        self._last: dict[tuple[str, str], int] = {}
        self._newest = 0
        self._queue: deque[ClosedBar] = deque()

    @property
    def state(self) -> FeedState:
        """How the feed is now."""
        return self._connection.state

    def now(self) -> int:
        """The feed's clock, ns UTC."""
        return self._connection.feed.now()

    @property
    def halts(self) -> dict[str, str]:
        """Those of its symbols that the exchange does not trade now, each with the reason. `on_state` is called when
        that changes."""
        return {symbol: why for symbol, why in self._connection.halts.items() if symbol in self.symbols}

    def last_ts(self, symbol: str) -> int:
        """When the newest data of one symbol is from, ns UTC on the feed's clock; 0 before the first."""
        return self._connection.last_ts(symbol)

    def close(self) -> None:
        """Hear no more. Safe to call twice, and from a callback."""
        if not self.closed:
            self.closed = True
            self._queue.clear()
            self._connection.leave(self)

    def pause(self) -> None:
        """Take nothing until `resume`. A replay waits; the bars of a live feed are kept for later."""
        self.paused = True

    def resume(self) -> None:
        """Get what was kept, then go on."""
        self.paused = False
        self._flush()
        self._connection.wake()

    # --- For the connection ------------------------------------------------------------------------------------------
    def start_after(self, ts: int) -> None:
        """Bars that close up to `ts` are not wanted, unless `since_ns` asked for them."""
        if self._after is None:
            self._after = ts

    def begin(self, history: Iterable[ClosedBar]) -> None:
        """Now it has all that came before: hand it over, then what came in the meantime."""
        known = {bar.key: bar for bar in self._queue}
        known.update({bar.key: bar for bar in history if bar.key not in known})
        self._queue = deque(sorted(known.values(), key=lambda bar: bar.ts_close))
        self.ready = True
        self._flush()

    def take(self, bars: list[ClosedBar]) -> None:
        """Bars of its symbols and timeframes, in the order of their closes."""
        if self.closed:
            return
        waited = bool(self._queue)
        self._queue.extend(bars)
        if waited:
            self._queue = deque(sorted(self._queue, key=lambda bar: bar.ts_close))
        self._flush()

    def tell(self, state: FeedState) -> None:
        if not self.closed:
            self._call(self._on_state, state)

    def give_tick(self, tick: Tick) -> None:
        if self.on_tick is not None and not self.closed:
            self._call(self.on_tick, tick)

    def _flush(self) -> None:
        if not self.ready or self._connection.is_behind(self.symbols):
            return  # one of its symbols has older bars still to come
        queue = self._queue
        while queue and not self.paused and not self.closed:
            ts_close = queue[0].ts_close
            batch: dict[tuple[str, str], ClosedBar] = {}
            while queue and queue[0].ts_close == ts_close:
                bar = queue.popleft()
                route = (bar.symbol, bar.timeframe)
                if ts_close > (self._after or 0) and bar.ts_open > self._last.get(route, -1):
                    self._last[route] = bar.ts_open
                    batch[route] = bar
            if batch:
                self.delivered += 1
                received = max(bar.received_ns for bar in batch.values())
                self._call(self._on_bars, BarBatch(ts_close, batch, received, ts_close <= self._newest))
                self._newest = max(self._newest, ts_close)

    def _call(self, callback: Callable, value: object) -> None:
        try:
            callback(value)
        except Exception:
            self.errors += 1
            log.exception("a listener of feed %s raised", self._connection.key.provider)
