"""One backtest in a worker: bars in, result stored, and every way in which that can end."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, connection

from accounts import quotas
from backtests import claims, inputs, records, selectors
from backtests.models import Backtest
from backtests.runner import clean
from engine.errors import InputError
from tradingsite.lib import realtime
from tradingsite.lib.errors import QuotaExceeded

log = logging.getLogger(__name__)

_TICK_S = 0.25  # at most four progress events a second
_BEAT_S = 1.0


class _Stopped(Exception):
    """The claim is lost or the user canceled: nothing of this run may be written any more."""


class _Pulse:
    """Says, from a thread of its own, that the worker lives and how far it is, and hears whether to stop.

    A thread, because loading bars or compiling a kernel can take longer than a heartbeat may be late.
    """

    def __init__(self, backtest: Backtest) -> None:
        self._backtest = backtest
        self._state = ("loading", 0, 0)
        self._started = time.monotonic()
        self._over = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{backtest.pk}", daemon=True)

    def __enter__(self) -> _Pulse:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def phase(self, name: str, total: int = 0) -> None:
        """Enter a phase. Raises _Stopped when there is no reason to go on."""
        self._state = (name, 0, total)
        if self.lost.is_set():
            raise _Stopped

    def progress(self, done: int, total: int) -> bool:
        """The engine's `on_progress`, in bar times of one or more symbols. False: stop."""
        bars = self._state[2]
        self._state = ("running", done * bars // max(total, 1), bars)
        return not self.lost.is_set()

    def _run(self) -> None:
        try:
            self._watch()
        finally:
            connection.close()

    def _watch(self) -> None:
        told, beaten = None, 0.0
        while not self._over.wait(_TICK_S):
            phase, done, total = self._state
            now = time.monotonic()
            if now - beaten >= _BEAT_S:
                try:
                    if not claims.beat(self._backtest, phase, done, total):
                        self.lost.set()
                        return
                except DatabaseError:
                    # One missed beat is harmless; a database that stays away makes the claim go stale, as it should.
                    log.warning("backtest %s: heartbeat not written", self._backtest.pk, exc_info=True)
                    connection.close()
                beaten = now
            if told != self._state:
                told = self._state
                payload = selectors.progress(self._backtest) | {
                    "phase": phase,
                    "done": done,
                    "total": total,
                    "elapsed_s": round(now - self._started, 3),
                }
                realtime.publish(self._backtest.topic, "backtest_progress", payload)


def run(backtest_id: uuid.UUID) -> None:
    """Claim the backtest and bring it to an end. Returns quietly when there is nothing to claim."""
    backtest = claims.claim(backtest_id)
    if backtest is None:
        log.info("backtest %s: nothing to claim", backtest_id)
        return
    claims.announce(backtest)
    try:
        with _Pulse(backtest) as pulse:
            values, result_parts, performance = _simulate(backtest, pulse)
        if not claims.finish(backtest, values, result_parts, performance):
            raise _Stopped
    except _Stopped:
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


def _simulate(backtest: Backtest, pulse: _Pulse) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
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
            raise _Stopped from None
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
