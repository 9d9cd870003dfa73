"""One chunk in a worker: bars in, columns stored."""

from __future__ import annotations

import uuid
from functools import partial

from accounts import quotas
from backtests import inputs
from backtests.jobs.ends import ending
from backtests.jobs.pulse import Lost, Pulse
from backtests.models import Sweep, SweepChunk
from backtests.runner import clean as clean_run
from backtests.sweeps import claims, selectors
from backtests.sweeps.drawing import ROUND, chunk_cells
from backtests.sweeps.request import SweepConfig, clean

_BEAT_S = 0.5
_kept: dict[uuid.UUID, inputs.Inputs] = {}  # the bars of the sweep that this process last worked for, of no other


def run_next() -> bool:
    """Claim the chunk whose turn it is and bring it to an end. False when there was none."""
    chunk = claims.claim()
    if chunk is None:
        return False
    fail, stop = partial(claims.fail, chunk), partial(claims.release, chunk)
    with (
        ending(str(chunk), chunk.sweep_id, claims.WORDS, fail=fail, stop=stop),
        Pulse(str(chunk), lambda _: claims.beat(chunk), every_s=_BEAT_S) as pulse,
    ):
        _run(chunk, pulse)
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
