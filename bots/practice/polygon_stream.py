"""Polygon's stream of stocks: minute aggregates, trades, quotes, halts. One connection for each key is let in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from bots.practice.exchange import Exchange
from bots.practice.market import MINUTE, Market, Trade
from bots.practice.minutes import Minute, Minutes
from bots.practice.streams import Connection

MILLISECOND = 1_000_000
CHANNELS = ("AM", "T", "Q", "LULD")


class PolygonStream:
    """Everybody who listens, over one market."""

    def __init__(self, exchange: Exchange, market: Market, minutes: Minutes) -> None:
        self.exchange = exchange
        self.clients: dict[Connection, tuple[str, set[str]]] = {}  # its key, and its topics ("AM.AAPL", "T.*")
        market.listen(self._traded)
        minutes.listen(self._minute)

    async def talk(self, connection: Connection, scope: Any, messages: AsyncIterator[str | bytes]) -> None:
        """Greet, let in, and subscribe, until the client goes or is sent away."""
        await connection.answer(_status("connected", "Connected Successfully"))
        try:
            async for data in messages:
                try:
                    message = json.loads(data)
                    action, words = message["action"], str(message["params"])
                except (ValueError, TypeError, KeyError):
                    await connection.answer(_status("error", "invalid message"))
                    continue
                if action == "auth":
                    status, text = self._let_in(connection, words)
                    await connection.answer(_status(status, text))
                    if status != "auth_success":
                        return
                elif connection not in self.clients:
                    await connection.answer(_status("auth_required", "not authenticated"))
                elif action in ("subscribe", "unsubscribe"):
                    await self._choose(connection, action, words)
        finally:
            self.clients.pop(connection, None)

    def _let_in(self, connection: Connection, key: str) -> tuple[str, str]:
        if key not in self.exchange.accounts:
            return "auth_failed", "authentication failed"
        if any(known == key for known, _ in self.clients.values()):
            return "max_connections", "Maximum number of websocket connections exceeded."
        self.clients[connection] = key, set()
        return "auth_success", "authenticated"

    async def _choose(self, connection: Connection, action: str, words: str) -> None:
        topics = self.clients[connection][1]
        for topic in words.split(","):
            channel, _, symbol = topic.partition(".")
            if channel not in CHANNELS or not symbol:
                await connection.answer(_status("error", f"Invalid params: {topic}"))
            elif action == "subscribe":
                topics.add(topic)
                await connection.answer(_status("success", f"subscribed to: {topic}"))
            else:
                topics.discard(topic)
                await connection.answer(_status("success", f"unsubscribed to: {topic}"))

    def status(self, symbol: str, *, halted: bool, at_ms: int) -> None:
        """Trading is halted, or goes on: an indicator of the price band says so."""
        band = {"T": symbol, "h": 0.0, "l": 0.0, "i": [17 if halted else 18], "z": 3, "t": at_ms, "q": at_ms}
        self._send("LULD", symbol, {"ev": "LULD", **band})

    def _traded(self, trade: Trade) -> None:
        at = trade.ts // MILLISECOND
        common = {"sym": trade.symbol, "t": at, "q": trade.id, "z": 3}
        px = {"x": 4, "i": str(trade.id), "p": float(trade.px), "s": trade.size, "c": [0]}
        self._send("T", trade.symbol, {"ev": "T", **px, **common})
        quote = {"bx": 4, "bp": float(trade.bid), "bs": 1, "ax": 4, "ap": float(trade.ask), "as": 1, "c": 0}
        self._send("Q", trade.symbol, {"ev": "Q", **quote, **common})

    def _minute(self, minute: Minute) -> None:
        o, h, low, c, v = minute[2:7]
        span = {"s": minute.ts // MILLISECOND, "e": (minute.ts + MINUTE) // MILLISECOND}
        bar = {"v": v, "av": v, "op": o, "vw": round((h + low + c) / 3, 4), "o": o, "c": c, "h": h, "l": low, "z": 1}
        self._send("AM", minute.symbol, {"ev": "AM", "sym": minute.symbol, **bar, "a": bar["vw"], **span})

    def _send(self, channel: str, symbol: str, message: dict[str, Any]) -> None:
        text = ""
        for connection, (_, topics) in self.clients.items():
            if f"{channel}.{symbol}" in topics or f"{channel}.*" in topics:
                text = text or json.dumps([message], separators=(",", ":"))
                connection.say(text)


def _status(status: str, message: str) -> str:
    return json.dumps([{"ev": "status", "status": status, "message": message}])
