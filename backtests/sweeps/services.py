"""Writes: what a user does with sweeps. Pages, API and commands call these and nothing below them.

Every function takes the acting user and touches only that user's rows; other ids raise `NotFound`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts import quotas
from accounts.models import User
from backtests import estimate
from backtests import services as backtest_services
from backtests.jobs import submitting
from backtests.models import Backtest, Sweep, SweepChunk
from backtests.runner import RunConfig
from backtests.runner import clean as clean_run
from backtests.sweeps import announcing, selectors, tasks
from backtests.sweeps.drawing import ROUND
from backtests.sweeps.request import SweepConfig, clean, refused, run_of
from engine.errors import Fault, InputError
from strategies import catalogue, readers, session_settings
from strategies import services as strategy_services
from strategies.models import UserStrategy
from tradingsite.lib.errors import Conflict

# What a cell costs on one core, measured by `python -m bench.sweep`: a guess for the form, before anything has run.
_CELL_S, _BAR_S, _SIGNAL_BAR_S = 0.0009, 11e-9, 20e-9
_CHUNK_S = 1.5  # a cancel, a turn and a drawing of the page wait for one chunk at most
_MOST_IN_CHUNK, _MOST_CHUNKS = 250, 4_000
_BAYESIAN_CHUNK = 8
_LOOKED_AT = 1_000  # combinations that a check looks at for refused ones
_State = Sweep.State


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be started. bars: of one cell, 0 where not known; seconds: of one worker, a guess.

    refused_pct: of the combinations looked at, those that the strategy or the settings do not take. most: what the
    user's tier allows.
    """

    config: SweepConfig
    label: str
    cautions: list[Fault]
    bars: int
    seconds: float
    refused_pct: float
    most: int | None

    @property
    def total(self) -> int:
        """How many combinations the axes make."""
        return len(self.config.space)

    @property
    def too_many(self) -> bool:
        return self.most is not None and self.config.cells > self.most


def check(user: User, payload: Any) -> Checked:
    """Read a request, count its combinations and say what it will take; nothing is written.

    payload: the body of POST /api/sweeps (`backtests.sweeps.request`), plus ``confirm_cautions``. Raises InputError
    with every fault, and what `backtests.services.check` raises.
    """
    saved: UserStrategy | None = None
    cautions: list[Fault] = []

    def checked(body: Any) -> RunConfig:
        nonlocal saved
        run, saved, found = backtest_services.check(user, body)
        cautions.extend(replace(caution, path=f"backtest.{caution.path}") for caution in found)
        return run

    config = clean(submitting.without_confirmation(payload), checked)
    bars = estimate.bars_at_least(user, config.backtest)
    step = max(1, len(config.space) // _LOOKED_AT)
    looked = range(0, len(config.space), step)[:_LOOKED_AT]
    bad = sum(bool(refused(config, cell)) for cell in looked)
    if bad == len(looked):
        fault = refused(config, 0)[0]
        raise InputError(Fault("axes", "conflict", f"No combination can be run: {fault.message}", fault.hint))
    refused_pct = 100.0 * bad / len(looked)
    cautions += _unusual(config, refused_pct)
    label = backtest_services.label_of(user, config.backtest, saved)
    return Checked(config, label, cautions, bars, _seconds(config, bars), refused_pct, user.tier.max_sweep_cells)


def submit(user: User, payload: Any, idempotency_key: str | None = None) -> Sweep:
    """Check a request, write the sweep with its chunks and ask workers for them once the transaction is committed.

    Raises InputError (400), Unprocessable (422, cautions to be confirmed), QuotaExceeded (403), Conflict (409, the key
    was used for another request).
    """
    found = check(user, payload)
    words = "This sweep is unusual. Send confirm_cautions: true to run it as it is."
    submitting.refuse_unconfirmed(payload, found.cautions, words)
    return _create(user, found, readers.idempotency_key(idempotency_key))


def cancel(user: User, sweep_id: uuid.UUID | str) -> Sweep:
    """Stop it. Nothing more of it is taken; workers at its chunks stop within about a second. What is done stays."""
    sweep = selectors.get(user, sweep_id)
    Sweep.objects.filter(pk=sweep.pk, state__in=Sweep.ACTIVE).update(state=_State.CANCELED, finished_at=Now())
    return _told(sweep)


def resume(user: User, sweep_id: uuid.UUID | str) -> Sweep:
    """Go on with the chunks that are missing. Raises Conflict while it is active, done or of another strategy version.

    QuotaExceeded as `submit`.
    """
    with transaction.atomic():
        locked = quotas.lock(user)
        sweep = selectors.get(user, sweep_id)
        if sweep.state not in (_State.CANCELED, _State.FAILED):
            raise Conflict("Only a sweep that was canceled or that failed can go on.")
        if catalogue.get(sweep.strategy).version() != sweep.strategy_version:
            raise Conflict("The strategy has changed since, so new cells could not be compared. Start a new sweep.")
        if sweep.failure_code == "data_changed":
            raise Conflict("The prices have changed since, so new cells could not be compared. Start a new sweep.")
        quotas.check_sweep(locked, active=selectors.active_count(user), cells=sweep.cells_total)
        over = sweep.chunks_done == sweep.chunks_total
        sweep.chunks.exclude(state=SweepChunk.State.DONE).update(attempts=0)
        Sweep.objects.filter(pk=sweep.pk, state__in=(_State.CANCELED, _State.FAILED)).update(
            state=_State.DONE if over else _State.QUEUED, finished_at=None, failure_code="", failure_reason=""
        )
        transaction.on_commit(lambda: tasks.enqueue(min(sweep.chunks_total - sweep.chunks_done, tasks.AT_ONCE)))
    return _told(sweep)


def remove(user: User, sweep_id: uuid.UUID | str) -> None:
    """Delete it with everything it found. Workers that are at it notice and stop."""
    selectors.get(user, sweep_id).delete()


def open_cell(user: User, sweep_id: uuid.UUID | str, cell: int) -> Backtest:
    """Run one combination as a backtest of its own, with all its charts. Twice the same cell is the same backtest."""
    sweep = selectors.get(user, sweep_id)
    run = _cell(clean(sweep.config, clean_run), cell)
    named = replace(run, name=f"{sweep}, combination {cell}"[:120])
    return backtest_services.start(user, named, selectors.key_of(sweep, cell))


def save_cell(user: User, sweep_id: uuid.UUID | str, cell: int, name: str) -> UserStrategy:
    """Keep one combination as a strategy under a name."""
    sweep = selectors.get(user, sweep_id)
    run = _cell(clean(sweep.config, clean_run), cell)
    return strategy_services.create(
        user,
        name=name,
        strategy=run.strategy,
        parameters=run.strategy_parameters,
        settings=session_settings.changed(run.settings),
    )


def _cell(config: SweepConfig, cell: int) -> RunConfig:
    number = readers.strict(readers.integer, "cell", cell, low=0, high=len(config.space) - 1)
    return run_of(config, *config.space.values(number))


def _create(user: User, found: Checked, key: str | None) -> Sweep:
    config = found.config
    plain = config.as_dict()
    run = config.backtest
    with transaction.atomic():
        # One lock per user: double clicks and parallel posts queue here, so that the key and the quota hold.
        locked = quotas.lock(user)
        if (before := submitting.sent_before(Sweep, user, key, plain)) is not None:
            return before
        quotas.check_sweep(locked, active=selectors.active_count(user), cells=config.cells)
        quotas.check_bars(locked, found.bars)
        sizes = _sizes(config, found)
        sweep = Sweep.objects.create(
            owner=user,
            name=config.name,
            config=plain,
            strategy=run.strategy,
            strategy_label=found.label[: Sweep._meta.get_field("strategy_label").max_length],
            strategy_version=catalogue.get(run.strategy).version(),
            symbols=list(run.symbols),
            timeframe=run.timeframe,
            method=config.method,
            objective=config.objective,
            idempotency_key=key,
            cells_total=config.cells,
            chunks_total=len(sizes),
        )
        states = SweepChunk.State
        first = ROUND if config.method == "bayesian" else len(sizes)
        SweepChunk.objects.bulk_create(
            [
                SweepChunk(sweep=sweep, number=k, cells=cells, state=states.QUEUED if k < first else states.WAITING)
                for k, cells in enumerate(sizes)
            ],
            batch_size=500,
        )
        transaction.on_commit(lambda: tasks.enqueue(min(len(sizes), tasks.AT_ONCE)))
    return sweep


def _sizes(config: SweepConfig, found: Checked) -> list[int]:
    """Cells of each chunk: about `_CHUNK_S` of work, and whole groups that share their signals where they fit."""
    size = int(_CHUNK_S / max(found.seconds / config.cells, 1e-6))
    size = _BAYESIAN_CHUNK if config.method == "bayesian" else min(max(size, 1), _MOST_IN_CHUNK)
    shared = config.space.settings_only
    if config.method == "grid" and 1 < shared <= size:
        size -= size % shared
    size = max(size, -(-config.cells // _MOST_CHUNKS))
    whole, rest = divmod(config.cells, size)
    return [size] * whole + ([rest] if rest else [])


def _seconds(config: SweepConfig, bars: int) -> float:
    distinct = config.cells if config.method != "grid" else config.cells / config.space.settings_only
    return config.cells * (_CELL_S + bars * _BAR_S) + distinct * bars * _SIGNAL_BAR_S


def _unusual(config: SweepConfig, refused_pct: float) -> list[Fault]:
    found = []
    if refused_pct > 50:
        message = f"{refused_pct:.0f} % of the combinations cannot be run, as the strategy does not take them"
        found.append(Fault("axes", "caution", message, "Take ranges that do not overlap"))
    if config.method != "grid" and config.trials is not None and config.trials > len(config.space):
        message = f"There are only {len(config.space):,} combinations, so each is tried once"
        found.append(Fault("trials", "caution", message, "A grid does the same"))
    return found


def _told(sweep: Sweep) -> Sweep:
    sweep.refresh_from_db()
    announcing.announce(sweep)
    return sweep
