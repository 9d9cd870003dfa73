"""Threads beside a host's loop, in which everything happens that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver

_PREFIX = "host-"


class Threads:
    """One thread or several, each with a database connection of its own; to be called from the loop."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=_PREFIX + name)

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises, once a thread has come to it."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _own_connection, function, *arguments)

    def shutdown(self) -> None:
        """Returns when all is done that waits."""
        self._pool.shutdown()


async def wait(event: asyncio.Event, most_s: float | None) -> None:
    """Until it is set, or for so long; None: however long. No `wait_for`: that one loses a cancellation which comes
    with the event, and the host would never end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()


def call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have the loop call it, from any thread; nothing where the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _own_connection(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it with a database connection that works: one that broke is closed, and the next call opens another."""
    try:
        return function(*arguments)
    except DatabaseError:
        connection.close()
        raise


@receiver(connection_created)
def _end_when_frozen(connection: Any, **_: Any) -> None:
    """A host that freezes inside a transaction must not keep its rows locked for longer than its lease."""
    if connection.vendor == "postgresql" and threading.current_thread().name.startswith(_PREFIX):
        with connection.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = '10s'")
