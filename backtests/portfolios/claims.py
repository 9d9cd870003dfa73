"""Who works on a study: claiming, heartbeats, ends, and what happens when a worker dies.

As `backtests.claims`: each change is one conditional UPDATE with the database's time, so a message that comes twice or
late changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from backtests.models import AllocationStudy
from backtests.portfolios import selectors
from backtests.proof import trials
from tradingsite.lib import realtime

MAX_ATTEMPTS = 2
_State = AllocationStudy.State


def announce(study: AllocationStudy) -> None:
    """Tell the pages that watch it, once the current transaction is committed."""
    realtime.publish(study.topic, "portfolio_progress", selectors.progress(study))


def announce_id(study_id: uuid.UUID) -> None:
    """`announce` by id, with what the row says now."""
    study = AllocationStudy.objects.filter(pk=study_id).first()
    if study is not None:
        announce(study)


def claim(study_id: uuid.UUID) -> AllocationStudy | None:
    """Take a queued study for this worker. None when somebody else has it, it is over, canceled or deleted."""
    token = uuid.uuid4()
    AllocationStudy.objects.filter(pk=study_id, state=_State.QUEUED).update(
        state=_State.RUNNING,
        claim_token=token,
        attempts=F("attempts") + 1,
        started_at=Now(),
        heartbeat_at=Now(),
        phase="loading",
        steps_done=0,
        steps_total=0,
    )
    # By its token: between the two statements its owner may have deleted it.
    return AllocationStudy.objects.select_related("owner__tier").filter(pk=study_id, claim_token=token).first()


def _held(study: AllocationStudy) -> Any:
    return AllocationStudy.objects.filter(pk=study.pk, claim_token=study.claim_token, state=_State.RUNNING)


def beat(study: AllocationStudy, phase: str, done: int, total: int) -> bool:
    """Say that the worker lives and how far it is. False: stop, the claim is lost or the user canceled."""
    rows = _held(study).filter(cancel_requested=False)
    return bool(rows.update(heartbeat_at=Now(), phase=phase, steps_done=done, steps_total=total))


def finish(study: AllocationStudy, values: Mapping[str, Any]) -> bool:
    """Make it DONE with what was found, and count the try. False: the claim was lost or canceled."""
    with transaction.atomic():
        rows = _held(study).filter(cancel_requested=False)
        if not rows.update(state=_State.DONE, phase="done", finished_at=Now(), **values):
            return False
        same = AllocationStudy.objects.filter(owner=study.owner_id, state=_State.DONE, config=study.config)
        if not same.exclude(pk=study.pk).exists():  # the same request once more is no other variant
            trials.count(study.owner_id, trials.key_of(study.config["source"], study.symbols), 1)
    announce_id(study.pk)
    return True


def fail(study: AllocationStudy, code: str, reason: str, faults: list[dict[str, str]] | None = None) -> bool:
    """Make it FAILED, with a reason that its owner can read. False: the claim was lost."""
    failed = _held(study).update(
        state=_State.FAILED,
        finished_at=Now(),
        failure_code=code,
        failure_reason=reason,
        failure_faults=faults or [],
    )
    announce_id(study.pk)
    return bool(failed)


def cancel_held(study: AllocationStudy) -> bool:
    """Make it CANCELED because its owner asked for that while it ran. False: the claim was lost."""
    canceled = _held(study).filter(cancel_requested=True).update(state=_State.CANCELED, finished_at=Now())
    announce_id(study.pk)
    return bool(canceled)


def release_stale() -> list[uuid.UUID]:
    """Deal with studies whose worker has stopped beating; those that wait for a worker again.

    First time: back into the queue. Second time: FAILED.
    """
    limit = timedelta(seconds=settings.BACKTEST_STALE_SECONDS)
    stale = AllocationStudy.objects.filter(state=_State.RUNNING, heartbeat_at__lt=Now() - limit)
    requeued = []
    for study in stale.only("pk", "claim_token", "attempts", "cancel_requested"):
        still = _held(study).filter(heartbeat_at__lt=Now() - limit)
        if study.cancel_requested:
            changed = still.update(state=_State.CANCELED, finished_at=Now())
        elif study.attempts < MAX_ATTEMPTS:
            changed = still.update(state=_State.QUEUED, claim_token=None, phase="waiting", enqueued_at=None)
            if changed:
                requeued.append(study.pk)
        else:
            changed = still.update(
                state=_State.FAILED,
                finished_at=Now(),
                failure_code="worker_lost",
                failure_reason=(
                    "The process that worked on it was stopped twice before it finished; usually it needed more memory "
                    "than the machine has. Try fewer symbols, a shorter period or a coarser timeframe."
                ),
            )
        if changed:
            announce_id(study.pk)
    return requeued
