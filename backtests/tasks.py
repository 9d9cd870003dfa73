"""The tasks of backtests, passports and studies of portfolios, and of the figures in the gallery."""

from __future__ import annotations

import uuid

from celery import shared_task

from backtests.claims import claims
from backtests.jobs import queue
from backtests.portfolios.claims import claims as study_claims
from backtests.proof.claims import claims as passport_claims
from strategies.gallery import figures

_PUBLISHED_TICK_S = 300  # as often as `refresh_published` runs


def enqueue(backtest_id: uuid.UUID) -> bool:
    """Send the message that starts a queued backtest. False when the broker does not answer: `reap` sends it later."""
    return queue.enqueue(run_backtest, claims, backtest_id)


@shared_task(name="backtests.run", ignore_result=True)
def run_backtest(backtest_id: str) -> None:
    """Run one backtest, if it is still to be run. Delivered twice, it does nothing the second time."""
    from backtests import job

    job.run(uuid.UUID(backtest_id))


def enqueue_passport(passport_id: uuid.UUID) -> bool:
    """As `enqueue`, of a passport."""
    return queue.enqueue(run_passport, passport_claims, passport_id)


@shared_task(name="backtests.run_passport", ignore_result=True)
def run_passport(passport_id: str) -> None:
    """Make one passport, if it is still to be made. Delivered twice, it does nothing the second time."""
    from backtests.proof import job

    job.run(uuid.UUID(passport_id))


def enqueue_study(study_id: uuid.UUID) -> bool:
    """As `enqueue`, of a study of a portfolio."""
    return queue.enqueue(run_study, study_claims, study_id)


@shared_task(name="backtests.run_study", ignore_result=True)
def run_study(study_id: str) -> None:
    """Work on one study of a portfolio, if it is still to be done. Delivered twice, it does nothing the second time."""
    from backtests.portfolios import job

    job.run(uuid.UUID(study_id))


def enqueue_published(publication_id: int) -> bool:
    """Send the message that has a gallery publication measured. False when the broker does not answer: the tick asks
    again."""
    return queue.send(measure_published, f"publication {publication_id}", publication_id, expires=_PUBLISHED_TICK_S)


@shared_task(name="backtests.measure_published", ignore_result=True)
def measure_published(publication_id: int) -> None:
    """Compute the figures of a publication, if it still waits for them."""
    from backtests import published

    published.measure(publication_id)


@shared_task(name="backtests.refresh_published", ignore_result=True, expires=60)
def refresh_published() -> None:
    """Every few minutes: ask again for figures that are waited for, or that code or prices have overtaken."""
    for publication_id in figures.due():
        if not enqueue_published(publication_id):
            return


@shared_task(name="backtests.reap", ignore_result=True, expires=30)
def reap() -> None:
    """Every few seconds: retry or fail what a dead worker left, and send again what no worker has picked up."""
    kinds = ((run_backtest, claims), (run_passport, passport_claims), (run_study, study_claims))
    for task, of in kinds:
        for row_id in of.release_stale():
            queue.enqueue(task, of, row_id)
    for task, of in kinds:
        if not queue.send_again(task, of):
            return
