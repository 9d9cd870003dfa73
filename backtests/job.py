"""One backtest in a worker: bars in, result stored, and every way in which that can end."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError

from accounts import quotas
from backtests import claims, inputs, records, selectors
from backtests.models import Backtest
from backtests.pulse import Lost, Pulse, Reached
from backtests.runner import clean
from engine.errors import InputError
from tradingsite.lib import realtime
from tradingsite.lib.errors import QuotaExceeded

log = logging.getLogger(__name__)


def run(backtest_id: uuid.UUID) -> None:
    """Claim the backtest and bring it to an end. Returns quietly when there is nothing to claim."""
    backtest = claims.claim(backtest_id)
    if backtest is None:
        log.info("backtest %s: nothing to claim", backtest_id)
        return
    claims.announce(backtest)
    try:
        with _pulse(backtest) as pulse:
            values, result_parts, performance = _simulate(backtest, pulse)
        if not claims.finish(backtest, values, result_parts, performance):
            raise Lost
    except Lost:
        if not claims.cancel_held(backtest):
            log.info("backtest %s: given up, another worker has it or it was deleted", backtest_id)
    except InputError as error:
        faults = [fault.as_dict() for fault in error.faults]
        claims.fail(backtest, "invalid_input", f"It cannot be run: {error}", faults)
    except QuotaExceeded as refusal:
        claims.fail(backtest, refusal.code, refusal.message)
    except MemoryError:
        claims.fail(
            backtest,
            "out_of_memory",
            "It needs more memory than this machine has. Try fewer symbols, a shorter period or a coarser timeframe.",
        )
    except SoftTimeLimitExceeded:
        allowed = settings.BACKTEST_MAX_SECONDS
        words = f"{allowed} seconds" if allowed < 120 else f"{allowed // 60} minutes"
        claims.fail(backtest, "too_slow", f"It took longer than {words}, the most that one backtest may take.")
    except DatabaseError:
        # Nothing can be written now. The claim goes stale and the reaper tries once more.
        log.exception("backtest %s: the database does not answer", backtest_id)
    except OSError as error:
        log.exception("backtest %s: bars cannot be read or written", backtest_id)
        words = os.strerror(error.errno) if error.errno else "it does not answer"
        claims.fail(backtest, "storage", f"The site's own storage is in the way ({words}). Tell its operator.")
    except Exception:
        log.exception("backtest %s failed", backtest_id)
        claims.fail(
            backtest,
            "internal_error",
            f"Something is wrong on our side, not with your request. The log has the details under {backtest_id}.",
        )


def _pulse(backtest: Backtest) -> Pulse:
    began = time.monotonic()

    def tell(reached: Reached) -> None:
        how_far = {**reached._asdict(), "elapsed_s": round(time.monotonic() - began, 3)}
        realtime.publish(backtest.topic, "backtest_progress", selectors.progress(backtest) | how_far)

    return Pulse(f"backtest {backtest.pk}", lambda reached: claims.beat(backtest, *reached), tell=tell)


def _simulate(backtest: Backtest, pulse: Pulse) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
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
