"""One portfolio study in a worker: bars in, document stored."""

from __future__ import annotations

import uuid
from typing import Any

from accounts import quotas
from backtests import inputs
from backtests.jobs import ends
from backtests.jobs.pulse import Lost, Pulse
from backtests.models import AllocationStudy
from backtests.portfolios import selectors
from backtests.portfolios.claims import claims
from strategies import catalogue


def run(study_id: uuid.UUID) -> None:
    """Claim the study and bring it to an end. Returns quietly when there is nothing to claim."""
    ends.run(claims, study_id, _examined)


def _examined(study: AllocationStudy, pulse: Pulse) -> tuple[dict[str, Any]]:
    """The columns of a finished study."""
    from backtests.portfolios.study import examine
    from backtests.runner import execute

    entered = ""

    def on_step(phase: str, done: int, total: int) -> None:
        nonlocal entered
        if phase != entered:
            pulse.phase(phase, total)
            entered = phase
        if not pulse.progress(done, total):
            raise Lost

    config = selectors.config_of(study)
    loaded = inputs.load(study.owner, config.run)
    quotas.check_bars(study.owner, sum(len(bars) for bars in loaded.walked.bars.values()))
    document = examine(config, loaded.deciding.bars, on_step=on_step)
    figures = {row["name"]: row for row in document["backtest"]["metrics"]}
    values = {
        "document": document,
        "expected_return_pct": document["chosen"]["return_pct"],
        "volatility_pct": document["chosen"]["volatility_pct"],
        "total_return_pct": figures["total_return_pct"]["chosen"],
        "equal_return_pct": figures["total_return_pct"]["equal"],
        "data_hash": loaded.fingerprint(),
        "synthetic": loaded.deciding.synthetic,
        "notes": loaded.deciding.notes,
        "engine_version": execute.versions()["engine"],
        "strategy_version": catalogue.get(config.run.strategy).version(),
    }
    return (values,)
