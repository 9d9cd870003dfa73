"""Threads beside a host's loop, in which everything happens that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from bots.host.frozen import DATABASE_NAME, FROZEN_S

_PREFIX = "host-"
PREPARED_AFTER, PREPARED_MOST = 5, 300  # a statement that was sent so often is kept by the database; so many are


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


class OneThread:
    """One thread, with a database connection of its own; to be called from the loop. What is called `at_once` comes
    before all else that waits."""

    def __init__(self, name: str) -> None:
        self._numbers = itertools.count()
        self._waiting: queue.PriorityQueue[tuple[int, int, Callable[[], None] | None]] = queue.PriorityQueue()
        self._thread = threading.Thread(target=self._run, name=_PREFIX + name)

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises, once the thread has come to it."""
        return await self._done(1, function, *arguments)

    async def at_once(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """As a call, but next."""
        return await self._done(0, function, *arguments)

    async def _done(self, rank: int, function: Callable[..., Any], *arguments: Any) -> Any:
        future: Future[Any] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return  # whoever wanted it has been cancelled
            try:
                future.set_result(_own_connection(function, *arguments))
            except BaseException as error:  # whatever it is, it is told to who waits for it
                future.set_exception(error)

        if not self._thread.ident:
            self._thread.start()
        self._waiting.put((rank, next(self._numbers), call))
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        while (call := self._waiting.get()[-1]) is not None:
            call()

    def shutdown(self) -> None:
        """Returns when all is done that waits."""
        if self._thread.ident:
            self._waiting.put((2, next(self._numbers), None))
            self._thread.join()


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
def _set_up(connection: Any, **_: Any) -> None:
    """A host that freezes inside a transaction must not keep its rows locked for longer than its lease. And what it
    sends again and again with parameters (`bots.host.statements`) is read once by the database."""
    if connection.vendor == "postgresql" and threading.current_thread().name.startswith(_PREFIX):
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{FROZEN_S:g}s'")
            cursor.execute(f"SET application_name = '{DATABASE_NAME}'")
        connection.connection.prepare_threshold = PREPARED_AFTER
        connection.connection.prepared_max = PREPARED_MOST
