"""One passport in a worker: bars in, findings stored, and every way in which that can end."""

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
from backtests.models import Passport
from backtests.proof import VERSION, claims, selectors, trials
from backtests.pulse import Lost, Pulse
from backtests.runner import clean
from engine.errors import InputError
from strategies import catalogue
from tradingsite.lib.errors import QuotaExceeded

log = logging.getLogger(__name__)


def run(passport_id: uuid.UUID) -> None:
    """Claim the passport and bring it to an end. Returns quietly when there is nothing to claim."""
    passport = claims.claim(passport_id)
    if passport is None:
        log.info("passport %s: nothing to claim", passport_id)
        return
    try:
        with _pulse(passport) as pulse:
            values = _examined(passport, pulse)
        if not claims.finish(passport, values):
            raise Lost
    except Lost:
        if not claims.cancel_held(passport):
            log.info("passport %s: given up, another worker has it or it was deleted", passport_id)
    except InputError as error:
        claims.fail(passport, "invalid_input", f"It cannot be examined: {error}")
    except QuotaExceeded as refusal:
        claims.fail(passport, refusal.code, refusal.message)
    except MemoryError:
        text = "It needs more memory than this machine has. Examine fewer symbols or a coarser timeframe."
        claims.fail(passport, "out_of_memory", text)
    except SoftTimeLimitExceeded:
        text = f"It took longer than {settings.BACKTEST_MAX_SECONDS:,} seconds, the most that one passport may take."
        claims.fail(passport, "too_slow", text)
    except DatabaseError:
        # Nothing can be written now. The claim goes stale and the reaper tries once more.
        log.exception("passport %s: the database does not answer", passport_id)
    except OSError as error:
        log.exception("passport %s: bars cannot be read", passport_id)
        words = os.strerror(error.errno) if error.errno else "it does not answer"
        claims.fail(passport, "storage", f"The site's own storage is in the way ({words}). Tell its operator.")
    except Exception:
        log.exception("passport %s failed", passport_id)
        text = f"Something is wrong on our side, not with your strategy. The log has the details under {passport_id}."
        claims.fail(passport, "internal_error", text)


def _pulse(passport: Passport) -> Pulse:
    return Pulse(f"passport {passport.pk}", lambda reached: claims.beat(passport, reached.done, reached.total))


def _examined(passport: Passport, pulse: Pulse) -> dict[str, Any]:
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
    return {
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
