"""Reads of sweeps: one user's, how far they are, and what their cells gave."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from django.db.models import QuerySet

from accounts.models import User
from backtests.jobs import rows as jobs
from backtests.models import Sweep, SweepChunk
from backtests.proof import trials
from backtests.sweeps import columns, space
from engine.errors import InputError
from tradingsite.lib.realtime import SweepProgress

MOST_CHUNKS = 20  # in one answer of `cells`: 5,000 combinations, about 1 MB
MOST_BEST = 100
_KEY: Final = re.compile(r"sweep-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9]{1,16})", re.ASCII)


def for_user(user: User) -> QuerySet[Sweep]:
    """The user's sweeps, newest first."""
    return Sweep.objects.filter(owner=user).defer("config")


def get(user: User, sweep_id: uuid.UUID | str) -> Sweep:
    """One sweep of the user. Raises NotFound for anybody else's, for unknown and for malformed ids."""
    return jobs.one(Sweep.objects.filter(owner=user), sweep_id)


def active_count(user: User) -> int:
    """How many of the user's sweeps wait or run: what the tier's limit counts."""
    return jobs.active_count(Sweep, user)


def progress(sweep: Sweep) -> SweepProgress:
    """How far it is: the payload of `sweep_progress`, and the snapshot for who missed one."""
    return {
        "id": str(sweep.pk),
        "state": sweep.state,
        "done": sweep.cells_done,
        "total": sweep.cells_total,
        "chunks_done": sweep.chunks_done,
        "best": sweep.best,
        "failure_reason": sweep.failure_reason,
    }


def chunk_size(sweep: Sweep) -> int:
    """Cells in each chunk but the last."""
    first = sweep.chunks.filter(number=0).values_list("cells", flat=True).get()
    return int(first)


def rows(sweep: Sweep, *, before: int | None = None) -> np.ndarray:
    """The columns of every chunk that is done (those numbered below `before`), in the order of their numbers."""
    done = sweep.chunks.filter(state=SweepChunk.State.DONE).order_by("number")
    if before is not None:
        done = done.filter(number__lt=before)
    found = [columns.unpack(data) for data in done.values_list("data", flat=True)]
    return np.concatenate(found) if found else columns.empty((), metrics(sweep))


def metrics(sweep: Sweep) -> tuple[str, ...]:
    """The metrics that are kept of each cell, the objective first."""
    from backtests.sweeps.request import KEPT

    return tuple(dict.fromkeys((sweep.objective, *KEPT)))


def better(sweep: Sweep, found: np.ndarray) -> dict[str, Any] | None:
    """The best cell of the sweep, now that these rows came in: {cell, objective, feasible}; None where none has one."""
    order = columns.order(found, sweep.config)
    usable = [k for k in order[:1].tolist() if not found["refused"][k] and math.isfinite(found[sweep.objective][k])]
    if not usable:
        return sweep.best
    k = usable[0]
    fit = bool(columns.feasible(found[k : k + 1], sweep.config["constraints"])[0])
    mine = {"cell": int(found["cell"][k]), "objective": float(found[sweep.objective][k]), "feasible": fit}
    if sweep.best is None:
        return mine
    sign = 1.0 if sweep.config["better"] == "higher" else -1.0

    def rank(best: dict[str, Any]) -> tuple[bool, float, int]:
        return best["feasible"], sign * best["objective"], -best["cell"]

    return max(sweep.best, mine, key=rank)


def cells(sweep: Sweep, after: int = 0) -> dict[str, Any]:
    """What came in since: columns of the chunks that were done after the first `after`, for drawing while it runs.

    ``{after, more, cell: […], ok: […], values: {metric: […]}}``; the next `after`, whether there is more, the cells'
    numbers, which may be the best (1) or are not feasible (0) or refused (-1), and their figures, null where undefined.
    """
    done = sweep.chunks.filter(finished_as__gt=after).order_by("finished_as").values_list("finished_as", "data")
    got = list(done[: MOST_CHUNKS + 1])
    more, got = len(got) > MOST_CHUNKS, got[:MOST_CHUNKS]
    names = metrics(sweep)
    found = np.concatenate([columns.unpack(data) for _, data in got]) if got else columns.empty((), names)
    ok = np.where(found["refused"], -1, columns.feasible(found, sweep.config["constraints"]).astype(int))
    return {
        "after": got[-1][0] if got else after,
        "more": more,
        "cell": found["cell"].tolist(),
        "ok": ok.tolist(),
        "values": {name: _plain(found[name]) for name in names},
    }


def best(sweep: Sweep, count: int = 20) -> list[dict[str, Any]]:
    """The best cells so far, best first: {cell, parameters, settings, feasible, values}. Refused ones are left out.

    Chunk by chunk, so that no more than one and the best are in memory, however many there are.
    """
    chosen = columns.empty((), metrics(sweep))
    done = sweep.chunks.filter(state=SweepChunk.State.DONE).order_by("number").values_list("data", flat=True)
    for data in done.iterator(chunk_size=50):
        found = columns.unpack(data)
        found = np.concatenate([chosen, found[~found["refused"]]])
        chosen = found[columns.order(found, sweep.config)[: min(count, MOST_BEST)]]
    fit = columns.feasible(chosen, sweep.config["constraints"])
    where = space.of_config(sweep.config)
    answer = []
    for k, row in enumerate(chosen):
        parameters, settings = where.values(int(row["cell"]))
        values = {name: _plain(chosen[name][k : k + 1])[0] for name in metrics(sweep)}
        answer.append(
            {
                "cell": int(row["cell"]),
                "parameters": parameters,
                "settings": settings,
                "feasible": bool(fit[k]),
                "values": values,
            }
        )
    return answer


def key_of(sweep: Sweep, cell: int) -> str:
    """The idempotency key of the backtest that one cell is opened as."""
    return f"sweep-{sweep.pk}-{cell}"


def has_run(owner_id: int, key: str | None, config: Mapping[str, Any]) -> bool:
    """Whether a backtest with that key and request is a cell that a sweep of the owner's has run.

    The request is compared, too: a key is whatever a client sends.
    """
    from backtests.runner import clean as clean_run
    from backtests.sweeps.request import clean, run_of

    found = _KEY.fullmatch(key or "")
    sweep = Sweep.objects.filter(owner_id=owner_id, pk=found[1]).first() if found else None
    if found is None or sweep is None:
        return False
    where, cell = space.of_config(sweep.config), int(found[2])
    if cell >= len(where) or not _is_done(sweep, cell):
        return False
    try:
        run = run_of(clean(sweep.config, clean_run), *where.values(cell))
    except InputError:
        return False
    return trials.is_same(run.as_dict(), config)


def _is_done(sweep: Sweep, cell: int) -> bool:
    """Whether a chunk that is done has the cell; of a grid there is only one that could."""
    done = sweep.chunks.filter(state=SweepChunk.State.DONE)
    if sweep.method == "grid":
        done = done.filter(number=cell // chunk_size(sweep))
    return any(cell in columns.unpack(data)["cell"] for data in done.values_list("data", flat=True).iterator(50))


def _plain(column: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in column.tolist()]
