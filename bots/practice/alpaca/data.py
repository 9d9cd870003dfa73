"""Alpaca's market data: bars by REST, trades, quotes and minute bars by stream, for stocks and for crypto."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from bots.mapping import moment, nanoseconds
from bots.practice.alpaca.shapes import stamp
from bots.practice.exchange import Exchange
from bots.practice.hours import NEW_YORK
from bots.practice.market import Market, Trade
from bots.practice.minutes import Minute, Minutes
from bots.practice.streams import Connection
from bots.practice.web import Answer, Request, Routes
from engine.types import TIMEFRAMES
from marketdata.columns import SECOND, BarColumns

UNITS = {"Min": "m", "T": "m", "Hour": "h", "H": "h", "Day": "d", "D": "d"}
CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
MINUTE = 60 * SECOND
MAX_PAGE = 10_000
DEFAULT_PAGE = 1_000


class History:
    """REST. Any key of an account may read; crypto asks for none."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        self.exchange, self.market = exchange, market

    def add_to(self, routes: Routes) -> None:
        routes.add("GET", "/v2/stocks/bars", self.bars)
        routes.add("GET", "/v1beta3/crypto/us/bars", self.bars)
        for kind in ("quotes", "trades"):
            routes.add("GET", f"/v2/stocks/{kind}/latest", getattr(self, f"latest_{kind}"))
            routes.add("GET", f"/v1beta3/crypto/us/latest/{kind}", getattr(self, f"latest_{kind}"))

    def bars(self, request: Request) -> Answer:
        """Pages count over all symbols, which come one after the other in the order of their names."""
        if (refused := self._refused(request)) is not None:
            return refused
        try:
            timeframe = _timeframe(request.query["timeframe"])
            end = _ns(request.query.get("end")) or nanoseconds(self.exchange.now())
            start = _ns(request.query.get("start")) or end - 24 * 60 * MINUTE
            limit = min(int(request.query.get("limit", DEFAULT_PAGE)), MAX_PAGE)
            symbols = sorted(set(request.query["symbols"].split(",")))
            first_symbol, first_ts = _token(request.query.get("page_token"))
        except (KeyError, ValueError) as error:
            return Answer.of({"code": 40010001, "message": f"invalid parameter: {error}"}, 400)
        # Both ends count, by the bars' own starts; what has not ended yet is not there.
        latest = min(end + 1, nanoseconds(self.exchange.now()) - TIMEFRAMES[timeframe] + 1)
        answer: dict[str, list[dict[str, Any]]] = {}
        for symbol in symbols:
            if symbol < first_symbol or symbol not in self.exchange.instruments:
                continue
            begin = max(start, first_ts) if symbol == first_symbol else start
            rows = _bars(self._made(symbol, timeframe, begin, latest), latest)
            room = limit - sum(map(len, answer.values()))
            if rows[:room]:
                answer[symbol] = [shown for _, shown in rows[:room]]
            if len(rows) > room:
                return Answer.of({"bars": answer, "next_page_token": f"{symbol}|{rows[room][0]}"})
        return Answer.of({"bars": answer, "next_page_token": None})

    def _made(self, symbol: str, timeframe: str, begin: int, latest: int) -> BarColumns:
        """Bars that start in [begin, latest). Days of stocks begin at midnight in New York, as the service's do."""
        step = TIMEFRAMES[timeframe]
        if timeframe != "1d" or self.exchange.instruments[symbol].asset_class == "crypto":
            return self.market.bars(symbol, timeframe, begin, latest + step - 1)
        days = self.market.bars(symbol, timeframe, begin // step * step, latest + step - 1)
        shifted = BarColumns(days.ts + _to_new_york(days.ts), *days.arrays())
        return shifted.between(begin, latest)

    def latest_quotes(self, request: Request) -> Answer:
        return self._latest(request, "quotes")

    def latest_trades(self, request: Request) -> Answer:
        return self._latest(request, "trades")

    def _latest(self, request: Request, kind: str) -> Answer:
        if (refused := self._refused(request)) is not None:
            return refused
        at = stamp(self.exchange.now())
        found = {}
        for symbol in request.query.get("symbols", "").split(","):
            quote = self.exchange.quotes.get(symbol)
            if quote is None:
                continue
            size = 100
            if kind == "quotes":
                found[symbol] = {"t": at, "bp": float(quote.bid), "bs": size, "ap": float(quote.ask), "as": size}
                found[symbol] |= {"bx": "V", "ax": "V", "c": ["R"], "z": "A"}
            else:
                found[symbol] = {"t": at, "p": float(quote.last), "s": size, "x": "V", "i": 1, "c": ["@"], "z": "A"}
        return Answer.of({kind: found})

    def _refused(self, request: Request) -> Answer | None:
        if request.path.startswith("/v1beta3"):
            return None
        account = self.exchange.accounts.get(request.headers.get("apca-api-key-id", ""))
        if account is None or account.secret != request.headers.get("apca-api-secret-key"):
            return Answer.of({"message": "forbidden."}, 403)
        return None


class Client:
    """One connection of the data stream. One for each account and feed is let in; the next is refused (406)."""

    def __init__(self, stream: Stream, connection: Connection, *, packs: bool) -> None:
        self.stream, self.connection, self.packs = stream, connection, packs
        self.account: str | None = None
        self.wants: dict[str, list[str]] = {channel: [] for channel in CHANNELS}

    def frame(self, messages: list[dict[str, Any]]) -> str | bytes:
        if self.packs:
            packed: bytes = msgpack.packb(messages, datetime=True)
            return packed
        return json.dumps([_writable(message) for message in messages], separators=(",", ":"))

    async def greet(self) -> None:
        await self.connection.answer(self.frame([{"T": "success", "msg": "connected"}]))

    async def hear(self, data: str | bytes) -> None:
        try:
            message = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
            answer = self._answer(message)
        except (ValueError, TypeError, AttributeError, RecursionError, msgpack.UnpackException):
            answer = {"T": "error", "code": 400, "msg": "invalid syntax"}
        await self.connection.answer(self.frame([answer]))

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        action = message.get("action")
        if action == "auth":
            if self.account is not None:
                return {"T": "error", "code": 403, "msg": "already authenticated"}
            account = self.stream.exchange.accounts.get(str(message.get("key")))
            if account is None or account.secret != message.get("secret"):
                return {"T": "error", "code": 402, "msg": "auth failed"}
            if any(other.account == account.key for other in self.stream.clients):
                return {"T": "error", "code": 406, "msg": "connection limit exceeded"}
            self.account = account.key
            return {"T": "success", "msg": "authenticated"}
        if self.account is None:
            return {"T": "error", "code": 401, "msg": "not authenticated"}
        if action not in ("subscribe", "unsubscribe"):
            return {"T": "error", "code": 400, "msg": "invalid syntax"}
        for channel in CHANNELS:
            named = [str(symbol) for symbol in message.get(channel) or []]
            kept = [symbol for symbol in self.wants[channel] if symbol not in named]
            self.wants[channel] = kept + named if action == "subscribe" else kept
        return {"T": "subscription", **self.wants}


class Stream:
    """Trades and quotes as they happen; minute bars when their minute is over, and again when they are corrected."""

    def __init__(self, exchange: Exchange, market: Market, minutes: Minutes) -> None:
        self.exchange = exchange
        self.clients: list[Client] = []
        market.listen(self._heard)
        minutes.listen(self._minute)

    def gone(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)

    def status(self, symbol: str, *, halted: bool, at: datetime.datetime) -> None:
        """Trading is halted (a pause for volatility), or goes on."""
        words = (
            ("H", "Trading Halt", "LUDP", "Volatility Trading Pause") if halted else ("T", "Trading Resumption", "", "")
        )
        code, text, reason, why = words
        message = {"T": "s", "S": symbol, "sc": code, "sm": text, "rc": reason, "rm": why, "t": at, "z": "A"}
        self._send("statuses", symbol, message)

    def _heard(self, trade: Trade) -> None:
        at = moment(trade.ts)
        px, size = float(trade.px), trade.size
        common = {"S": trade.symbol, "t": at, "z": "A"}
        self._send(
            "trades", trade.symbol, {"T": "t", "i": trade.id, "x": "V", "p": px, "s": size, "c": ["@"], **common}
        )
        quote = {"T": "q", "bx": "V", "bp": float(trade.bid), "bs": 1, "ax": "V", "ap": float(trade.ask), "as": 1}
        self._send("quotes", trade.symbol, {**quote, "c": ["R"], **common})

    def _minute(self, minute: Minute) -> None:
        o, h, low, c, v = minute[2:7]
        channel, kind = ("updatedBars", "u") if minute.corrected else ("bars", "b")
        bar = {"T": kind, "S": minute.symbol, "t": moment(minute.ts), "o": o, "h": h, "l": low, "c": c, "v": v, "n": 1}
        self._send(channel, minute.symbol, {**bar, "vw": round((h + low + c) / 3, 6)})

    def _send(self, channel: str, symbol: str, message: dict[str, Any]) -> None:
        for client in self.clients:
            if symbol in client.wants[channel] or "*" in client.wants[channel]:
                client.connection.say(client.frame([message]))


def _timeframe(text: str) -> str:
    """Alpaca's name of a timeframe as ours. Raises ValueError."""
    found = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    name = f"{found[1]}{UNITS.get(found[2], '?')}" if found else "?"
    if name not in TIMEFRAMES:
        raise ValueError(f"timeframe {text}")
    return name


def _ns(text: str | None) -> int | None:
    if text is None:
        return None
    at = datetime.datetime.fromisoformat(text.replace(" ", "+"))
    return nanoseconds(at if at.tzinfo else at.replace(tzinfo=datetime.UTC))


def _to_new_york(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """How long after midnight UTC of a date that date begins in New York, in ns."""
    return np.array([nanoseconds(moment(day).replace(tzinfo=NEW_YORK)) - day for day in days.tolist()], np.int64)


def _token(text: str | None) -> tuple[str, int]:
    symbol, _, ts = (text or "|0").partition("|")
    return symbol, int(ts)


def _bars(columns: BarColumns, latest: int) -> list[tuple[int, dict[str, Any]]]:
    rows: Iterable[tuple[Any, ...]] = zip(
        columns.ts.tolist(), *(column.tolist() for column in columns.arrays()), strict=True
    )
    return [
        (
            ts,
            {
                "t": stamp(moment(ts)),
                "o": o,
                "h": h,
                "l": low,
                "c": c,
                "v": v,
                "n": 1,
                "vw": round((h + low + c) / 3, 6),
            },
        )
        for ts, o, h, low, c, v in rows
        if ts < latest
    ]


def _writable(message: dict[str, Any]) -> dict[str, Any]:
    return {name: stamp(v) if isinstance(v, datetime.datetime) else v for name, v in message.items()}
