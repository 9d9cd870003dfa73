"""The one stream of a key for all processes: who has it passes on what it hears, the others listen.

By Redis, and only while somebody asks: who listens says every second which symbols it wants, who has the stream asks
the vendor for these, too. Bars, corrections and halts are passed on as they come; of trades one a second for each
symbol, to watch prices by. A message names the lease (`lease`) that its sender had: from a process that slept through
its own nobody takes anything. What gets lost on the way is a hole as any other, and filled from history.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from marketdata.feeds.base import FeedError

if TYPE_CHECKING:
    import redis.asyncio

ASK_S, FORGET_S = 1.0, 5.0  # how often it is said what is wanted, and after how long it is wanted no more
PULSE_S = 0.5  # how often it is said that something was heard
PRICE_S = 1.0
MOST_QUEUED = 10_000
FREE = "The process that passed on the prices of this key has let go of them; the stream is opened here."
LOST = "Redis, by which prices of this key are passed on, does not answer."
Message = list[Any]
"""[kind, *values]"""


class Sender:
    """The side of who has the stream. token: of its lease. clock: monotonic seconds."""

    def __init__(self, name: str, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._token, self._clock = name, token, clock
        self._asked: dict[str, float] = {}  # symbol → when somebody wanted it last
        self._queue: asyncio.Queue[Message] = asyncio.Queue(MOST_QUEUED)
        self._said: dict[str, float] = {}  # symbol → when its price was passed on; "": when a pulse was

    @property
    def wanted(self) -> set[str]:
        """Symbols that others want."""
        now = self._clock()
        self._asked = {symbol: at for symbol, at in self._asked.items() if now - at < FORGET_S}
        return set(self._asked)

    def say(self, *message: Any) -> None:
        """Pass one on, if anybody listens."""
        if self._asked:
            with contextlib.suppress(asyncio.QueueFull):  # a hole, filled from history
                self._queue.put_nowait(list(message))

    def price(self, name: str, ts: int, px: float, size: float) -> None:
        """A trade."""
        if self._is_due(name, PRICE_S):
            self.say("price", name, ts, px, size)

    def pulse(self) -> None:
        """Something was heard."""
        if self._is_due("", PULSE_S):
            self.say("heard")

    def _is_due(self, name: str, every_s: float) -> bool:
        now = self._clock()
        if not self._asked or now - self._said.get(name, -every_s) < every_s:
            return False
        self._said[name] = now
        return True

    async def run(self, changed: Callable[[], None]) -> None:
        """Until cancelled. changed: called when others want other symbols. Without Redis nobody listens."""
        while True:
            with contextlib.suppress(FeedError):
                async with _redis() as client:
                    sending = asyncio.create_task(self._send(client))
                    try:
                        await self._hear(client, changed)
                    finally:
                        sending.cancel()
                        await asyncio.gather(sending, return_exceptions=True)
            self._asked.clear()
            while not self._queue.empty():
                self._queue.get_nowait()
            await asyncio.sleep(ASK_S)

    async def _send(self, client: redis.asyncio.Redis) -> None:
        while True:
            message = await self._queue.get()
            await _publish(client, f"{self._name}:say", [self._token, *message])

    async def _hear(self, client: redis.asyncio.Redis, changed: Callable[[], None]) -> None:
        told: set[str] = set()
        async for asked in _messages(client, f"{self._name}:ask"):
            self._asked |= dict.fromkeys(map(str, asked), self._clock())
            if self.wanted != told:
                told = self.wanted
                changed()


async def follow(
    name: str, wanted: Callable[[], Iterable[str]], take: Callable[[Message], None], joined: Callable[[], None]
) -> None:
    """Listen to what the holder of a key passes on. joined: called once somebody has it. Raises FeedError (retryable):
    nobody has the key now, or Redis does not answer."""
    async with _redis() as client:
        asking = asyncio.create_task(_ask(client, name, wanted))
        try:
            token, looked = await _holder(client, name), time.monotonic()
            joined()
            async for message in _messages(client, f"{name}:say"):
                if time.monotonic() - looked > ASK_S or (message and message[0] != token):
                    token, looked = await _holder(client, name), time.monotonic()
                if message and message[0] == token:
                    take(message[1:])
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _ask(client: redis.asyncio.Redis, name: str, wanted: Callable[[], Iterable[str]]) -> None:
    while True:
        await _publish(client, f"{name}:ask", sorted(wanted()))
        await asyncio.sleep(ASK_S)


async def _publish(client: redis.asyncio.Redis, channel: str, message: Message) -> None:
    """A message that Redis does not take is lost; who reads beside this finds out that it has gone."""
    import redis

    with contextlib.suppress(redis.RedisError, OSError):
        await client.publish(channel, json.dumps(message))


async def _holder(client: redis.asyncio.Redis, name: str) -> str:
    """The token of the lease as it is now. Raises FeedError where nobody has it."""
    token = await client.get(name)
    if token is None:
        raise FeedError(FREE, retryable=True)
    return bytes(token).decode()


async def _messages(client: redis.asyncio.Redis, channel: str) -> AsyncIterator[Message]:
    """Those of a channel; an empty one where none has come for a while."""
    async with client.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(channel)
        while True:
            raw = await heard.get_message(timeout=ASK_S)
            yield json.loads(raw["data"]) if raw is not None else []


@contextlib.asynccontextmanager
async def _redis() -> AsyncIterator[redis.asyncio.Redis]:
    """A connection to Redis. Raises FeedError where it goes away."""
    import redis.asyncio
    from django.conf import settings

    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
    try:
        yield client
    except (redis.RedisError, OSError) as error:
        raise FeedError(LOST, retryable=True) from error
    finally:
        with contextlib.suppress(redis.RedisError, OSError):
            await client.aclose()
