"""Alpaca's data stream, by its own client library: minute bars, late corrections, trades, quotes, halts.

The library connects, signs in and writes the subscriptions; it is not asked to stay connected, because it would try a
wrong key for ever and tell nobody. That is the hub's work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.errors import InputError
from marketdata.columns import SECOND
from marketdata.feeds.base import FeedError
from marketdata.feeds.clock import Clock
from marketdata.feeds.live.places import COINS, STOCKS, Place, is_coin
from marketdata.feeds.live.vendor import POLICY, VendorFeed, first_of
from marketdata.feeds.messages import BarMessage, ErrorMessage, Message, QuoteMessage, read_one, tick_of
from marketdata.providers.base import Provider

if TYPE_CHECKING:
    from alpaca.data.live.websocket import DataStream

QUOTE_FRESH_NS = 300 * SECOND  # an older quote stands beside no trade
# What is wrong for good; after everything else the same may succeed later.
FINAL = {402: "Alpaca refuses the keys.", 409: "The plan of these keys does not include this stream."}
REASONS = {
    404: "Alpaca took too long to check the keys.",
    406: "Alpaca allows one connection for these keys, and another program has it; it is tried again.",
    407: "Alpaca cut the connection because it was read too slowly.",
    500: "Alpaca has a fault of its own.",
}
TOO_MANY = 405


class AlpacaFeed(VendorFeed):
    """market: stocks or crypto, which come by different streams."""

    provider = "alpaca"
    name = "Alpaca"

    def __init__(self, place: Callable[[bool], Place], market: str = STOCKS, *, clock: Clock | None = None) -> None:
        super().__init__(place, clock=clock)
        self._market = market
        self._quotes: dict[str, QuoteMessage] = {}
        self._given: set[str] = set()  # what the vendor says it gives

    def could_know(self, symbol: str) -> bool:
        return is_coin(symbol) == (self._market == COINS)

    def wire(self, symbol: str) -> str:
        return symbol.replace("-", "/") if self._market == COINS else symbol

    def listed(self, symbol: str) -> str:
        return symbol.replace("/", "-")

    def provider_at(self, place: Place) -> Provider:
        from django.conf import settings

        from marketdata.providers.alpaca import AlpacaProvider
        from marketdata.services.filling import exchange_sessions

        return AlpacaProvider(
            place.rest_url, place.key, place.secret, exchange_sessions, feed=settings.ALPACA_DATA_FEED, purpose="live"
        )

    async def talk(self, place: Place) -> None:
        from websockets.exceptions import WebSocketException

        stream = self._stream(place)
        try:
            await self._sign_in(stream)
            self.connected()
            await first_of(self._read(stream), self._subscribe(stream))
        except (WebSocketException, OSError, EOFError) as error:
            raise FeedError(f"The connection to Alpaca is lost ({type(error).__name__}).", retryable=True) from error
        finally:
            with contextlib.suppress(Exception):  # whatever it says: the connection is given up
                await asyncio.wait_for(stream.close(), 2)

    def _stream(self, place: Place) -> DataStream:
        from alpaca.data.live import CryptoDataStream, StockDataStream

        kind = CryptoDataStream if self._market == COINS else StockDataStream
        wires = {
            "open_timeout": POLICY.connect_timeout_s,
            "ping_interval": POLICY.ping_interval_s,
            "ping_timeout": POLICY.ping_timeout_s,
            "close_timeout": 1,
            "max_queue": 1024,
        }
        return kind(place.key, place.secret, raw_data=True, websocket_params=wires, url_override=place.stream_url)

    @staticmethod
    async def _sign_in(stream: DataStream) -> None:
        try:
            await stream._start_ws()
        except ValueError as error:  # the library keeps the vendor's words and drops its code
            words = str(error)
            for code, known in ((402, "auth failed"), (406, "connection limit"), (409, "insufficient subscription")):
                if known in words:
                    raise _error(code) from error
            raise FeedError("Alpaca did not let us in.", retryable=True) from error

    async def _subscribe(self, stream: DataStream) -> None:
        known: set[str] = set()
        while True:
            new, gone = await self.changes(known)
            channels = ["trades", "quotes", "bars", "updatedBars"] + ["statuses"] * (self._market == STOCKS)
            if gone:
                names = [self.wire(symbol) for symbol in gone]
                for channel in channels:
                    for name in names:
                        stream._handlers[channel].pop(name, None)
                    await stream._send_unsubscribe_msg(channel, names)
            known = (known | new) - gone
            if new:
                for channel in channels:
                    stream._handlers[channel].update({self.wire(symbol): _unused for symbol in new})
                await stream._send_subscribe_msg()

    async def _read(self, stream: DataStream) -> None:
        import msgpack

        socket: Any = stream._ws
        while True:
            frame = msgpack.unpackb(await socket.recv())
            for item in frame if isinstance(frame, list) else [frame]:
                try:
                    message = read_one(item)
                except InputError as error:  # one that is no message takes no other with it
                    self.refused[error.faults[0].code] += 1
                    continue
                if message is not None:
                    self._take(message)

    def _take(self, message: Message) -> None:
        if message["kind"] == "trade":
            quote = self._quotes.get(message["symbol"])
            if quote is not None and message["ts"] - quote["ts"] > QUOTE_FRESH_NS:
                quote = None
            self.trade(tick_of(message, quote))
        elif message["kind"] == "quote":
            self._quote(message)
        elif message["kind"] == "bar":
            told = self.correct if message["corrected"] else self.bar
            told(message["symbol"], message["ts"], _values(message))
        elif message["kind"] == "status":
            reason = message["reason"] or "Trading is halted."
            self.halt(message["symbol"], reason if message["halted"] else "")
        elif message["kind"] == "subscription":
            self._given = set(message["bars"])
        elif message["kind"] == "error":
            self._fault(message)

    def _quote(self, message: QuoteMessage) -> None:
        self.heard()
        if 0 < message["bid"] < message["ask"] and message["ts"] <= self.now() + SECOND:
            self._quotes[message["symbol"]] = message
        else:
            self.refused["quote"] += 1

    def _fault(self, message: ErrorMessage) -> None:
        if message["code"] == TOO_MANY:
            refused = {symbol for symbol in self.asked_for() if self.wire(symbol) not in self._given}
            self.refuse(refused, "The plan of these keys allows no more symbols in one stream.")
            return
        raise _error(message["code"])


def _values(message: BarMessage) -> tuple[float, float, float, float, float]:
    return message["open"], message["high"], message["low"], message["close"], message["volume"]


def _error(code: int) -> FeedError:
    if code in FINAL:
        return FeedError(FINAL[code], retryable=False)
    return FeedError(REASONS.get(code, f"Alpaca refused with code {code}."), retryable=True)


async def _unused(message: Any) -> None:
    """The library wants a handler for each symbol; messages are read before they would get to it."""
