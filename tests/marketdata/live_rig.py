"""Live feeds against the practice venue on a real socket, at the venue's own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from bots.practice.clock import Clock
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from marketdata.columns import SECOND
from marketdata.feeds import FeedHub, FeedKey, FeedState, Reconnect, Subscription, synthetic
from marketdata.feeds.live.alpaca import AlpacaFeed
from marketdata.feeds.live.binance import BinanceFeed
from marketdata.feeds.live.pace import MOST_NS, Pace
from marketdata.feeds.live.places import COINS, STOCKS, Place
from marketdata.feeds.live.polygon import PolygonFeed
from marketdata.feeds.live.vendor import VendorFeed
from tests.marketdata.feed_rig import Listener, rows

KEY, SECRET = "FEEDKEY", "feed-secret"
SPEED = 30.0
PATIENCE_S = 60.0
VENDORS = ("alpaca", "alpaca coins", "polygon", "binance")


class VenueClock:
    """The venue's time, so that a minute of its market is two seconds here."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def now_ns(self) -> int:
        return int(self.clock.seconds() * SECOND)

    def monotonic_ns(self) -> int:
        return self.now_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.clock.speed)


@dataclass
class Live:
    """A vendor's protocol: how its feed is made, what its symbols are called here and in the venue's market."""

    vendor: str
    venue: Venue
    address: str
    feeds: list[VendorFeed] = field(default_factory=list)
    hubs: list[FeedHub] = field(default_factory=list)

    @property
    def symbols(self) -> tuple[str, ...]:
        return {"alpaca": ("SIM-ALPHA", "SIM-BETA"), "polygon": ("SIM-ALPHA", "SIM-BETA"),
                "alpaca coins": ("BTC-USDT", "ETH-USDT"), "binance": ("BTCUSDT", "ETHUSDT")}[self.vendor]  # fmt: skip

    @property
    def stream(self) -> str:
        """The stream's name among the venue's faults."""
        return {"polygon": "polygon", "binance": "binance"}.get(self.vendor, "data")

    def market(self, symbol: str) -> str:
        """What the venue's market calls it."""
        return {"BTC-USDT": "BTC/USDT", "BTCUSDT": "BTC/USDT", "ETH-USDT": "ETH/USDT", "ETHUSDT": "ETH/USDT"}.get(
            symbol, symbol
        )

    def feed(self, key: str = KEY, secret: str = SECRET, **more: Any) -> VendorFeed:
        http, ws, clock = f"http://{self.address}", f"ws://{self.address}", VenueClock(self.venue.clock)
        coins = self.vendor == "alpaca coins"
        path = {"alpaca": "/v2/iex", "alpaca coins": "/v1beta3/crypto/us", "polygon": "/polygon-ws"}
        place = Place(http, ws + path.get(self.vendor, "/binance-ws"), key, secret, is_practice=True)
        made: VendorFeed
        if self.vendor == "polygon":
            made = PolygonFeed(lambda connects: place, clock=clock)
        elif self.vendor == "binance":
            made = BinanceFeed(lambda connects: place, clock=clock, **more)
        else:
            made = AlpacaFeed(lambda connects: place, COINS if coins else STOCKS, clock=clock)
        if clock.clock.speed > 1.0:  # this machine's own pauses count that many times
            made.grace_ns = 10 * SECOND
            made._pace = Pace(least_ns=MOST_NS)
        self.feeds.append(made)
        return made

    def hub(self, **more: Any) -> FeedHub:
        """One of a process of its own: with one connection."""
        made = self.feed(**more)
        policy = Reconnect(connect_timeout_s=10 * SPEED, mute_s=5 * SPEED)  # in seconds of the venue
        self.hubs.append(FeedHub(lambda key: made, clock=VenueClock(self.venue.clock), policy=policy, seed=1))
        return self.hubs[-1]

    def listen(
        self, hub: FeedHub, symbols: tuple[str, ...] = (), timeframes: tuple[str, ...] = ("1m",), **more: Any
    ) -> tuple[Listener, Subscription]:
        listener = Listener()
        subscription = hub.listen(
            FeedKey.of(self.vendor), symbols or self.symbols, timeframes, listener.on_bars, listener.on_state,
            listener.on_tick, **more,
        )  # fmt: skip
        return listener, subscription

    def control(self, name: str, **body: Any) -> None:
        answer = httpx.post(f"http://{self.address}/practice/{name}", json=body)
        assert answer.status_code == 200, answer.text

    def truth(self, symbol: str, timeframe: str, first_ns: int, last_ns: int) -> list[tuple[float, ...]]:
        """The market's bars from the one that opens at `first_ns` to the one that opens at `last_ns`."""
        end = last_ns + {"1s": 1, "1m": 60, "5m": 300}[timeframe] * SECOND
        return rows(synthetic.history(self.market(symbol), timeframe, first_ns, end))

    def assert_whole(self, listener: Listener, timeframes: tuple[str, ...] = ("1m",)) -> None:
        """From its first bar on, what was heard is what was traded: nothing lost, nothing twice, values exact."""
        for symbol in self.symbols:
            for timeframe in timeframes:
                heard = listener.values(timeframe, symbol)
                assert heard, (symbol, timeframe)
                assert sorted(heard) == self.truth(symbol, timeframe, int(heard[0][0]), int(max(heard)[0]))


@contextmanager
def live(vendor: str, speed: float = SPEED, **more: Any) -> Iterator[Live]:
    clock = Clock()
    clock.run_at(speed)
    coins = [
        Instrument(f"{base}/USDT", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), base=base, quote="USDT")
        for base in ("BTC", "ETH")
    ]
    stocks = [Instrument("SIM-ALPHA"), Instrument("SIM-BETA")]
    venue = Venue([*stocks, *coins], clock=clock, always_open=True, **more)
    venue.open_account(KEY, SECRET)
    with in_thread(venue) as address:
        yield Live(vendor, venue, address)


def play(made: Live, scene: Callable[[], Awaitable[None]]) -> None:
    """A scene with the hubs running that `made.hub` made before."""

    async def acts() -> None:
        running = [asyncio.create_task(hub.run()) for hub in made.hubs]
        try:
            await scene()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(acts())


async def until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
    """Waits for `holds`, in seconds of this machine."""
    ends = asyncio.get_running_loop().time() + patience_s
    while not holds():
        assert asyncio.get_running_loop().time() < ends, f"waited for {what}"
        await asyncio.sleep(0.02)


def reasons(states: list[FeedState]) -> list[str]:
    return [state.reason for state in states if state.reason]
