"""The messages that start jobs. One carries an id, nothing else; rows say what is to be done."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from backtests.jobs.claims import Claims
from backtests.models.job import JobState

log = logging.getLogger(__name__)

_REPEAT_AFTER = timedelta(seconds=30)
_REPEAT_AT_MOST = 200


def send(task: Any, what: str, *args: Any, queue: str = "", **options: Any) -> bool:
    """Send the message that has a worker do `task`. False when the broker does not answer: `what` waits then."""
    try:
        task.apply_async(
            args=args,
            queue=queue or settings.CELERY_TASK_DEFAULT_QUEUE,
            retry=False,
            # The soft limit lets the run end with a reason; the hard one ends a process that does not hear it.
            soft_time_limit=settings.BACKTEST_MAX_SECONDS,
            time_limit=settings.BACKTEST_MAX_SECONDS + 30,
            **options,
        )
    except (OperationalError, OSError) as error:
        log.warning("%s: waits, as the message broker does not answer (%s)", what, error)
        return False
    return True


def enqueue(task: Any, claims: Claims[Any], row_id: uuid.UUID) -> bool:
    """Send the message that starts a queued row. False when the broker does not answer: `send_again` does it later."""
    if not send(task, f"{claims.noun} {row_id}", str(row_id)):
        return False
    claims.model.objects.filter(pk=row_id, state=JobState.QUEUED).update(enqueued_at=Now())
    return True


def send_again(task: Any, claims: Claims[Any]) -> bool:
    """Send the messages of queued rows that are due again. False: the broker does not answer.

    A queued row is sent again when its message was never sent (the broker was away) or may have been lost: after 30 s,
    then after ever longer waits, so that a long queue is not flooded. A message too many finds nothing to claim.
    """
    now = timezone.now()
    waiting = claims.model.objects.filter(state=JobState.QUEUED).order_by("created_at")
    for row in waiting.only("pk", "created_at", "enqueued_at")[:_REPEAT_AT_MOST]:
        sent = row.enqueued_at
        if sent is None:
            # Younger ones are just being sent by the request that made them.
            due = now - row.created_at > timedelta(seconds=2)
        else:
            due = now - sent > max(_REPEAT_AFTER, sent - row.created_at)
        if due and not enqueue(task, claims, row.pk):
            return False
    return True
