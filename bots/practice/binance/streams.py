"""Binance's public market streams: trades and klines of 1s and 1m, combined or raw, with live subscriptions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import parse_qs

from bots.practice.exchange import Exchange
from bots.practice.market import MINUTE, Market, Trade
from bots.practice.minutes import Minute, Minutes
from bots.practice.streams import Connection
from marketdata.columns import SECOND

MILLISECOND = 1_000_000
KINDS = ("trade", "kline_1s", "kline_1m")


class _Client:
    def __init__(self, *, is_combined: bool) -> None:
        self.is_combined = is_combined
        self.streams: set[str] = set()


class MarketStreams:
    """Everybody who listens, over one market. `second_over` is called often."""

    def __init__(self, exchange: Exchange, market: Market, minutes: Minutes) -> None:
        self.exchange, self.market = exchange, market
        self.clients: dict[Connection, _Client] = {}
        self._seconds: dict[str, int] = {}  # the second that is on, of symbols that have traded in it
        market.listen(self._traded)
        minutes.listen(self._minute)

    async def talk(self, connection: Connection, scope: Any, messages: AsyncIterator[str | bytes]) -> None:
        """/…/stream?streams=a/b is combined, /…/ws/a raw; both take SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS."""
        path = scope["path"]
        client = _Client(is_combined=path.endswith("/stream"))
        asked = parse_qs(scope["query_string"].decode()).get("streams", [""])[0]
        named = asked.split("/") if client.is_combined else path.partition("/ws/")[2].split("/")
        client.streams |= {name for name in named if self._is_stream(name)}
        self.clients[connection] = client
        try:
            async for data in messages:
                await connection.answer(json.dumps(self._answer(client, data)))
        finally:
            self.clients.pop(connection, None)

    def shut_down(self) -> None:
        """Tell everybody that the server is about to go down."""
        for connection in list(self.clients):
            connection.say(json.dumps({"e": "serverShutdown", "E": self.market.until_ns // MILLISECOND}))

    def _answer(self, client: _Client, data: str | bytes) -> dict[str, Any]:
        try:
            message = json.loads(data)
            method, names, number = message["method"], list(message.get("params", [])), message["id"]
        except (ValueError, TypeError, KeyError):
            return {"error": {"code": 2, "msg": "Invalid request: missing field"}, "id": None}
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(client.streams), "id": number}
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return {"error": {"code": 2, "msg": f"Invalid request: unknown method {str(method)[:40]}"}, "id": number}
        known = {str(name) for name in names if self._is_stream(str(name))}
        client.streams = client.streams | known if method == "SUBSCRIBE" else client.streams - known
        return {"result": None, "id": number}

    def second_over(self, now_ns: int) -> None:
        """Send the klines of the seconds that have ended."""
        for symbol, start in list(self._seconds.items()):
            if start + SECOND <= now_ns:
                del self._seconds[symbol]
                if any(f"{_pair(symbol)}@kline_1s" in client.streams for client in self.clients.values()):
                    bars = self.market.bars(symbol, "1s", start, start + SECOND)
                    values = [float(column[0]) for column in bars.arrays() if len(bars)]
                    if values:
                        self._kline(symbol, "1s", start, SECOND, values)

    def _is_stream(self, name: str) -> bool:
        pair, _, kind = name.partition("@")
        coins = (i.symbol for i in self.exchange.instruments.values() if i.asset_class == "crypto")
        return kind in KINDS and pair in map(_pair, coins)

    def _traded(self, trade: Trade) -> None:
        self.second_over(trade.ts)
        self._seconds[trade.symbol] = trade.ts // SECOND * SECOND
        at = trade.ts // MILLISECOND
        told = {"e": "trade", "E": at, "s": _pair(trade.symbol).upper(), "t": trade.id, "p": f"{trade.px:.8f}"}
        self._send(f"{_pair(trade.symbol)}@trade", {**told, "q": f"{trade.size:.8f}", "T": at, "m": False, "M": True})

    def _minute(self, minute: Minute) -> None:
        if not minute.corrected:
            self._kline(minute.symbol, "1m", minute.ts, MINUTE, minute[2:7])

    def _kline(self, symbol: str, interval: str, start: int, length: int, values: Iterable[float]) -> None:
        o, h, low, c, v = (f"{value:.8f}" for value in values)
        span = {"t": start // MILLISECOND, "T": (start + length) // MILLISECOND - 1}
        name = _pair(symbol).upper()
        bar = {**span, "s": name, "i": interval, "f": 1, "L": 1, "o": o, "c": c, "h": h, "l": low, "v": v, "n": 1}
        bar |= {"x": True, "q": "0", "V": "0", "Q": "0", "B": "0"}
        event = {"e": "kline", "E": (start + length) // MILLISECOND, "s": name, "k": bar}
        self._send(f"{_pair(symbol)}@kline_{interval}", event)

    def _send(self, stream: str, event: dict[str, Any]) -> None:
        for connection, client in self.clients.items():
            if stream in client.streams:
                shown = {"stream": stream, "data": event} if client.is_combined else event
                connection.say(json.dumps(shown, separators=(",", ":")))


def _pair(symbol: str) -> str:
    return symbol.replace("/", "").lower()
