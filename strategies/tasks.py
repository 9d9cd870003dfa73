"""The queue's side of custom strategies: checks of saved trees, and looks at trees over bars. Rows say what is due."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from strategies.models import CustomStrategy

log = logging.getLogger(__name__)

CHECK_SECONDS, TRIAL_SECONDS = 120, 60


def send_check(custom_id: int, revision: int) -> bool:
    """Send the message that has one revision of a custom strategy checked. False when the broker does not answer."""
    sent = _send(check_custom, custom_id, revision, seconds=CHECK_SECONDS)
    if sent:
        CustomStrategy.objects.filter(pk=custom_id, revision=revision).update(check_sent_at=Now())
    return sent


def send_trial(test_id: uuid.UUID) -> bool:
    """Send the message that starts a look at trees over bars. False when the broker does not answer."""
    return _send(run_trial, str(test_id), seconds=TRIAL_SECONDS, expires=TRIAL_SECONDS)


@shared_task(name="strategies.check_custom", ignore_result=True)
def check_custom(custom_id: int, revision: int) -> None:
    """Check the trees of a custom strategy, if they are still those of that revision."""
    from strategies.services import checking

    checking.run(custom_id, revision)


@shared_task(name="strategies.run_trial", ignore_result=True)
def run_trial(test_id: str) -> None:
    """Look at trees over bars, if nobody has. Delivered twice, it does nothing the second time."""
    from strategies.services import trials

    trials.run(uuid.UUID(test_id))


@shared_task(name="strategies.tidy", ignore_result=True, expires=60)
def tidy() -> None:
    """Every minute: send checks that are due and were not sent or were lost, end and forget old looks at trees."""
    from strategies.services import checking, trials

    for custom_id, revision in checking.due():
        if not send_check(custom_id, revision):
            return
    trials.tidy()


def _send(task: Callable[..., Any], *args: object, seconds: int, **options: Any) -> bool:
    try:
        task.apply_async(  # type: ignore[attr-defined]
            args=args,
            queue=settings.CELERY_TASK_DEFAULT_QUEUE,
            retry=False,
            soft_time_limit=seconds,
            time_limit=seconds + 15,
            **options,
        )
    except (OperationalError, OSError) as error:
        log.warning("%s%s waits: the message broker does not answer (%s)", task, args, error)
        return False
    return True
