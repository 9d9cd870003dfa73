"""One stream for each key, whatever the number of processes: vendors refuse the second, or cut the first.

Who wants to connect takes a name in Redis, and renews it while it is connected. Without Redis there is no such
agreement; the vendor's refusal then says the same, and the hub waits longer each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketdata.feeds.base import FeedError

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

TTL_S, RENEW_S = 15.0, 5.0
TAKEN = "Another process of this installation has the one stream that this key may have; it is tried again."
# Only the holder renews or gives up its name.
_RENEW = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"
)
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class Taken(FeedError):
    """Another process has the stream."""

    def __init__(self) -> None:
        super().__init__(TAKEN, retryable=True)


@dataclass(frozen=True, slots=True)
class Held:
    """The right to connect. token: whose it is, and of no other time; empty where none is needed. lost: it is not
    ours any more."""

    token: str = ""
    lost: asyncio.Event = field(default_factory=asyncio.Event)


def name_of(stream: str, key: str) -> str:
    """What the lease of a stream is called in Redis; the key is in no name."""
    return f"feed:{stream}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


@contextlib.asynccontextmanager
async def held(stream: str, key: str) -> AsyncIterator[Held]:
    """The right to connect to `stream` with `key`, while the block runs. An empty key needs none. Raises Taken."""
    if not key:
        yield Held()
        return
    name, mine = name_of(stream, key), Held(secrets.token_hex(8))
    token = mine.token
    if not await asyncio.to_thread(_take, name, token):
        raise Taken
    renewing = asyncio.create_task(_renew(name, token, mine.lost))
    try:
        yield mine
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await asyncio.shield(asyncio.to_thread(_give_up, name, token))


async def _renew(name: str, token: str, lost: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(RENEW_S)
        if not await asyncio.to_thread(_keep, name, token):
            lost.set()
            return


def _take(name: str, token: str) -> bool:
    import redis

    try:
        return bool(_client().set(name, token, nx=True, px=int(TTL_S * 1000)))
    except (redis.RedisError, OSError):
        log.warning("no lease for %s: Redis does not answer", name)
        return True


def _keep(name: str, token: str) -> bool:
    """Renewed; taken anew where Redis has forgotten it. False: somebody else has it."""
    import redis

    try:
        kept = _client().register_script(_RENEW)(keys=[name], args=[token, int(TTL_S * 1000)])
        return bool(kept) or _take(name, token)
    except (redis.RedisError, OSError):
        return True


def _give_up(name: str, token: str) -> None:
    import redis

    with contextlib.suppress(redis.RedisError, OSError):
        _client().register_script(_RELEASE)(keys=[name], args=[token])


def _client() -> redis.Redis:
    import redis
    from django.conf import settings

    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
