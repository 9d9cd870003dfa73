"""Who makes a passport: claiming, heartbeats, ends, and what happens when a worker dies.

As `backtests.claims`: each change is one conditional UPDATE with the database's time, so a message that comes twice or
late changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from backtests.models import Passport

MAX_ATTEMPTS = 2
_State = Passport.State


def claim(passport_id: uuid.UUID) -> Passport | None:
    """Take a queued passport for this worker. None when somebody else has it, it is over, canceled or deleted."""
    token = uuid.uuid4()
    Passport.objects.filter(pk=passport_id, state=_State.QUEUED).update(
        state=_State.RUNNING,
        claim_token=token,
        attempts=F("attempts") + 1,
        started_at=Now(),
        heartbeat_at=Now(),
        runs_done=0,
        runs_total=0,
    )
    return Passport.objects.select_related("owner").filter(pk=passport_id, claim_token=token).first()


def _held(passport: Passport) -> Any:
    return Passport.objects.filter(pk=passport.pk, claim_token=passport.claim_token, state=_State.RUNNING)


def beat(passport: Passport, done: int, total: int) -> bool:
    """Say that the worker lives and how far it is. False: stop, the claim is lost or the user canceled."""
    rows = _held(passport).filter(cancel_requested=False)
    return bool(rows.update(heartbeat_at=Now(), runs_done=done, runs_total=total))


def finish(passport: Passport, values: Mapping[str, Any]) -> bool:
    """Make it DONE with what was found. False: the claim was lost or canceled."""
    rows = _held(passport).filter(cancel_requested=False)
    return bool(rows.update(state=_State.DONE, finished_at=Now(), **values))


def fail(passport: Passport, code: str, reason: str) -> bool:
    """Make it FAILED, with a reason that its owner can read. False: the claim was lost."""
    return bool(
        _held(passport).update(state=_State.FAILED, finished_at=Now(), failure_code=code, failure_reason=reason)
    )


def cancel_held(passport: Passport) -> bool:
    """Make it CANCELED because its owner asked for that while it ran. False: the claim was lost."""
    return bool(_held(passport).filter(cancel_requested=True).update(state=_State.CANCELED, finished_at=Now()))


def release_stale() -> list[uuid.UUID]:
    """Deal with passports whose worker has stopped beating; those that wait for a worker again.

    First time: back into the queue. Second time: FAILED.
    """
    limit = timedelta(seconds=settings.BACKTEST_STALE_SECONDS)
    stale = Passport.objects.filter(state=_State.RUNNING, heartbeat_at__lt=Now() - limit)
    requeued = []
    for passport in stale.only("pk", "claim_token", "attempts", "cancel_requested"):
        still = _held(passport).filter(heartbeat_at__lt=Now() - limit)
        if passport.cancel_requested:
            still.update(state=_State.CANCELED, finished_at=Now())
        elif passport.attempts < MAX_ATTEMPTS:
            if still.update(state=_State.QUEUED, claim_token=None, enqueued_at=None):
                requeued.append(passport.pk)
        else:
            still.update(
                state=_State.FAILED,
                finished_at=Now(),
                failure_code="worker_lost",
                failure_reason=(
                    "The process that made this passport was stopped twice before it finished; usually it needed more "
                    "memory than the machine has. Examine fewer symbols, a shorter period or a coarser timeframe."
                ),
            )
    return requeued
