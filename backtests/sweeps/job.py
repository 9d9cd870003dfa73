"""One chunk in a worker: bars in, columns stored, and every way in which that can end."""

from __future__ import annotations

import logging
import os
import uuid

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError

from accounts import quotas
from backtests import inputs
from backtests.models import Sweep, SweepChunk
from backtests.pulse import Lost, Pulse
from backtests.runner import clean as clean_run
from backtests.sweeps import claims, selectors
from backtests.sweeps.drawing import ROUND, chunk_cells
from backtests.sweeps.request import SweepConfig, clean
from engine.errors import InputError
from tradingsite.lib.errors import QuotaExceeded

log = logging.getLogger(__name__)

_BEAT_S = 0.5
_kept: dict[uuid.UUID, inputs.Inputs] = {}  # the bars of the sweep that this process last worked for, of no other


def run_next() -> bool:
    """Claim the chunk whose turn it is and bring it to an end. False when there was none."""
    chunk = claims.claim()
    if chunk is None:
        return False
    try:
        with Pulse(str(chunk), lambda _: claims.beat(chunk), every_s=_BEAT_S) as pulse:
            _run(chunk, pulse)
    except Lost:
        claims.release(chunk)
    except InputError as error:
        claims.fail(chunk, "invalid_input", f"It cannot be run: {error}")
    except QuotaExceeded as refusal:
        claims.fail(chunk, refusal.code, refusal.message)
    except MemoryError:
        words = "It needs more memory than this machine has. Try fewer symbols or a shorter period."
        claims.fail(chunk, "out_of_memory", words)
    except SoftTimeLimitExceeded:
        minutes = settings.BACKTEST_MAX_SECONDS // 60
        claims.fail(chunk, "too_slow", f"A part of it took longer than {minutes} minutes, the most that is allowed.")
    except DatabaseError:
        # Nothing can be written now. The claim goes stale and the reaper queues the chunk again.
        log.exception("%s: the database does not answer", chunk)
    except OSError as error:
        log.exception("%s: bars cannot be read or written", chunk)
        words = os.strerror(error.errno) if error.errno else "it does not answer"
        claims.fail(chunk, "storage", f"The site's own storage is in the way ({words}). Tell its operator.")
    except Exception:
        log.exception("%s failed", chunk)
        words = (
            f"Something is wrong on our side, not with your request. The log has the details under {chunk.sweep_id}."
        )
        claims.fail(chunk, "internal_error", words)
    return True


def _run(chunk: SweepChunk, pulse: Pulse) -> None:
    from backtests.sweeps import cells

    sweep = chunk.sweep
    config = clean(sweep.config, clean_run)
    loaded = _loaded(sweep, config)
    quotas.check_bars(sweep.owner, sum(len(bars) for bars in loaded.walked.bars.values()))
    if pulse.lost.is_set():
        raise Lost
    try:
        outcome = cells.run(
            config,
            _cells(config, chunk),
            loaded.deciding.bars,
            match_bars=loaded.matching.bars if loaded.matching else None,
            benchmark=loaded.held,
            on_progress=pulse.progress,
        )
    except cells.Cancelled:
        raise Lost from None
    if not claims.finish(chunk, outcome, loaded.fingerprint()):
        raise Lost


def _loaded(sweep: Sweep, config: SweepConfig) -> inputs.Inputs:
    """The sweep's bars, up to the day on which it was started: read once for many chunks in a row."""
    if sweep.pk not in _kept:
        _kept.clear()
        _kept[sweep.pk] = inputs.load(sweep.owner, config.backtest, sweep.created_at.date())
    return _kept[sweep.pk]


def _cells(config: SweepConfig, chunk: SweepChunk) -> list[int]:
    sweep, earlier = chunk.sweep, None
    size = selectors.chunk_size(sweep)
    if config.method == "bayesian":
        earlier = selectors.rows(sweep, before=chunk.number // ROUND * ROUND)
    return chunk_cells(config, chunk.number, size, earlier)
