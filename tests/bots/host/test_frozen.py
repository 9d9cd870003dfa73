"""A host that freezes in the middle of a write keeps nobody waiting for longer than a lease lasts."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from accounts.models import User
from bots.host import frozen
from bots.host.statements import statements
from bots.host.threads import OneThread
from bots.models import TradingSession
from tests.bots.host import market

pytestmark = pytest.mark.django_db(transaction=True)


def lock(session_id: int) -> None:
    """Raises OperationalError where another holds the row."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '200ms'")
        TradingSession.objects.filter(pk=session_id).update(state_reason="a page was here")


@pytest.mark.row("W2", "I8")
def test_locks_of_a_host_that_froze_in_its_pipeline_are_released(alice: User) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("locks of rows are PostgreSQL's")
    session = market.session(alice)
    has_locked, wakes = threading.Event(), threading.Event()
    ends: list[Exception | str] = []

    def host() -> None:
        try:
            with statements() as send:
                send.ask("SELECT id FROM trading_sessions WHERE id = %s FOR NO KEY UPDATE", [session.pk])
                has_locked.set()
                wakes.wait(60)
                send.update("UPDATE trading_sessions SET state_reason = %s WHERE id = %s", [["late", session.pk]])
            ends.append("it was written")
        except DatabaseError as error:
            ends.append(error)
        finally:
            connection.close()

    trading = OneThread("trading")
    waiter = threading.Thread(target=lambda: asyncio.run(trading(host)))
    waiter.start()
    assert has_locked.wait(60)
    with pytest.raises(OperationalError):
        lock(session.pk)
    assert frozen.release_locks() == 0, "a write that has only just begun is left alone"
    assert frozen.release_locks(0.0) == 1
    for _ in range(100):  # the server needs a moment to end it
        try:
            lock(session.pk)
            break
        except OperationalError:
            continue
    wakes.set()
    waiter.join()
    trading.shutdown()
    assert isinstance(ends[0], DatabaseError), "what wakes up writes nothing"
    session.refresh_from_db()
    assert session.state_reason == "a page was here"
