"""Workers load everything heavy before the first backtest asks for it."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.signals import worker_init

log = logging.getLogger(__name__)
QUEUE = "backtests"


def connect() -> None:
    """Hook into the start of Celery workers. Costs nothing in any other process."""
    worker_init.connect(_warm, dispatch_uid="backtests.preload", weak=False)


def _warm(sender: Any, **_: Any) -> None:
    """In the parent, before it forks: its children share the memory and find the kernels compiled.

    Kernels come from numba's cache on disk; on a machine without one this takes as long as compiling does.
    """
    if QUEUE not in sender.app.amqp.queues.consume_from:
        return
    started = time.monotonic()
    from backtests.runner import execute

    execute.warm()
    log.info("engine loaded in %.1f s", time.monotonic() - started)
