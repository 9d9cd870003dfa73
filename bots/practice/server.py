"""The practice venue's sockets: one ASGI application, served by uvicorn on a loopback address."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bots.practice import web
from bots.practice.alpaca.data import Client, History, Stream
from bots.practice.alpaca.trading import Trading
from bots.practice.alpaca.updates import Updates
from bots.practice.binance import Binance
from bots.practice.binance.streams import MarketStreams
from bots.practice.clock import Clock
from bots.practice.control import Control
from bots.practice.corporate import CorporateActions
from bots.practice.exchange import Exchange
from bots.practice.faults import Faults, RequestFault
from bots.practice.flat_files import FlatFiles
from bots.practice.hours import Schedule
from bots.practice.keeping import Keeper
from bots.practice.market import Market
from bots.practice.minutes import Minutes
from bots.practice.orders import Account, Instrument
from bots.practice.polygon import Aggregates
from bots.practice.polygon_stream import PolygonStream
from bots.practice.streams import Connection
from bots.practice.web import Answer, Request, Routes

log = logging.getLogger(__name__)

TICK_S = 0.05
DATA_STREAMS = ("/v2/iex", "/v2/sip", "/v1beta3/crypto/us")
UPDATES_STREAM, USER_DATA = "/stream", "/ws-api/v3"
POLYGON_STREAM = "/polygon-ws/stocks"
BINANCE_STREAMS = "/binance-ws/"
UNKNOWN = Answer.of({"message": "endpoint not found."}, 404)

Talk = Callable[[Connection, Any, AsyncIterator[str | bytes]], Awaitable[None]]
"""What speaks on one socket until the client goes: the connection, its ASGI scope, what the client says."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, which also tells the application how to hang up without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"practice": {"hang_up": self.transport.abort}}  # type: ignore[typeddict-item]


class Venue:
    """Everything of one practice venue. `application` is its ASGI callable; `tick` moves its market on."""

    def __init__(
        self,
        instruments: list[Instrument],
        *,
        clock: Clock | None = None,
        always_open: bool = False,
        seed: int | None = None,
        is_scripted: bool = False,
        keeper: Keeper | None = None,
    ) -> None:
        self.clock, self.faults, self.schedule = clock or Clock(), Faults(), Schedule(always_open=always_open)
        self.exchange = Exchange(instruments, self.clock.now, self.schedule)
        given = {} if seed is None else {"seed": seed}
        self.market = Market(self.exchange, is_scripted=is_scripted, **given)
        self.updates = Updates(self.exchange)
        self.minutes = Minutes(self.market)
        self.stream = Stream(self.exchange, self.market, self.minutes)
        self.polygon = PolygonStream(self.exchange, self.market, self.minutes)
        self.pairs = MarketStreams(self.exchange, self.market, self.minutes)
        self.routes = Routes()
        Trading(self.exchange, self.schedule).add_to(self.routes)
        History(self.exchange, self.market).add_to(self.routes)
        Aggregates(self.exchange, self.market).add_to(self.routes)
        FlatFiles(self.exchange, self.market).add_to(self.routes)
        CorporateActions(self.exchange).add_to(self.routes)
        self.binance = Binance(self.exchange, self.market)
        self.binance.add_to(self.routes)
        Control(self).add_to(self.routes)
        self._session_ends: dict[str, datetime.datetime | None] = {}
        self.keeper = keeper
        if keeper is not None:
            self._restore(keeper)
        self.market.open(self.now_ns())

    def _restore(self, keeper: Keeper) -> None:
        """Go on with a ledger: no time before its last, and days that have ended meanwhile end now."""
        told = keeper.restore(self.exchange)
        if "now" in told and told["now"] > self.clock.now():
            self.clock.go_to(told["now"])
        now = self.clock.now()
        ends = {symbol: self.schedule.closes_at(one, now) for symbol, one in self.exchange.instruments.items()}
        self._session_ends = ends | told.get("session_ends", {})

    def _keep(self, *, thorough: bool) -> None:
        """Put on disk what has happened, before anybody is told."""
        if self.keeper is not None:
            ends = {symbol: at for symbol, at in self._session_ends.items() if at is not None}
            self.keeper.save({"now": self.clock.now(), "session_ends": ends}, thorough=thorough)

    def now_ns(self) -> int:
        return int(self.clock.seconds() * 1e9)

    def open_account(self, key: str, secret: str, cash: Decimal = Decimal(100_000)) -> Account:
        account = self.exchange.open_account(key, secret, cash)
        self._keep(thorough=True)
        return account

    def announce(self, day: datetime.date, hours: tuple[datetime.time, datetime.time] | None) -> None:
        """Stocks trade at these hours of New York that day (None: not at all), also where that ends a session now."""
        self.schedule.announce(day, hours)
        now = self.clock.now()
        for symbol, instrument in self.exchange.instruments.items():
            ends = self._session_ends.get(symbol)
            is_cut = not self.schedule.is_open(instrument, now) and (ends is None or ends > now)
            self._session_ends[symbol] = now if is_cut else self.schedule.closes_at(instrument, now)
        self.tick()

    def tick(self) -> None:
        """Let happen what has happened since the last tick: trades, fills, bars, the end of a session."""
        self.market.go_on(self.now_ns())
        self.minutes.over(self.now_ns())
        self.pairs.second_over(self.now_ns())
        now = self.clock.now()
        for symbol, instrument in self.exchange.instruments.items():
            ends = self._session_ends.setdefault(symbol, self.schedule.closes_at(instrument, now))
            if ends is not None and now >= ends:
                self.exchange.session_ends(symbol)
                self._session_ends[symbol] = self.schedule.closes_at(instrument, now)
        self._keep(thorough=False)

    async def run(self) -> None:
        """`tick` for as long as the venue is up."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def _request(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            request = await web.read(scope, receive)
        except ValueError as error:
            status = 413 if isinstance(error, web.TooLarge) else 400
            await web.send(Answer.of({"message": str(error)}, status), send)
            return
        fault = None
        if not request.path.startswith("/practice"):
            fault = self.faults.of_request(request.method, request.path)
        if fault is None:
            await web.send(self._answer(request), send)
            return
        answer = self._answer(request) if fault.when == "after" or fault.kind in ("truncate", "delay") else None
        await asyncio.sleep(fault.delay_s)
        await _go_wrong(fault, answer, scope, send)

    def _answer(self, request: Request) -> Answer:
        found = self.routes.find(request.method, request.path)
        if found is None:
            return UNKNOWN
        handler, parts = found
        self.market.go_on(self.now_ns())  # an order meets the prices of its own moment
        answer = handler(replace(request, parts=parts))
        self._keep(thorough=request.method != "GET")
        return answer

    # --- streams ----------------------------------------------------------------------------------------------------

    def _speaker(self, path: str) -> tuple[str, Talk] | None:
        """(the stream's name for faults, what speaks there); None for an address without a stream."""
        if path == UPDATES_STREAM:
            return "trade_updates", self._updates
        if path == USER_DATA:
            return "user_data", self._user_data
        if path in DATA_STREAMS:
            return "data", self._data
        if path == POLYGON_STREAM:
            return "polygon", self.polygon.talk
        if path.startswith(BINANCE_STREAMS):
            return "binance", self.pairs.talk
        return None

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()  # websocket.connect
        found = self._speaker(scope["path"])
        if found is None or self.faults.of_message(found[0], "refuse"):
            await send({"type": "websocket.close", "code": 1008})
            return
        name, talk = found
        await send({"type": "websocket.accept"})
        connection = Connection(name, self.faults, send)
        writing = asyncio.create_task(connection.write())
        reading = asyncio.create_task(talk(connection, scope, _messages(receive)))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, reading):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            with contextlib.suppress(Exception):  # it is gone already
                await send({"type": "websocket.close", "code": 1011 if connection.is_cut else 1008})

    async def _updates(self, connection: Connection, scope: Any, messages: AsyncIterator[str | bytes]) -> None:
        account: Account | None = None
        try:
            async for data in messages:
                account = await self.updates.talk(connection, data, account)
        finally:
            self.updates.gone(connection)

    async def _user_data(self, connection: Connection, scope: Any, messages: AsyncIterator[str | bytes]) -> None:
        try:
            async for data in messages:
                await self.binance.events.hear(connection, data)
        finally:
            self.binance.events.gone(connection)

    async def _data(self, connection: Connection, scope: Any, messages: AsyncIterator[str | bytes]) -> None:
        packs = any(n == b"content-type" and b"msgpack" in value for n, value in scope["headers"])
        client = Client(self.stream, connection, packs=packs)
        await client.greet()
        self.stream.clients.append(client)
        try:
            async for data in messages:
                await client.hear(data)
        finally:
            self.stream.gone(client)


async def _messages(receive: Callable[[], Any]) -> AsyncIterator[str | bytes]:
    """What the client says, until it goes."""
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("text")
        yield data if data is not None else message.get("bytes") or b""


async def _go_wrong(fault: RequestFault, answer: Answer | None, scope: Any, send: Any) -> None:
    if fault.kind == "delay" and answer is not None:
        await web.send(answer, send)
    elif fault.kind == "status":
        body = fault.body or json.dumps({"message": "the practice venue was told to fail"})
        headers = {"content-type": "application/json", **fault.headers}
        await web.send(Answer(fault.status, body.encode(), headers), send)
    elif fault.kind == "truncate" and answer is not None:
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        scope["extensions"]["practice"]["hang_up"]()
    else:
        scope["extensions"]["practice"]["hang_up"]()
