"""One feed that runs: kept connected, its ticks made into bars, its holes filled, its listeners served.

Everything happens on one asyncio loop; callbacks are called between two awaits, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.errors import InputError
from marketdata.columns import SECOND
from marketdata.feeds.base import Feed, FeedError
from marketdata.feeds.clock import Clock
from marketdata.feeds.listener import Subscription
from marketdata.feeds.missed import missed
from marketdata.feeds.reconnect import Reconnect
from marketdata.feeds.routes import Routes
from marketdata.feeds.track import Track
from marketdata.feeds.types import ClosedBar, FeedKey, FeedState, FeedStatus, Tick

log = logging.getLogger(__name__)

_PULSE_S = 0.25
_LOOK_S = 0.05
_AGAIN_S = 2.0


class Connection:
    """Is the feed's `Sink`. market_open(calendar, ns): whether silence of that market at that time is a fault."""

    def __init__(
        self,
        key: FeedKey,
        feed: Feed,
        clock: Clock,
        policy: Reconnect,
        market_open: Callable[[str, int], bool],
        source: random.Random,
        on_idle: Callable[[], None],
    ) -> None:
        self.key = key
        self.feed = feed
        self.tracks: dict[str, Track] = {}
        self.counters: Counter[str] = Counter()
        self._clock, self._policy, self._market_open, self._random = clock, policy, market_open, source
        self._listeners: list[Subscription] = []
        self._routes = Routes(())
        self._up = asyncio.Event()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._flowing = False  # connected, and every hole is filled
        self._since_up = 0
        self._holes = 0
        self._mute = False  # silent, and nothing has come since
        self._gone: tuple[Counter[str], Counter[str]] = Counter(), Counter()  # of symbols that nobody hears any more
        self._cut = asyncio.Event()
        self.halts: dict[str, str] = {}
        self._on_idle = on_idle
        self._last_data = clock.monotonic_ns()
        self.state = FeedState("connecting", "", 0, clock.now_ns())

    # --- Listeners ---------------------------------------------------------------------------------------------------
    def join(self, listener: Subscription) -> None:
        self._listeners.append(listener)
        self._work.set()
        listener.tell(self.state)

    def leave(self, listener: Subscription) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
            self._routes = Routes(self._listeners)
            for symbol in [s for s in self.tracks if not any(s in other.symbols for other in self._listeners)]:
                track = self.tracks.pop(symbol)
                self.halts.pop(symbol, None)
                self._gone[0].update(track.counters())
                self._gone[1].update(track.quarantined())
                self.feed.unsubscribe([symbol])
            for symbol, track in self.tracks.items():
                track.keep_only({t for other in self._listeners if symbol in other.symbols for t in other.timeframes})
            self.wake()
            if not self._listeners:
                self._on_idle()

    @property
    def listeners(self) -> Sequence[Subscription]:
        return self._listeners

    def is_behind(self, symbols: Sequence[str]) -> bool:
        """Whether something is missing of one of these, so that the bars of the others have to wait for it."""
        return any(self.tracks[symbol].held for symbol in symbols if symbol in self.tracks)

    def wake(self) -> None:
        """A listener may take more: look again."""
        self._room.set()

    # --- The sink ----------------------------------------------------------------------------------------------------
    def connected(self) -> None:
        if self._mute:  # an answer is no price
            self._set("silent", "Connected anew; nothing has come yet.")
        self._last_data = self._clock.monotonic_ns()
        self._up.set()
        self._work.set()

    def tick(self, tick: Tick) -> None:
        track = self.tracks.get(tick.symbol)
        if track is None:
            return
        self.heard()
        if track.take_tick(tick, self.feed.now()):
            for listener in self._routes.ticks.get(tick.symbol, ()):
                listener.give_tick(tick)

    def bars(self, bars: Sequence[ClosedBar]) -> None:
        self.heard()
        for bar in bars:
            track = self.tracks.get(bar.symbol)
            if track is not None and track.take(bar):
                self._work.set()

    def advance(self, until_ns: int) -> None:
        if not self._flowing:
            return
        received = self._clock.now_ns()
        closed: list[ClosedBar] = []
        for track in self.tracks.values():
            if track.lacks(until_ns):
                self._work.set()
            elif not track.held:
                closed += track.close_until(until_ns, received)
        if closed:
            self._deliver(closed)

    async def drained(self) -> None:
        while any(listener.paused or not listener.ready for listener in self._listeners):
            self._room.clear()
            await self._room.wait()
        await asyncio.sleep(0)

    def heard(self) -> None:
        self._last_data = self._clock.monotonic_ns()
        if self._mute:
            self._mute = False
            self._stop_flow()
            self._work.set()

    def correct(self, bar: ClosedBar) -> None:
        self.heard()
        self.counters["corrected"] += 1

    def halt(self, symbol: str, reason: str) -> None:
        self.heard()
        if reason == self.halts.get(symbol, ""):
            return
        if reason:
            self.halts[symbol] = reason
        else:
            del self.halts[symbol]
        for listener in list(self._listeners):
            if symbol in listener.symbols:
                listener.tell(self.state)

    def refuse(self, symbols: Iterable[str], reason: str) -> None:
        refused = set(symbols)
        for listener in [one for one in self._listeners if refused & set(one.symbols)]:
            self._fail(listener, reason)

    def _deliver(self, bars: list[ClosedBar]) -> None:
        bars.sort(key=lambda bar: bar.ts_close)
        self.counters["bars"] += len(bars)
        for listener, lot in self._routes.lots(bars).items():
            listener.take(lot)

    # --- Staying connected -------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the feed has ended or failed for good, or this is cancelled."""
        helpers = [asyncio.create_task(self._pulse()), asyncio.create_task(self._catch_up())]
        try:
            await self._keep_connected()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _keep_connected(self) -> None:
        attempt = 0
        while True:
            try:
                await self._connect_once()
                self.advance(self.feed.watermark())
                self._set("ended", "There are no more bars.")
                return
            except FeedError as error:
                reason, retryable = error.message, error.retryable
            except Exception:
                log.exception("feed %s raised", self.key.provider)
                reason, retryable = "The feed failed for a reason of our own; it is in the log.", True
            held_s = self._hold() / SECOND
            if not retryable:
                self._set("failed", reason)
                return
            attempt = 1 if held_s >= self._policy.steady_s else attempt + 1
            self.counters["reconnects"] += 1
            self._set("connecting", reason)
            await self._clock.sleep(self._policy.wait_s(attempt, self._random))

    async def _connect_once(self) -> None:
        self._cut.clear()
        running = asyncio.create_task(self.feed.run(self))
        cut = asyncio.create_task(self._cut.wait())
        accepted = asyncio.create_task(self._up.wait())
        too_late = asyncio.create_task(self._clock.sleep(self._policy.connect_timeout_s))
        try:
            await asyncio.wait({running, accepted, too_late}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done() and not accepted.done():
                raise FeedError(f"No answer within {self._policy.connect_timeout_s:g} s.", retryable=True)
            too_late.cancel()
            self._since_up = self._clock.monotonic_ns()
            await asyncio.wait({running, cut}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise FeedError("Nothing came any more, so the connection is made anew.", retryable=True)
            await running
        finally:
            for task in (running, accepted, too_late, cut):
                task.cancel()
            await asyncio.gather(running, accepted, too_late, cut, return_exceptions=True)

    def _hold(self) -> int:
        """The connection is gone. Returns for how many ns it had held."""
        held = self._clock.monotonic_ns() - self._since_up if self._up.is_set() else 0
        self._up.clear()
        self._stop_flow()
        return held

    def _stop_flow(self) -> None:
        """Nothing closes until the hole is filled."""
        self._flowing = False
        self._holes += 1
        for track in self.tracks.values():
            track.hold()

    # --- Silence -----------------------------------------------------------------------------------------------------
    async def _pulse(self) -> None:
        while True:
            await self._clock.sleep(self._until_next_close())
            if self._flowing:
                self.advance(self.feed.watermark())
                self._is_silent()
            elif self._mute and not self._in_market():
                self._mute = False
                self._work.set()
            elif self._mute and self._quiet_ns() > (self.feed.silence_ns or 0) + self._policy.mute_s * SECOND:
                self._cut.set()

    def _until_next_close(self) -> float:
        """Seconds to sleep, so that a bar that ends by time alone is known at once."""
        ends = min((track.builder.next_close() for track in self.tracks.values()), default=0)
        left_s = (ends - self.feed.watermark()) / SECOND
        return left_s if 0.0 < left_s < _PULSE_S else _PULSE_S

    def _quiet_ns(self) -> int:
        """For how long nothing has come."""
        return self._clock.monotonic_ns() - self._last_data

    def _in_market(self) -> bool:
        """Whether one of the markets that are listened to is open."""
        return any(self._market_open(c, self.feed.now()) for c in {t.calendar for t in self.tracks.values()})

    def _is_silent(self) -> bool:
        """Nothing for too long although a market is open; if so, it is said, and nothing closes any more."""
        limit = self.feed.silence_ns
        if limit is None:
            return False
        if not self._in_market():
            self._last_data = self._clock.monotonic_ns()
        if self._quiet_ns() <= limit:
            return False
        self._stop_flow()
        self._mute = True
        if self.state.status != "silent":
            reason = f"Nothing has come for more than {limit / SECOND:g} s although the market is open."
            self._set("silent", reason)
        return True

    # --- Holes and newcomers -----------------------------------------------------------------------------------------
    async def _catch_up(self) -> None:
        """Fill what is missing: after a connect, after a silence, for a new listener. One job after the other."""
        while True:
            await self._work.wait()
            await self._up.wait()
            self._work.clear()
            waiting = [listener for listener in self._listeners if not listener.ready]
            try:
                await self._serve(waiting)
            except FeedError as error:
                log.warning("feed %s: %s", self.key.provider, error.message)
                await self._later()
            except Exception:
                log.exception("feed %s: catching up failed", self.key.provider)
                await self._later()

    async def _later(self) -> None:
        self._work.set()
        await self._clock.sleep(_AGAIN_S)

    async def _serve(self, waiting: Sequence[Subscription]) -> None:
        for listener in waiting:
            await self._admit(listener)
        fills = [self._fill(symbol, track) for symbol, track in self.tracks.items() if track.held]
        for fault in await asyncio.gather(*fills, return_exceptions=True):  # one after the other would take too long
            if isinstance(fault, BaseException):
                raise fault
        for listener in waiting:
            if not listener.closed and not self.is_behind(listener.symbols):
                listener.begin(await missed(self.feed, listener, self._clock.now_ns()))
        whole = not any(track.held for track in self.tracks.values())
        if whole and self._up.is_set() and not self._mute and not self._is_silent():
            self._flowing = True
            if self.state.status != "live":
                self._set("live", "")
            self.advance(self.feed.watermark())
        for listener in list(self._listeners):
            listener.take([])  # what waited for what is filled now
        self.wake()

    async def _admit(self, listener: Subscription) -> None:
        try:
            await self.feed.prepare(listener.symbols)
            if listener.closed:
                return
            for symbol in listener.symbols:
                track = self.tracks.get(symbol)
                if track is None:
                    track = self.tracks[symbol] = Track(self.feed, symbol, self.feed.now())
                track.want(listener.timeframes)
        except InputError as error:
            self._fail(listener, str(error))
            return
        self.feed.subscribe(listener.symbols)
        listener.start_after(self.feed.now())
        self._routes = Routes(self._listeners)

    def _fail(self, listener: Subscription, reason: str) -> None:
        """This listener has no feed; the others go on."""
        listener.tell(FeedState("failed", reason, self.state.last_ts, self._clock.now_ns()))
        listener.close()

    async def _fill(self, symbol: str, track: Track) -> None:
        """Give a held track the bars up to now, in which no tick is missing, and let it go on from there."""
        feed, holes = self.feed, self._holes
        seam = feed.watermark() if feed.timeframe else (max(feed.now(), feed.watermark()) // SECOND + 1) * SECOND
        wanted = track.begin_fill(seam)
        while feed.watermark() < seam:
            await self._clock.sleep(_LOOK_S)
        parts = []
        for timeframe, start, end in wanted:
            parts.append((timeframe, await feed.backfill(symbol, timeframe, start, end)))
            self.counters["backfills"] += 1
        if holes == self._holes:  # else there is a new hole, and with it a new fill
            track.fill(parts, self._clock.now_ns())

    # --- State -------------------------------------------------------------------------------------------------------
    def last_ts(self, symbol: str) -> int:
        track = self.tracks.get(symbol)
        return track.last_ts if track else 0

    def _set(self, status: FeedStatus, reason: str) -> None:
        last = max((track.last_ts for track in self.tracks.values()), default=0)
        self.state = FeedState(status, reason, last, self._clock.now_ns())
        for listener in list(self._listeners):
            listener.tell(self.state)

    def stats(self) -> dict[str, Any]:
        """Counts since the feed was first listened to; see `FeedHub.stats`."""
        totals, quarantined, prints = Counter(self._gone[0]), Counter(self._gone[1]), 0
        for track in self.tracks.values():
            totals.update(track.counters())
            quarantined.update(track.quarantined())
            prints += track.prints["accepted"]
        return {
            "status": self.state.status,
            "reason": self.state.reason,
            "subscriptions": len(self.tracks),
            "listeners": len(self._listeners),
            "ticks": totals["accepted"] if self.feed.timeframe is None else prints,
            **{name: totals[name] for name in ("duplicate", "late", "out_of_order")},
            **{name: self.counters[name] for name in ("bars", "corrected", "reconnects", "backfills")},
            "quarantined": dict(quarantined),
            "errors": sum(listener.errors for listener in self._listeners),
        }
