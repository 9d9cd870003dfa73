"""What the feeds of all vendors have in common: bars of one instant together, the hole filled from the same vendor's
history, silence judged by the stream's own pace, one connection for each key."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from engine.errors import Fault, InputError
from engine.types import TIMEFRAMES
from marketdata.columns import SECOND, BarColumns
from marketdata.feeds.base import Feed, FeedError, Sink
from marketdata.feeds.clock import Clock, WallClock
from marketdata.feeds.live import lease, relay
from marketdata.feeds.live.history import History
from marketdata.feeds.live.pace import Pace
from marketdata.feeds.live.places import Place, calendar_of
from marketdata.feeds.reconnect import Reconnect
from marketdata.feeds.spans import spans_of
from marketdata.feeds.types import ClosedBar, Tick
from marketdata.providers.base import Provider, ProviderError

log = logging.getLogger(__name__)

T = TypeVar("T")
Values = tuple[float, float, float, float, float]
"""open, high, low, close, volume"""
SETTLED_NS = 2 * SECOND  # after a bar's end the vendor's history has it
_LOOK_S, _AGAIN_S = 0.25, 0.5
POLICY = Reconnect()


class VendorFeed(Feed):
    """Bars of `timeframe` as the vendor closes them, and its trades to look at.

    place(connects): says where the vendor is, for a connection or for requests; blocks, called in a thread each time;
    raises FeedError. The bars of one instant wait for each other, for `grace_ns` at most: a symbol that did not trade
    has none.
    """

    timeframe = "1m"
    grace_ns = 2 * SECOND
    jump_ratio = 3.0
    name: str
    """The vendor's, for messages."""

    def __init__(self, place: Callable[[bool], Place], *, clock: Clock | None = None) -> None:
        self.refused: Counter[str] = Counter()  # messages that were not what they should be, by fault
        self._place = place
        self._clock = clock or WallClock()
        self._pace = Pace()
        self._wanted: set[str] = set()
        self._lent: set[str] = set()  # wanted by other processes, to which this one passes on what it hears
        self._relay: relay.Sender | None = None
        self.halted: dict[str, str] = {}  # by the stream's name: why it does not trade now
        self._named: dict[str, str] = {}  # by the stream's name
        self._changed = asyncio.Event()
        self._sink: Sink | None = None
        self._keeps = False
        self._due: dict[int, dict[str, ClosedBar]] = {}  # by their close: bars that wait for those of other symbols
        self._passed = 0  # bars that close up to here were handed on

    # --- What a vendor adds ------------------------------------------------------------------------------------------
    @abstractmethod
    async def talk(self, place: Place) -> None:
        """Connect, sign in, call `connected`, and hear messages until the connection is lost. Raises FeedError."""

    @abstractmethod
    def provider_at(self, place: Place) -> Provider:
        """The vendor's history. Blocks."""

    # --- The feed ----------------------------------------------------------------------------------------------------
    @property
    def silence_ns(self) -> int:  # type: ignore[override]
        return self._pace.limit_ns

    def now(self) -> int:
        return self._clock.now_ns()

    def watermark(self) -> int:
        return min([self.now() - self.grace_ns, *(close - 1 for close in self._due)])

    def calendar(self, symbol: str) -> str:
        return calendar_of(symbol, self.provider)

    async def prepare(self, symbols: Iterable[str]) -> None:
        for i, symbol in enumerate(symbols):
            if not self.could_know(symbol):
                message = f"{self.name} has nothing that is called {symbol[:40]}"
                raise InputError(Fault(f"symbols[{i}]", "not_found", message))

    def could_know(self, symbol: str) -> bool:
        """Whether it is written as the vendor's symbols are here."""
        return True

    def wire(self, symbol: str) -> str:
        """What the vendor's stream calls it."""
        return symbol

    def listed(self, symbol: str) -> str:
        """What the vendor's history calls it here (`marketdata.providers`)."""
        return symbol

    def subscribe(self, symbols: Iterable[str]) -> None:
        self._wanted |= set(symbols)
        self._named = {self.wire(symbol): symbol for symbol in sorted(self._wanted)}
        self._changed.set()

    def unsubscribe(self, symbols: Iterable[str]) -> None:
        self._wanted -= set(symbols)
        self._changed.set()

    async def run(self, sink: Sink) -> None:
        place = await asyncio.to_thread(self._place, True)
        stream = f"{self.provider}:{place.stream_url}"
        self._sink, self._keeps = sink, not place.is_practice
        self._pace.rest()
        self._changed.set()
        try:
            async with lease.held(stream, place.key) as mine:
                parts = [self.talk(place), self._hand_on(), _until(mine.lost)]
                if mine.token:
                    self._relay = relay.Sender(lease.name_of(stream, place.key), mine.token)
                    parts.append(self._relay.run(self._others_changed))
                await first_of(*parts)
                raise FeedError(f"{self.name} has hung up.", retryable=True)
        except lease.Taken:
            self._keeps = False  # who has the stream keeps what it corrects
            name = lease.name_of(stream, place.key)
            await first_of(relay.follow(name, lambda: self._wanted, self._relayed, self.connected), self._hand_on())
        finally:
            self._sink = self._relay = None
            self._due.clear()
            self._lent.clear()

    def _relayed(self, message: relay.Message) -> None:
        """What the process that has the stream passed on."""
        kind, *values = message
        if kind == "heard":
            self.heard()
        elif kind == "price":
            self.trade(Tick(*values))
        elif kind == "bar":
            self.bar(*values)
        elif kind == "correct":
            self.correct(*values)
        elif kind == "halt":
            self.halt(*values)
        elif kind == "refused":
            names, reason = set(map(self.wire, values[0])), values[1]
            self.refuse({symbol for symbol in self._wanted if self.wire(symbol) in names}, reason)

    def _others_changed(self) -> None:
        """Other processes want other symbols: newcomers are told what stands still."""
        self._changed.set()
        for name, reason in self.halted.items():
            self._pass_to_others("halt", name, reason)

    async def backfill(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        step = TIMEFRAMES[self.timeframe]
        newest = min(end_ns, self.now()) // step * step
        wait_ns = newest + SETTLED_NS - self.now()
        if wait_ns > 0:
            await self._clock.sleep(wait_ns / SECOND)
        return await asyncio.to_thread(self._between, symbol, timeframe, start_ns, end_ns, self.now())

    def history(self, symbol: str, timeframe: str, bars: int, before_ns: int) -> BarColumns:
        """The last `bars` bars that have ended by `before_ns`. Blocks. Raises FeedError."""
        return self._told(lambda history: history.last(symbol, timeframe, bars, before_ns))

    def _between(self, symbol: str, timeframe: str, start_ns: int, end_ns: int, now_ns: int) -> BarColumns:
        return self._told(lambda history: history.between(symbol, timeframe, start_ns, end_ns, now_ns))

    def _told(self, ask: Callable[[History], T]) -> T:
        from django.db import close_old_connections

        close_old_connections()
        try:
            return ask(History(self.provider_at(self._place(False)), self.calendar, self.listed, self.timeframe))
        except ProviderError as error:
            raise FeedError(error.message, retryable=error.retryable) from error
        finally:
            close_old_connections()

    # --- For the vendor's messages -----------------------------------------------------------------------------------
    def connected(self) -> None:
        """The vendor has let us in."""
        if self._sink is not None:
            self._sink.connected()

    async def changes(self, known: set[str]) -> tuple[set[str], set[str]]:
        """Waits until others than `known` are wanted: (to subscribe, to unsubscribe)."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            now = self.asked_for()
            if now != known:
                return now - known, known - now

    def asked_for(self) -> set[str]:
        """Symbols that the vendor is to tell of: our own, and those that other processes want."""
        if self._relay is not None:
            ours = set(map(self.wire, self._wanted))
            self._lent = {symbol for symbol in self._relay.wanted if self.wire(symbol) not in ours}
        return self._wanted | self._lent

    def heard(self) -> None:
        """A message that is neither trade nor bar."""
        self._pace.beat(self._clock.monotonic_ns())
        if self._relay is not None:
            self._relay.pulse()
        if self._sink is not None:
            self._sink.heard()

    def trade(self, tick: Tick) -> None:
        """A print of the stream's own name for the symbol."""
        self._pace.beat(self._clock.monotonic_ns())
        if self._relay is not None:
            self._relay.pulse()
            self._relay.price(tick.symbol, tick.ts, tick.px, tick.size)
        symbol = self._named.get(tick.symbol)
        if self._sink is not None and symbol is not None:
            self._sink.tick(tick if symbol == tick.symbol else tick._replace(symbol=symbol))

    def bar(self, name: str, ts_open: int, values: Values) -> None:
        """A bar that the vendor has closed. One that was handed on before is not handed on again."""
        self._pass_to_others("bar", name, ts_open, values)
        made = self._made(name, ts_open, values)
        if made is None or self._sink is None:
            return
        if made.ts_close <= self._passed:
            self._sink.bars([made])  # late: the hub tells whether it is one that nobody has
            self._sink.advance(self._passed)
            return
        self._due.setdefault(made.ts_close, {})[made.symbol] = made
        self._pass_on(complete=True)

    def correct(self, name: str, ts_open: int, values: Values) -> None:
        """A bar as late trades have changed it."""
        self._pass_to_others("correct", name, ts_open, values)
        made = self._made(name, ts_open, values)
        if made is None or self._sink is None:
            return
        if made.symbol in self._due.get(made.ts_close, {}):
            self._due[made.ts_close][made.symbol] = made
            return
        self._sink.correct(made)
        if self._keeps:
            asyncio.get_running_loop().run_in_executor(None, self._keep, made)

    def _made(self, name: str, ts_open: int, values: Values) -> ClosedBar | None:
        """The bar; None for one that nobody wants, and for those before the bell and after it, which history leaves
        out, too."""
        self._pace.beat(self._clock.monotonic_ns())
        symbol = self._named.get(name)
        if symbol is None or symbol not in self._wanted:
            return None
        spans = spans_of(self.calendar(symbol))
        if not spans.is_open(ts_open):
            return None
        close = spans.place(ts_open, self.timeframe).ts_close
        return ClosedBar(symbol, self.timeframe, ts_open, close, *values, self._clock.now_ns())

    def _keep(self, bar: ClosedBar) -> None:
        from django.db import close_old_connections

        from marketdata.services import corrections

        close_old_connections()
        try:
            corrections.apply(self.provider, replace(bar, symbol=self.listed(bar.symbol)))
        except Exception:  # a stream that tells of a correction must not end over it
            log.exception("the correction of %s at %s was not stored", bar.symbol, bar.ts_open)
        finally:
            close_old_connections()

    def halt(self, name: str, reason: str) -> None:
        """The exchange does not trade it now; an empty reason: it trades again."""
        self.halted = {**self.halted, name: reason} if reason else {n: r for n, r in self.halted.items() if n != name}
        self._pass_to_others("halt", name, reason)
        self._pace.beat(self._clock.monotonic_ns())
        symbol = self._named.get(name)
        if self._sink is not None and symbol is not None:
            self._sink.halt(symbol, reason)

    def refuse(self, symbols: Iterable[str], reason: str) -> None:
        """The vendor gives none of these."""
        symbols = set(symbols)
        self._pass_to_others("refused", sorted(symbols), reason)
        self._wanted -= symbols
        if self._sink is not None:
            self._sink.refuse(symbols, reason)

    def _pass_to_others(self, *message: Any) -> None:
        if self._relay is not None:
            self._relay.say(*message)

    def _pass_on(self, *, complete: bool) -> None:
        """Hand on the bars of instants whose symbols all have theirs, or (complete=False) whose time is over."""
        for close in sorted(self._due):
            lot = self._due[close]
            expected = {s for s in self._wanted if spans_of(self.calendar(s)).is_open(close - 1)}
            if not expected <= set(lot) and (complete or self.now() < close + self.grace_ns):
                return
            del self._due[close]
            self._passed = max(self._passed, close)
            if self._sink is not None:
                self._sink.bars([lot[symbol] for symbol in sorted(lot)])
                self._sink.advance(close)

    async def _hand_on(self) -> None:
        while True:
            await self._clock.sleep(_LOOK_S)
            self._pass_on(complete=False)


async def first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Runs all until the first ends, and raises what that raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        left = set(tasks)
        while left:  # a library's `wait_for` may swallow a cancellation: it is told again
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=_AGAIN_S)
        await asyncio.gather(*tasks, return_exceptions=True)  # what the others say on their way out is nobody's


async def _until(lost: asyncio.Event) -> None:
    await lost.wait()
    raise FeedError(lease.TAKEN, retryable=True)
