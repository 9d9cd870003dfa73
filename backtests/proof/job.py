"""One passport in a worker: bars in, findings stored."""

from __future__ import annotations

import uuid
from typing import Any

from accounts import quotas
from backtests import inputs
from backtests.jobs import ends
from backtests.jobs.pulse import Lost, Pulse
from backtests.models import Passport
from backtests.proof import VERSION, selectors, trials
from backtests.proof.claims import claims
from backtests.runner import clean
from strategies import catalogue


def run(passport_id: uuid.UUID) -> None:
    """Claim the passport and bring it to an end. Returns quietly when there is nothing to claim."""
    ends.run(claims, passport_id, _examined)


def _examined(passport: Passport, pulse: Pulse) -> tuple[dict[str, Any]]:
    """The columns of a finished passport."""
    from backtests.proof.examining import Stopped, examine
    from backtests.proof.study import Study
    from backtests.runner import execute

    config = clean(passport.config)
    loaded = inputs.load(passport.owner, config)
    quotas.check_bars(passport.owner, sum(len(bars) for bars in loaded.walked.bars.values()))
    stored = selectors.stored_hash(passport.owner_id, config.source, config.symbols, config.timeframe)
    tried = max(trials.counted(passport.owner_id, passport.data_key), 1)
    study = Study(
        config,
        loaded.deciding.bars,
        match_bars=loaded.matching.bars if loaded.matching else None,
        on_bars=lambda _done, _total: not pulse.lost.is_set(),
    )
    try:
        document = examine(study, trials=tried, seed=passport.seed, on_progress=pulse.progress)
    except (Stopped, execute.Cancelled):
        raise Lost from None
    values = {
        "verdict": document["verdict"],
        "document": document,
        "result_hash": document["hash"],
        "trials": tried,
        "data_hash": loaded.fingerprint(),
        "stored_hash": stored,
        "synthetic": loaded.deciding.synthetic,
        "engine_version": execute.versions()["engine"],
        "strategy_version": catalogue.get(config.strategy).version(),
        "proof_version": VERSION,
        "runs_done": document["runs"],
        "runs_total": document["runs"],
    }
    return (values,)
