"""A real host in this process: its own threads, the test's database, feeds as in production."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from django.db import connection, connections
from django.utils import timezone

from accounts.models import User
from bots.models import SessionSettings, TradingSession
from strategies import session_settings
from tests.servers import PATIENCE

PACE = 12  # market seconds, and so bars, in a second of ours


def quick(**options: Any) -> dict[str, Any]:
    """Options of a synthetic market that runs fast from now on."""
    anchor = timezone.now().isoformat(timespec="seconds")
    return {"seed": 7, "ticks_per_s": 2, "accelerate": PACE, "anchor": anchor, **options}


def make(owner: User, *, settings: dict[str, Any] | None = None, **columns: Any) -> TradingSession:
    """A session that waits for a host, as `bots.services.sessions.start` writes it."""
    fields: dict[str, Any] = {
        "state": TradingSession.State.SCHEDULED,
        "initial_cash": Decimal(100_000),
        "symbols": ["SIM-ALPHA", "SIM-BETA"],
        "timeframe": "1s",
        "strategy": "ma_crossover",
        "strategy_parameters": {"fast_window": 3, "slow_window": 8, "min_strength_threshold": 0.0},
        "feed": "synthetic",
        "feed_options": quick(),
    }
    session = TradingSession.objects.create(owner=owner, **{**fields, **columns})
    chosen = session_settings.clean(settings or {})
    SessionSettings.objects.create(session=session, version=1, **chosen)
    return session


@contextlib.contextmanager
def host(**options: Any) -> Iterator[Any]:
    """A running host; it hands its sessions over at the end."""
    from bots.host.host import Host

    stop = threading.Event()
    running = Host(stop=stop, **options)

    def run() -> None:
        try:
            asyncio.run(running.run())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="host")
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join(30)
        if thread.is_alive():
            raise AssertionError("the host did not end within 30 s")


def wait_for(what: Callable[[], Any], within_s: float = 30.0) -> Any:
    """The first true answer of `what`. AssertionError when there is none in time, or in `PATIENCE` times that."""
    within_s *= PATIENCE
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(0.05)
    connection.close()
    raise AssertionError(f"not within {within_s:g} s")
