"""Binance's public streams: closed klines as bars (they alone are what its history has), trades to look at."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from itertools import count
from math import isfinite
from typing import Any

from marketdata.columns import SECOND
from marketdata.feeds.base import FeedError
from marketdata.feeds.clock import Clock
from marketdata.feeds.live.places import Place
from marketdata.feeds.live.vendor import POLICY, VendorFeed, first_of
from marketdata.feeds.types import Tick
from marketdata.providers.base import Provider, ProviderError
from marketdata.providers.binance import TRADING, BinanceProvider

log = logging.getLogger(__name__)

MILLISECOND = 1_000_000
STATUS_S = 30.0  # halts are asked for so often
LIFE_S = 23.5 * 3600  # the vendor cuts a connection after a day; it is made anew before that
MOST_NAMES = 200  # in one message
_PAIR = re.compile(r"[A-Z0-9]{5,20}", re.ASCII)


class BinanceFeed(VendorFeed):
    """candles: 1m, or 1s where a session decides on seconds."""

    provider = "binance"
    name = "Binance"

    def __init__(self, place: Callable[[bool], Place], candles: str = "1m", *, clock: Clock | None = None) -> None:
        super().__init__(place, clock=clock)
        self.timeframe = candles
        self.grace_ns = SECOND

    def could_know(self, symbol: str) -> bool:
        return _PAIR.fullmatch(self.wire(symbol)) is not None

    def wire(self, symbol: str) -> str:
        return symbol.replace("-", "").replace("/", "")

    def listed(self, symbol: str) -> str:
        return self.wire(symbol)

    def provider_at(self, place: Place) -> Provider:
        from marketdata.zones import from_ns

        return BinanceProvider(place.rest_url, now=lambda: from_ns(self.now()), purpose="live")

    async def talk(self, place: Place) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        began = self._clock.monotonic_ns()
        try:
            async with connect(
                f"{place.stream_url}/stream",
                open_timeout=POLICY.connect_timeout_s,
                ping_interval=POLICY.ping_interval_s,
                ping_timeout=POLICY.ping_timeout_s,
                close_timeout=1,
            ) as socket:
                self.connected()
                await first_of(self._read(socket, began), self._subscribe(socket), self._watch(place))
        except (WebSocketException, OSError, EOFError) as error:
            raise FeedError(f"The connection to Binance is lost ({type(error).__name__}).", retryable=True) from error

    async def _subscribe(self, socket: Any) -> None:
        known: set[str] = set()
        numbers = count(1)
        while True:
            new, gone = await self.changes(known)
            for method, symbols in (("UNSUBSCRIBE", gone), ("SUBSCRIBE", new)):
                names = [name for symbol in sorted(symbols) for name in self._names(symbol)]
                for first in range(0, len(names), MOST_NAMES):
                    part = names[first : first + MOST_NAMES]
                    await socket.send(json.dumps({"method": method, "params": part, "id": next(numbers)}))
                    await self._clock.sleep(0.25)  # it takes five messages a second
            known = (known | new) - gone

    async def _watch(self, place: Place) -> None:
        """Whether pairs trade is in no stream: it is asked for."""
        provider = BinanceProvider(place.rest_url, purpose="live")
        while True:
            names = {self.wire(symbol) for symbol in self.asked_for()}
            try:
                told = await asyncio.to_thread(provider.statuses, names) if names else {}
            except ProviderError as error:
                log.info("Binance was asked in vain whether its pairs trade: %s", error.message)
                told = {}
            for name, status in told.items():
                reason = "" if status == TRADING else f"Binance says {status}"
                if reason != self.halted.get(name, ""):
                    self.halt(name, reason)
            await self._clock.sleep(STATUS_S)

    def _names(self, symbol: str) -> tuple[str, str]:
        name = self.wire(symbol).lower()
        return f"{name}@trade", f"{name}@kline_{self.timeframe}"

    async def _read(self, socket: Any, began: int) -> None:
        async for frame in socket:
            if self._clock.monotonic_ns() - began > LIFE_S * SECOND:
                raise FeedError("Binance's connections last a day; a new one is made.", retryable=True)
            try:
                item = json.loads(frame)
                self._take(item.get("data", item))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.refused["wrong_type"] += 1  # one that is no message takes no other with it

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("e")
        if kind == "trade":
            stamp = int(event["T"]) * MILLISECOND
            self.trade(Tick(str(event["s"]), stamp, _number(event["p"]), _number(event["q"]), trade_id=str(event["t"])))
        elif kind == "kline" and event["k"]["x"] is True:
            bar = event["k"]
            o, h, low, c, v = (_number(bar[name]) for name in ("o", "h", "l", "c", "v"))
            self.bar(str(event["s"]), int(bar["t"]) * MILLISECOND, (o, h, low, c, v))
        elif kind == "kline":
            self.heard()
        elif kind == "serverShutdown":
            raise FeedError("Binance's server goes down; the next one is asked.", retryable=True)
        elif "error" in event:
            words = str(event["error"].get("msg", ""))[:120]
            raise FeedError(f"Binance refused a subscription: {words}", retryable=True)


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number
