"""Who runs a chunk: claiming in fair turns, heartbeats, ends, and what happens when a worker dies.

Every change is one conditional UPDATE, or a transaction that holds the sweep's row, so that the database decides and
not the queue: whatever a message says, a chunk is run by one worker at a time and counted once. Times are the
database's.

    chunk: (WAITING →) QUEUED → RUNNING → DONE; RUNNING → QUEUED when its worker died or its sweep was canceled
    sweep: QUEUED → RUNNING with its first chunk → DONE | FAILED | CANCELED; CANCELED | FAILED → QUEUED by resume
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef
from django.db.models.functions import Now

from backtests.jobs.claims import held, stale
from backtests.jobs.words import Words
from backtests.models import Sweep, SweepChunk
from backtests.proof import trials
from backtests.sweeps import columns, selectors
from backtests.sweeps.announcing import announce_id
from backtests.sweeps.drawing import ROUND

if TYPE_CHECKING:
    import numpy as np

    from backtests.sweeps.cells import Outcome

MAX_ATTEMPTS = 3
WORDS = Words(
    worked="ran a part of it",
    invalid="It cannot be run: {}".format,
    too_slow="A part of it took longer than {limit}, the most that is allowed.",
)
_Chunk, _State = SweepChunk.State, Sweep.State
_LOST_RACES = 20
# As a condition of the chunk's own row. Through a join, Django would put all conditions into a subquery, which
# PostgreSQL does not ask again once it has waited for another worker's UPDATE: both would have the chunk.
_WANTED = Exists(Sweep.objects.filter(pk=OuterRef("sweep_id"), state__in=Sweep.ACTIVE))


def claim() -> SweepChunk | None:
    """Take the chunk whose turn it is. None when none is queued.

    Users take turns: next is who has the fewest chunks running, then who waited longest for one; a user's own sweeps
    take turns in the same way. So 100 combinations beside somebody's 10,000 wait for one chunk of those, not for all.
    """
    for _ in range(_LOST_RACES):
        chunk = _next()
        if chunk is None:
            return None
        token = uuid.uuid4()
        taken = SweepChunk.objects.filter(_WANTED, pk=chunk.pk, state=_Chunk.QUEUED).update(
            state=_Chunk.RUNNING, claim_token=token, heartbeat_at=Now(), attempts=F("attempts") + 1
        )
        if not taken:
            continue
        rows = Sweep.objects.filter(pk=chunk.sweep_id)
        rows.update(last_claimed_at=Now())
        if rows.filter(state=_State.QUEUED).update(state=_State.RUNNING):
            rows.filter(started_at=None).update(started_at=Now())
            announce_id(chunk.sweep_id)
        # By its token: between the statements its owner may have deleted it.
        return SweepChunk.objects.select_related("sweep__owner__tier").filter(pk=chunk.pk, claim_token=token).first()
    return None


def _next() -> SweepChunk | None:
    queued = Sweep.objects.filter(state__in=Sweep.ACTIVE, chunks__state=_Chunk.QUEUED).distinct()
    sweeps = list(queued.values_list("pk", "owner_id", "last_claimed_at"))
    if not sweeps:
        return None
    busy = SweepChunk.objects.filter(state=_Chunk.RUNNING).values_list("sweep_id", "sweep__owner_id")
    by_sweep, by_owner = Counter(pk for pk, _ in busy), Counter(owner for _, owner in busy)
    latest = Sweep.objects.filter(owner_id__in={owner for _, owner, _ in sweeps}).values_list("owner_id")
    served = {owner: at.timestamp() if at else 0.0 for owner, at in latest.annotate(Max("last_claimed_at"))}

    def turn(row: tuple[uuid.UUID, int, Any]) -> tuple[int, float, int, int, float]:
        pk, owner, at = row
        return by_owner[owner], served[owner], owner, by_sweep[pk], at.timestamp() if at else 0.0

    chosen = min(sweeps, key=turn)[0]
    return SweepChunk.objects.filter(sweep_id=chosen, state=_Chunk.QUEUED).order_by("number").defer("data").first()


def beat(chunk: SweepChunk) -> bool:
    """Say that the worker lives. False: stop, the claim is lost or the sweep is canceled, failed or deleted."""
    return bool(held(chunk).filter(_WANTED).update(heartbeat_at=Now()))


def release(chunk: SweepChunk) -> None:
    """Give it back unfinished, for when the sweep goes on. A claim that is lost stays lost."""
    held(chunk).update(state=_Chunk.QUEUED, claim_token=None, attempts=F("attempts") - 1)


def finish(chunk: SweepChunk, outcome: Outcome, data_hash: str) -> bool:
    """Store what it gave and count it, all or nothing. False: the claim was lost, or it ran on other bars.

    Bars that differ from those of the chunks before fail the sweep: its cells could not be compared.
    """
    with transaction.atomic():
        sweep = Sweep.objects.select_for_update().filter(pk=chunk.sweep_id).first()
        if sweep is None:
            return False
        if sweep.data_hash and sweep.data_hash != data_hash:
            reason = "The prices changed while it ran, so its cells could not be compared. Start it again."
            return _fail(chunk, sweep, "data_changed", reason)
        done = held(chunk).update(
            state=_Chunk.DONE,
            data=columns.pack(outcome.rows),
            finished_as=sweep.chunks_done + 1,
            claim_token=None,
        )
        if not done:
            return False
        tried = _tried_first(sweep, chunk, outcome.rows)
        trials.count(sweep.owner_id, trials.key_of(sweep.config["backtest"]["source"], sweep.symbols), tried)
        sweep.chunks_done += 1
        sweep.cells_done += len(outcome.rows)
        sweep.engine_s += outcome.engine_s
        sweep.signals_s += outcome.signals_s
        sweep.data_hash = data_hash
        sweep.best = selectors.better(sweep, outcome.rows)
        fields = ["chunks_done", "cells_done", "engine_s", "signals_s", "data_hash", "best"]
        sweep.save(update_fields=fields)
        if sweep.chunks_done == sweep.chunks_total:
            Sweep.objects.filter(pk=sweep.pk, state__in=Sweep.ACTIVE).update(state=_State.DONE, finished_at=Now())
        elif sweep.method == "bayesian":
            _open_round(sweep)
    announce_id(chunk.sweep_id)
    return True


def _tried_first(sweep: Sweep, chunk: SweepChunk, rows: np.ndarray) -> int:
    """How many of the cells its owner had not tried: the same sweep once more tries nothing new."""
    cells = set(rows["cell"][~rows["refused"]].tolist())
    others = Sweep.objects.filter(owner_id=sweep.owner_id, strategy=sweep.strategy, timeframe=sweep.timeframe)
    same = [
        pk
        for pk, config in others.exclude(pk=sweep.pk).values_list("pk", "config").iterator()
        if config["axes"] == sweep.config["axes"] and trials.is_same(config["backtest"], sweep.config["backtest"])
    ]
    done = SweepChunk.objects.filter(sweep_id__in=same, number=chunk.number, state=_Chunk.DONE)
    for data in done.values_list("data", flat=True):
        cells -= set(columns.unpack(data)["cell"].tolist())
    return len(cells)


def _open_round(sweep: Sweep) -> None:
    """Queue the next round of a Bayesian sweep once every chunk of the rounds before is done."""
    if sweep.chunks_done % ROUND == 0:
        numbers = range(sweep.chunks_done, sweep.chunks_done + ROUND)
        sweep.chunks.filter(state=_Chunk.WAITING, number__in=numbers).update(state=_Chunk.QUEUED)


def fail(chunk: SweepChunk, code: str, reason: str, _faults: object = None) -> bool:
    """Make the sweep FAILED, with a reason that its owner can read; the chunk may be run again by a resume."""
    with transaction.atomic():
        sweep = Sweep.objects.select_for_update().filter(pk=chunk.sweep_id).first()
        failed = sweep is not None and not _fail(chunk, sweep, code, reason)
    announce_id(chunk.sweep_id)
    return failed


def _fail(chunk: SweepChunk, sweep: Sweep, code: str, reason: str) -> bool:
    if held(chunk).update(state=_Chunk.QUEUED, claim_token=None):
        Sweep.objects.filter(pk=sweep.pk, state__in=Sweep.ACTIVE).update(
            state=_State.FAILED, finished_at=Now(), failure_code=code, failure_reason=reason
        )
    return False


def release_stale() -> int:
    """Queue again what dead workers held; a chunk that killed several fails its sweep. How many there were."""
    freed = 0
    for chunk in stale(SweepChunk.objects.all()).defer("data"):
        still = stale(held(chunk))  # the worker may have come back meanwhile
        if not still.exists():
            continue
        if chunk.attempts >= MAX_ATTEMPTS:
            reason = (
                f"The process that {WORDS.worked} was stopped {MAX_ATTEMPTS} times; usually it needed more memory "
                f"than the machine has. {WORDS.smaller}"
            )
            fail(chunk, "worker_lost", reason)
        else:
            freed += still.update(state=_Chunk.QUEUED, claim_token=None)
    return freed
