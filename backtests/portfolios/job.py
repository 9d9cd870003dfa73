"""One portfolio study in a worker: bars in, document stored, and every way in which that can end."""

from __future__ import annotations

import logging
import os
import uuid
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError

from accounts import quotas
from backtests import inputs
from backtests.models import AllocationStudy
from backtests.portfolios import claims, selectors
from backtests.pulse import Lost, Pulse, Reached
from engine.errors import InputError
from strategies import catalogue
from tradingsite.lib import realtime
from tradingsite.lib.errors import QuotaExceeded

log = logging.getLogger(__name__)


def run(study_id: uuid.UUID) -> None:
    """Claim the study and bring it to an end. Returns quietly when there is nothing to claim."""
    study = claims.claim(study_id)
    if study is None:
        log.info("portfolio %s: nothing to claim", study_id)
        return
    claims.announce(study)
    try:
        with _pulse(study) as pulse:
            values = _examined(study, pulse)
        if not claims.finish(study, values):
            raise Lost
    except Lost:
        if not claims.cancel_held(study):
            log.info("portfolio %s: given up, another worker has it or it was deleted", study_id)
    except InputError as error:
        faults = [fault.as_dict() for fault in error.faults]
        claims.fail(study, "invalid_input", " ".join(fault.message.rstrip(".") + "." for fault in error.faults), faults)
    except QuotaExceeded as refusal:
        claims.fail(study, refusal.code, refusal.message)
    except MemoryError:
        text = "It needs more memory than this machine has. Try fewer symbols, a shorter period or a coarser timeframe."
        claims.fail(study, "out_of_memory", text)
    except SoftTimeLimitExceeded:
        minutes = settings.BACKTEST_MAX_SECONDS // 60
        text = f"It took longer than {minutes} minutes, the most that is allowed. Rebalance less often, or try less."
        claims.fail(study, "too_slow", text)
    except DatabaseError:
        # Nothing can be written now. The claim goes stale and the reaper tries once more.
        log.exception("portfolio %s: the database does not answer", study_id)
    except OSError as error:
        log.exception("portfolio %s: bars cannot be read or written", study_id)
        words = os.strerror(error.errno) if error.errno else "it does not answer"
        claims.fail(study, "storage", f"The site's own storage is in the way ({words}). Tell its operator.")
    except Exception:
        log.exception("portfolio %s failed", study_id)
        text = f"Something is wrong on our side, not with your request. The log has the details under {study_id}."
        claims.fail(study, "internal_error", text)


def _pulse(study: AllocationStudy) -> Pulse:
    def tell(reached: Reached) -> None:
        payload = selectors.progress(study) | reached._asdict()
        realtime.publish(study.topic, "portfolio_progress", payload)

    return Pulse(f"portfolio {study.pk}", lambda reached: claims.beat(study, *reached), tell=tell)


def _examined(study: AllocationStudy, pulse: Pulse) -> dict[str, Any]:
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
    return {
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
