"""The Celery application. Tasks live in each app's `tasks` module; results live in rows, never in a result backend."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")

app = Celery("tradewright")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Celery leaves logging alone when somebody listens here; Django's LOGGING is in force in workers too."""


@app.on_after_configure.connect
def watch_workers(sender: Celery, **_: Any) -> None:
    from tradingsite.tasks import Pulse

    sender.steps["worker"].add(Pulse)


@worker_init.connect
def leave_quickly(sender: Any, **_: Any) -> None:
    """A worker that has stopped in good order leaves at once.

    Python's own way out takes the compiled kernels apart one by one: two seconds in which it only looks hung.
    """
    atexit.register(_leave, sender)


def _leave(worker: Any) -> None:
    from celery.worker import state  # loaded in a worker anyway, and not wanted in the web process

    asked_to = state.should_stop is not None or state.should_terminate is not None
    if worker.exitcode or not asked_to:  # it failed: Python's own way out keeps the status
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
