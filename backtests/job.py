"""One backtest in a worker: bars in, result stored."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accounts import quotas
from backtests import inputs, records
from backtests.claims import claims
from backtests.jobs import ends
from backtests.jobs.pulse import Lost, Pulse
from backtests.models import Backtest
from backtests.runner import clean


def run(backtest_id: uuid.UUID) -> None:
    """Claim the backtest and bring it to an end. Returns quietly when there is nothing to claim."""
    ends.run(claims, backtest_id, _simulated)


def _simulated(backtest: Backtest, pulse: Pulse) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Load, run, and put together what is stored: row values, result parts, performance record."""
    from backtests.runner import documents, execute

    timings: dict[str, float] = {}
    config = clean(backtest.config)
    with _timed(timings, "load_s"):
        loaded = inputs.load(backtest.owner, config)
        total = sum(len(bars) for bars in loaded.walked.bars.values())
        quotas.check_bars(backtest.owner, total)
    pulse.phase("running", total)
    with _timed(timings, "run_s"):
        try:
            result = execute.run(
                config,
                loaded.deciding.bars,
                match_bars=loaded.matching.bars if loaded.matching else None,
                benchmark=loaded.held,
                on_progress=pulse.progress,
            )
        except execute.Cancelled:
            raise Lost from None
    pulse.phase("reporting", total)
    with _timed(timings, "report_s"):
        stored = documents.build(config, loaded.deciding.bars, result)
        data_hash = loaded.fingerprint()
    libraries = dict(execute.versions())
    values = stored.headline | {
        "final_equity": records.money(stored.headline["final_equity"]),
        "data_hash": data_hash,
        "engine_version": libraries.pop("engine"),
        "library_versions": libraries,
        "result_hash": stored.result_hash,
        "synthetic": any(part.synthetic for part in (loaded.deciding, loaded.benchmark) if part),
        "notes": loaded.deciding.notes,
        "strategy_version": execute.strategy_version(config),
        "start_date": config.start_date or stored.first_day,
        "end_date": config.end_date or stored.last_day,
        "bars_done": total,
        "bars_total": total,
        "timings": {name: round(value, 4) for name, value in timings.items()},
    }
    if backtest.rerun_of is not None:
        values["rerun_report"] = records.compared(backtest.rerun_of, values)
    return values, stored.parts, records.performance(backtest, stored)


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - started
