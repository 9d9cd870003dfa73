"""Who does a job: claiming, heartbeats, ends, and what happens when a worker dies. One way for every kind of job.

Every change here is one conditional UPDATE, so that the database decides and not the queue: a message that is delivered
twice, or late, or to a worker that was thought dead, changes nothing. Times are the database's.

    QUEUED → RUNNING (claim) → DONE | FAILED | CANCELED
    RUNNING → QUEUED when its worker died, once; the second death is FAILED
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from backtests.jobs.pulse import Pulse, Reached
from backtests.jobs.words import Words
from backtests.models.job import Held, HeldJob, JobState
from tradingsite.lib import realtime

Row = TypeVar("Row", bound=HeldJob)


def held(row: Held) -> QuerySet[Any]:
    """The row for as long as this claim on it stands: what a worker writes through."""
    return type(row)._default_manager.filter(pk=row.pk, claim_token=row.claim_token, state=JobState.RUNNING)


def stale(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of them whose worker has stopped beating."""
    limit = timedelta(seconds=settings.BACKTEST_STALE_SECONDS)
    return rows.filter(state=JobState.RUNNING, heartbeat_at__lt=Now() - limit)


class Claims(Generic[Row]):
    """The claims on one kind of job; a kind is a subclass that names its columns and words.

    progress: its columns for phase, done and total, or for done and total where it has no phases. event: of its live
    updates, with what `news` says; None where pages ask by themselves. keeps_faults: whether a failure has a column for
    what is wrong with the request.
    """

    MAX_ATTEMPTS = 2

    model: ClassVar[type[HeldJob]]
    noun: ClassVar[str]
    words: ClassVar[Words]
    progress: ClassVar[tuple[str, ...]]
    event: ClassVar[str | None] = None
    keeps_faults: ClassVar[bool] = False

    def news(self, row: Row) -> Mapping[str, Any]:
        """How far it is, for who watches it."""
        raise NotImplementedError(f"{type(self).__name__} has an event and no news")

    def keep(self, row: Row, *found: Any) -> None:
        """Write what belongs to a row beside its columns, in the transaction that makes it DONE."""

    def announce(self, row: Row) -> None:
        """Tell the pages that watch it, once the current transaction is committed."""
        if self.event is not None:
            realtime.publish(row.topic, self.event, self.news(row))

    def announce_id(self, row_id: uuid.UUID) -> None:
        """`announce` by id, with what the row says now."""
        if self.event is not None and (row := self.model.objects.filter(pk=row_id).first()) is not None:
            self.announce(row)

    def claim(self, row_id: uuid.UUID) -> Row | None:
        """Take a queued row for this worker. None when somebody else has it, it is over, canceled or deleted."""
        token = uuid.uuid4()
        taken = self.model.objects.filter(pk=row_id, state=JobState.QUEUED).update(
            state=JobState.RUNNING,
            claim_token=token,
            attempts=F("attempts") + 1,
            started_at=Now(),
            heartbeat_at=Now(),
            **self._at("loading", 0, 0),
        )
        # By its token: between the two statements its owner may have deleted it.
        rows = self.model.objects.select_related("owner__tier").filter(pk=row_id, claim_token=token)
        return rows.first() if taken else None

    def pulse(self, row: Row) -> Pulse:
        """The heartbeat of its work, which tells pages, too."""

        def tell(reached: Reached) -> None:
            realtime.publish(row.topic, self.event, {**self.news(row), **reached._asdict()})

        def beat(reached: Reached) -> bool:
            return self.beat(row, *reached[-len(self.progress) :])

        return Pulse(f"{self.noun} {row.pk}", beat, tell=tell if self.event is not None else None)

    def beat(self, row: Row, *how_far: str | int) -> bool:
        """Say that the worker lives and how far it is, as in `progress`. False: stop, the claim is lost or the user
        canceled."""
        reached = dict(zip(self.progress, how_far, strict=True))
        return bool(held(row).filter(cancel_requested=False).update(heartbeat_at=Now(), **reached))

    def finish(self, row: Row, values: Mapping[str, Any], *found: Any) -> bool:
        """Make it DONE with its columns and what `keep` writes, or nothing. False: the claim was lost or canceled."""
        with transaction.atomic():
            rows = held(row).filter(cancel_requested=False)
            if not rows.update(state=JobState.DONE, finished_at=Now(), **{**self._at("done"), **values}):
                return False
            self.keep(row, *found)
        self.announce_id(row.pk)
        return True

    def fail(self, row: Row, code: str, reason: str, faults: list[dict[str, str]] | None = None) -> bool:
        """Make it FAILED, with a reason that its owner can read. False: the claim was lost."""
        values = {"failure_faults": faults or []} if self.keeps_faults else {}
        return self._end(held(row), row, JobState.FAILED, failure_code=code, failure_reason=reason, **values)

    def cancel(self, row: Row) -> None:
        """What its owner asks for: at once while it waits, within about a second while it runs. Over already: nothing
        happens."""
        rows = self.model.objects.filter(pk=row.pk)
        # The row is asked again under its state: a worker may claim it between the two statements.
        waiting = rows.filter(state=JobState.QUEUED)
        if not waiting.update(state=JobState.CANCELED, cancel_requested=True, finished_at=Now()):
            rows.filter(state=JobState.RUNNING).update(cancel_requested=True)
        row.refresh_from_db()
        self.announce(row)

    def cancel_held(self, row: Row) -> bool:
        """Make it CANCELED because its owner asked for that while it ran. False: the claim was lost."""
        return self._end(held(row).filter(cancel_requested=True), row, JobState.CANCELED)

    def release_stale(self) -> list[uuid.UUID]:
        """Deal with rows whose worker has stopped beating; returns those that wait for a worker again.

        First time: back into the queue. Second time: FAILED, because whatever killed two workers would kill a third.
        """
        requeued = []
        rows = stale(self.model.objects.all())
        for row in rows.only("pk", "claim_token", "attempts", "cancel_requested"):
            still = stale(held(row))  # it may have come back meanwhile
            if row.cancel_requested:
                self._end(still, row, JobState.CANCELED)
            elif row.attempts >= self.MAX_ATTEMPTS:
                self._end(still, row, JobState.FAILED, failure_code="worker_lost", failure_reason=self._lost)
            elif still.update(state=JobState.QUEUED, claim_token=None, enqueued_at=None, **self._at("waiting", 0, 0)):
                requeued.append(row.pk)
                self.announce_id(row.pk)
        return requeued

    def _end(self, rows: QuerySet[Any], row: Row, state: JobState, **values: Any) -> bool:
        changed = rows.update(state=state, finished_at=Now(), **values)
        self.announce_id(row.pk)
        return bool(changed)

    def _at(self, phase: str, *counts: int) -> dict[str, Any]:
        """The columns of `progress` in a phase, with done and total where they are given."""
        *phases, done, total = self.progress
        return dict.fromkeys(phases, phase) | dict(zip((done, total), counts, strict=False))

    @property
    def _lost(self) -> str:
        return (
            f"The process that {self.words.worked} was stopped twice before it finished; usually it needed more memory "
            f"than the machine has. {self.words.smaller}"
        )
