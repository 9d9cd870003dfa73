"""Work that the web process hands over."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings


def send(task: Any, pk: str) -> None:
    """Hand a row to a worker at once, or raise: nobody waits on a page for a message broker that does not answer."""
    task.apply_async(args=(pk,), queue=settings.CELERY_TASK_DEFAULT_QUEUE, retry=False)


@shared_task(name="marketdata.run_import", acks_late=True, ignore_result=True)
def run_import(import_id: str) -> None:
    """Read one uploaded file. A second delivery finds the row claimed and returns."""
    from marketdata.services import imports

    imports.run(import_id)


@shared_task(name="marketdata.refetch", acks_late=True, ignore_result=True)
def refetch(refetch_id: str) -> None:
    """Read one stored series anew. A second delivery finds the row claimed and returns."""
    from marketdata.services import refetching

    refetching.run(refetch_id)


@shared_task(name="marketdata.compare_sources", ignore_result=True)
def compare_sources() -> None:
    """Every minute: what two sources say of one symbol, where either has changed."""
    from marketdata.services import comparing

    comparing.run()


@shared_task(name="marketdata.tidy", ignore_result=True)
def tidy() -> None:
    """Every minute: imports and readings that a dead worker left, bar files that nothing names, uploads without a row;
    what providers were asked for becomes rows."""
    from marketdata import usage
    from marketdata.services import imports, refetching, series

    refetching.revive_stuck()
    imports.revive_stuck()
    imports.sweep_uploads()
    series.sweep_store()
    usage.write()
