"""The one websocket of the site, ``/ws/``: a client subscribes to topics and hears their events, as plain JSON.

Client → server: ``{"op": "subscribe", "topic": "backtest.<id>"}``, ``{"op": "unsubscribe", "topic": …}``,
``{"op": "ping"}``.
Server → client: ``{"topic", "event", "seq", "payload"}``. Events of the connection itself have no payload:
``subscribed`` (with the topic's newest seq), ``unsubscribed``, ``pong``, ``bad_message``, ``refused`` (with topic,
code, message; a topic that is not yours and one that does not exist are refused in the same words).

Who may connect: a browser with a session cookie and this site's own Origin, or a program with
``Authorization: Bearer <access token>`` (no Origin needed: nothing is sent along unasked). The login is proved again
every minute, and at once when it is ended elsewhere.

Close codes: 4401 no valid login (any more) · 4403 foreign or missing Origin, unknown Host · 1009 frame above 16 KiB ·
1003 binary frame · 1013 Redis does not answer, try later · 4429 too many subscriptions (50), messages (60 in 10 s) or
unreadable messages (20), or a client that reads too slowly (100 messages waiting).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from redis.exceptions import RedisError

from engine.errors import InputError
from tradingsite.lib import realtime
from tradingsite.lib.errors import TooLarge
from tradingsite.lib.origins import is_own_origin
from tradingsite.lib.parsers import parse_json

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 16_384
MAX_SUBSCRIPTIONS = 50
MAX_WAITING = 100
MAX_BAD_MESSAGES = 20
MAX_MESSAGES, PER_SECONDS = 60, 10.0
RECHECK_S = 60.0

CUT_AFTER_S = 5.0
NO_REDIS = (RedisError, OSError, RuntimeError)
"""What a Redis that is gone shows as; the last is uvloop's word for a connection that has just been closed."""

NO_LOGIN, FOREIGN_ORIGIN, TOO_BIG, NOT_TEXT, TRY_LATER, TOO_MUCH = 4401, 4403, 1009, 1003, 1013, 4429


class Login(Protocol):
    """What let a client in. Both calls may read the database."""

    user_id: int

    def user(self) -> Any:
        """The user, or None once the login has ended (logged out, password changed, token expired, disabled)."""


class LiveConsumer(AsyncWebsocketConsumer):
    """One open websocket. `find_login` reads the login from the connection's scope; None when there is no valid one."""

    def __init__(self, find_login: Callable[[Mapping[str, Any]], Login | None]) -> None:
        super().__init__()
        self.find_login = find_login

    async def connect(self) -> None:
        self.login: Login | None = None
        self.topics: set[str] = set()
        self.waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self.recent: deque[float] = deque(maxlen=MAX_MESSAGES)
        self.bad_messages = 0
        self.jobs: list[asyncio.Task[None]] = []
        # A close code reaches the client only on an accepted socket, so even a refusal accepts first.
        await self.accept()
        if not is_own_origin(self.scope):
            await self.close(FOREIGN_ORIGIN)
            return
        self.login = await database_sync_to_async(self.find_login)(self.scope)
        if self.login is None:
            await self.close(NO_LOGIN)
            return
        self.group = realtime.user_group(self.login.user_id)
        try:
            await self.channel_layer.group_add(self.group, self.channel_name)
        except NO_REDIS:
            await self._no_redis()
            return
        self.jobs = [asyncio.create_task(self._write()), asyncio.create_task(self._keep_checking())]

    async def disconnect(self, code: int) -> None:
        for job in self.jobs:
            job.cancel()
        if self.login is not None:
            await self._leave_groups()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.login is None:
            return
        if text_data is None:
            await self.close(NOT_TEXT)
            return
        now = time.monotonic()
        if len(self.recent) == MAX_MESSAGES and now - self.recent[0] < PER_SECONDS:
            await self.close(TOO_MUCH)
            return
        self.recent.append(now)
        try:
            message = parse_json(text_data.encode("utf-8", "surrogatepass"), max_bytes=MAX_FRAME_BYTES, max_depth=2)
        except TooLarge:
            await self.close(TOO_BIG)
            return
        except InputError:
            message = None
        match message:
            case {"op": "subscribe", "topic": str(topic)}:
                await self._subscribe(topic)
            case {"op": "unsubscribe", "topic": str(topic)}:
                await self._unsubscribe(topic)
            case {"op": "ping"}:
                await self._queue({"event": "pong"})
            case _:
                await self._bad_message()

    async def live_message(self, message: dict[str, Any]) -> None:
        """From the channel layer: an event of a topic that this client subscribed to."""
        if message["message"]["topic"] in self.topics:
            await self._queue(message["message"])

    async def login_recheck(self, message: dict[str, Any]) -> None:
        """From the channel layer: a login of this user was ended somewhere."""
        await self._check_login()

    async def _subscribe(self, topic: str) -> None:
        if topic not in self.topics and len(self.topics) >= MAX_SUBSCRIPTIONS:
            await self.close(TOO_MUCH)
            return
        user = await self._check_login()
        if user is None:
            return
        if not await database_sync_to_async(realtime.may_listen)(user, topic):
            refusal = {"event": "refused", "topic": topic[:100], "code": "not_found", "message": "No such topic."}
            await self._queue(refusal)
            return
        self.topics.add(topic)
        try:
            await self.channel_layer.group_add(realtime.topic_group(topic), self.channel_name)
            seq = await asyncio.to_thread(realtime.last_seq, topic)
        except NO_REDIS:
            await self._no_redis()
            return
        await self._queue({"event": "subscribed", "topic": topic, "seq": seq})

    async def _unsubscribe(self, topic: str) -> None:
        if topic in self.topics:
            self.topics.discard(topic)
            try:
                await self.channel_layer.group_discard(realtime.topic_group(topic), self.channel_name)
            except NO_REDIS:
                await self._no_redis()
                return
        await self._queue({"event": "unsubscribed", "topic": topic[:100]})

    async def _no_redis(self) -> None:
        """Close so that the client comes again. Called where the error was caught: the log gets it whole."""
        log.exception("no live updates: Redis does not answer")
        await self.close(TRY_LATER)

    async def _bad_message(self) -> None:
        self.bad_messages += 1
        if self.bad_messages >= MAX_BAD_MESSAGES:
            await self.close(TOO_MUCH)
            return
        text = 'Send {"op": "subscribe" | "unsubscribe", "topic": "<prefix>.<id>"} or {"op": "ping"}.'
        await self._queue({"event": "bad_message", "code": "malformed", "message": text})

    async def _queue(self, message: dict[str, Any]) -> None:
        """Put a message on the way out. A client that lets a hundred wait is cut, so that it holds up nobody else."""
        try:
            self.waiting.put_nowait(json.dumps(message, allow_nan=False, separators=(",", ":")))
        except asyncio.QueueFull:
            self.jobs[0].cancel()
            await self._leave_groups()
            # The close frame queues behind what the client does not read; past this the connection is dropped as it is.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.close(TOO_MUCH), CUT_AFTER_S)
            raise StopConsumer from None

    async def _leave_groups(self) -> None:
        with contextlib.suppress(*NO_REDIS):  # Redis may be gone; then so are its groups
            for topic in self.topics:
                await self.channel_layer.group_discard(realtime.topic_group(topic), self.channel_name)
            await self.channel_layer.group_discard(self.group, self.channel_name)
        self.topics.clear()

    async def _write(self) -> None:
        with contextlib.suppress(OSError):  # how a server says that the client is gone; `disconnect` comes next
            while True:
                await self.send(text_data=await self.waiting.get())

    async def _keep_checking(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                await asyncio.sleep(RECHECK_S)
                await self._check_login()

    async def _check_login(self) -> Any:
        """The user while the login stands; else None, and the socket is closed."""
        user = await database_sync_to_async(self.login.user)() if self.login else None
        if user is None:
            await self.close(NO_LOGIN)
        return user
