"""Work that the web process hands over."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="marketdata.run_import", acks_late=True, ignore_result=True)
def run_import(import_id: str) -> None:
    """Read one uploaded file. A second delivery finds the row claimed and returns."""
    from marketdata.services import imports

    imports.run(import_id)


@shared_task(name="marketdata.tidy", ignore_result=True)
def tidy() -> None:
    """Every few minutes: imports that a dead worker left, bar files that nothing names, uploads without a row."""
    from marketdata.services import imports, series

    imports.revive_stuck()
    imports.sweep_uploads()
    series.sweep_store()
