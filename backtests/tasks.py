"""The queue's side of backtests: a message carries an id, nothing else; rows say what is to be done."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from backtests import claims
from backtests.models import AllocationStudy, Backtest, Passport
from backtests.portfolios import claims as study_claims
from backtests.proof import claims as passport_claims
from strategies.gallery import figures

log = logging.getLogger(__name__)

_REPEAT_AFTER = timedelta(seconds=30)
_REPEAT_AT_MOST = 200
_PUBLISHED_TICK_S = 300  # as often as `refresh_published` runs


def _send(task: Any, what: str, row_id: Any, **options: Any) -> bool:
    """Send the message that has a worker do `task` for one row. False when the broker does not answer."""
    try:
        task.apply_async(
            args=(row_id,),
            queue=settings.CELERY_TASK_DEFAULT_QUEUE,
            retry=False,
            # The soft limit lets the run end with a reason; the hard one ends a process that does not hear it.
            soft_time_limit=settings.BACKTEST_MAX_SECONDS,
            time_limit=settings.BACKTEST_MAX_SECONDS + 30,
            **options,
        )
    except (OperationalError, OSError) as error:
        log.warning("%s %s waits: the message broker does not answer (%s)", what, row_id, error)
        return False
    return True


def enqueue(backtest_id: uuid.UUID) -> bool:
    """Send the message that starts a queued backtest. False when the broker does not answer: `reap` sends it later."""
    if not _send(run_backtest, "backtest", str(backtest_id)):
        return False
    Backtest.objects.filter(pk=backtest_id, state=Backtest.State.QUEUED).update(enqueued_at=Now())
    return True


@shared_task(name="backtests.run", ignore_result=True)
def run_backtest(backtest_id: str) -> None:
    """Run one backtest, if it is still to be run. Delivered twice, it does nothing the second time."""
    from backtests import job

    job.run(uuid.UUID(backtest_id))


def enqueue_passport(passport_id: uuid.UUID) -> bool:
    """Send the message that starts a queued passport. False when the broker does not answer: `reap` sends it later."""
    if not _send(run_passport, "passport", str(passport_id)):
        return False
    Passport.objects.filter(pk=passport_id, state=Passport.State.QUEUED).update(enqueued_at=Now())
    return True


@shared_task(name="backtests.run_passport", ignore_result=True)
def run_passport(passport_id: str) -> None:
    """Make one passport, if it is still to be made. Delivered twice, it does nothing the second time."""
    from backtests.proof import job

    job.run(uuid.UUID(passport_id))


def enqueue_study(study_id: uuid.UUID) -> bool:
    """Send the message that starts a queued study of a portfolio. False when the broker does not answer: `reap` sends
    it later."""
    try:
        run_study.apply_async(
            args=(str(study_id),),
            queue=settings.CELERY_TASK_DEFAULT_QUEUE,
            retry=False,
            soft_time_limit=settings.BACKTEST_MAX_SECONDS,
            time_limit=settings.BACKTEST_MAX_SECONDS + 30,
        )
    except (OperationalError, OSError) as error:
        log.warning("portfolio %s waits: the message broker does not answer (%s)", study_id, error)
        return False
    AllocationStudy.objects.filter(pk=study_id, state=AllocationStudy.State.QUEUED).update(enqueued_at=Now())
    return True


@shared_task(name="backtests.run_study", ignore_result=True)
def run_study(study_id: str) -> None:
    """Work on one study of a portfolio, if it is still to be done. Delivered twice, it does nothing the second time."""
    from backtests.portfolios import job

    job.run(uuid.UUID(study_id))


def enqueue_published(publication_id: int) -> bool:
    """Send the message that has a gallery publication measured. False when the broker does not answer: the tick asks
    again."""
    return _send(measure_published, "publication", publication_id, expires=_PUBLISHED_TICK_S)


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
    """Every few seconds: retry or fail what a dead worker left, and send again what no worker has picked up.

    A queued row is sent again when its message was never sent (the broker was away) or may have been lost: after 30 s,
    then after ever longer waits, so that a long queue is not flooded. A message too many finds nothing to claim.
    """
    for backtest_id in claims.release_stale():
        enqueue(backtest_id)
    for passport_id in passport_claims.release_stale():
        enqueue_passport(passport_id)
    for study_id in study_claims.release_stale():
        enqueue_study(study_id)
    if _send_again(Backtest, enqueue) and _send_again(Passport, enqueue_passport):
        _send_again(AllocationStudy, enqueue_study)


def _send_again(model: type[Backtest | Passport | AllocationStudy], send: Callable[[uuid.UUID], bool]) -> bool:
    """Send the messages of queued rows that are due again. False: the broker does not answer."""
    now = timezone.now()
    waiting = model.objects.filter(state=model.State.QUEUED).order_by("created_at")
    for row in waiting.only("pk", "created_at", "enqueued_at")[:_REPEAT_AT_MOST]:
        sent = row.enqueued_at
        if sent is None:
            # Younger ones are just being sent by the request that made them.
            due = now - row.created_at > timedelta(seconds=2)
        else:
            due = now - sent > max(_REPEAT_AFTER, sent - row.created_at)
        if due and not send(row.pk):
            return False
    return True
