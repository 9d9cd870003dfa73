"""A knock at the hosts' door: look at the rows now. Lost knocks cost a second, never more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache

import redis
import redis.asyncio
from django.conf import settings

CHANNEL = "tw:hosts"


def send(text: str = "") -> None:
    """Knock. Never raises for want of Redis: hosts look by themselves."""
    with contextlib.suppress(redis.RedisError, OSError):
        _client().publish(CHANNEL, text)


async def hear(knock: Callable[[], None]) -> None:
    """Call `knock` at each one, until Redis goes away (raises redis.RedisError) or the task is cancelled."""
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    try:
        async with client.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            async for message in channel.listen():
                if message["type"] == "message":
                    knock()
    finally:
        await client.aclose()


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
