"""Who runs a backtest: claiming, heartbeats, ends, and what happens when a worker dies.

Every change here is one conditional UPDATE, so that the database decides and not the queue: a message that is delivered
twice, or late, or to a worker that was thought dead, changes nothing. Times are the database's.

    QUEUED → RUNNING (claim) → DONE | FAILED | CANCELED
    RUNNING → QUEUED when its worker died, once; the second death is FAILED
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

from backtests import parts, selectors
from backtests.models import Backtest, PerformanceRecord
from backtests.proof import trials
from backtests.sweeps import selectors as sweep_selectors
from tradingsite.lib import realtime

MAX_ATTEMPTS = 2
_State = Backtest.State


def announce(backtest: Backtest) -> None:
    """Tell the pages that watch it, once the current transaction is committed."""
    realtime.publish(backtest.topic, "backtest_progress", selectors.progress(backtest))


def announce_id(backtest_id: uuid.UUID) -> None:
    """`announce` by id, with what the row says now."""
    backtest = Backtest.objects.filter(pk=backtest_id).first()
    if backtest is not None:
        announce(backtest)


def claim(backtest_id: uuid.UUID) -> Backtest | None:
    """Take a queued backtest for this worker. None when somebody else has it, it is over, canceled or deleted."""
    token = uuid.uuid4()
    taken = Backtest.objects.filter(pk=backtest_id, state=_State.QUEUED).update(
        state=_State.RUNNING,
        claim_token=token,
        attempts=F("attempts") + 1,
        started_at=Now(),
        heartbeat_at=Now(),
        phase="loading",
        bars_done=0,
        bars_total=0,
    )
    # By its token: between the two statements its owner may have deleted it.
    return Backtest.objects.filter(pk=backtest_id, claim_token=token).first() if taken else None


def _held(backtest: Backtest) -> Any:
    return Backtest.objects.filter(pk=backtest.pk, claim_token=backtest.claim_token, state=_State.RUNNING)


def beat(backtest: Backtest, phase: str, done: int, total: int) -> bool:
    """Say that the worker lives and how far it is. False: stop, the claim is lost or the user canceled."""
    return bool(
        _held(backtest)
        .filter(cancel_requested=False)
        .update(heartbeat_at=Now(), phase=phase, bars_done=done, bars_total=total)
    )


def finish(
    backtest: Backtest, values: Mapping[str, Any], result_parts: Mapping[str, Any], performance: Mapping[str, Any]
) -> bool:
    """Make it DONE with its result and performance record, all or nothing. False: the claim was lost or canceled."""
    with transaction.atomic():
        done = (
            _held(backtest)
            .filter(cancel_requested=False)
            .update(state=_State.DONE, phase="done", finished_at=Now(), **values)
        )
        if not done:
            return False
        parts.write(backtest, dict(result_parts))
        _count_try(backtest)
        PerformanceRecord.objects.update_or_create(
            backtest=backtest, defaults={"owner_id": backtest.owner_id, **performance}
        )
    announce_id(backtest.pk)
    return True


def _count_try(backtest: Backtest) -> None:
    """Count it as a variant that its owner tried on these data, unless they had: in a backtest, or in a sweep."""
    before = Backtest.objects.filter(owner=backtest.owner_id, state=_State.DONE, strategy=backtest.strategy)
    configs = before.exclude(pk=backtest.pk).values_list("config", flat=True)
    tried = any(trials.is_same(config, backtest.config) for config in configs.iterator())
    if not tried and not sweep_selectors.has_run(backtest.owner_id, backtest.idempotency_key, backtest.config):
        trials.count(backtest.owner_id, trials.key_of(backtest.config["source"], backtest.symbols), 1)


def fail(backtest: Backtest, code: str, reason: str, faults: list[dict[str, str]] | None = None) -> bool:
    """Make it FAILED, with a reason that its owner can read. False: the claim was lost."""
    failed = _held(backtest).update(
        state=_State.FAILED,
        finished_at=Now(),
        failure_code=code,
        failure_reason=reason,
        failure_faults=faults or [],
    )
    announce_id(backtest.pk)
    return bool(failed)


def cancel_held(backtest: Backtest) -> bool:
    """Make it CANCELED because its owner asked for that while it ran. False: the claim was lost."""
    canceled = _held(backtest).filter(cancel_requested=True).update(state=_State.CANCELED, finished_at=Now())
    announce_id(backtest.pk)
    return bool(canceled)


def release_stale() -> list[uuid.UUID]:
    """Deal with backtests whose worker has stopped beating; returns those that wait for a worker again.

    First time: back into the queue. Second time: FAILED, because whatever killed two workers would kill a third.
    """
    limit = timedelta(seconds=settings.BACKTEST_STALE_SECONDS)
    stale = Backtest.objects.filter(state=_State.RUNNING, heartbeat_at__lt=Now() - limit)
    requeued = []
    for backtest in stale.only("pk", "claim_token", "attempts", "cancel_requested"):
        still = _held(backtest).filter(heartbeat_at__lt=Now() - limit)
        if backtest.cancel_requested:
            changed = still.update(state=_State.CANCELED, finished_at=Now())
        elif backtest.attempts < MAX_ATTEMPTS:
            changed = still.update(
                state=_State.QUEUED, claim_token=None, phase="waiting", enqueued_at=None, bars_done=0, bars_total=0
            )
            if changed:
                requeued.append(backtest.pk)
        else:
            changed = still.update(
                state=_State.FAILED,
                finished_at=Now(),
                failure_code="worker_lost",
                failure_reason=(
                    "The process that ran this backtest was stopped twice before it finished; usually it needed more "
                    "memory than the machine has. Try fewer symbols, a shorter period or a coarser timeframe."
                ),
            )
        if changed:
            announce_id(backtest.pk)
    return requeued
