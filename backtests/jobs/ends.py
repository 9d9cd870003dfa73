"""Every way in which the work on a row can end, and what its owner is told then."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError

from backtests.jobs.claims import Claims
from backtests.jobs.pulse import Lost, Pulse
from backtests.jobs.words import Words
from backtests.models.job import HeldJob
from engine.errors import InputError
from tradingsite.lib.errors import QuotaExceeded

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=HeldJob)
Fail = Callable[[str, str, list[dict[str, str]]], Any]


def run(
    claims: Claims[Row], row_id: uuid.UUID, work: Callable[[Row, Pulse], tuple[Mapping[str, Any], *tuple[Any, ...]]]
) -> None:
    """Claim the row and bring it to an end. Returns quietly when there is nothing to claim.

    work: does it; returns what `claims.finish` writes. It raises Lost when the pulse says that it should stop.
    """
    name = f"{claims.noun} {row_id}"
    row = claims.claim(row_id)
    if row is None:
        log.info("%s: nothing to claim", name)
        return
    claims.announce(row)

    def stop() -> None:
        if not claims.cancel_held(row):
            log.info("%s: given up, another worker has it or it was deleted", name)

    with ending(name, row_id, claims.words, fail=partial(claims.fail, row), stop=stop):
        with claims.pulse(row) as pulse:
            found = work(row, pulse)
        if not claims.finish(row, *found):
            raise Lost


@contextmanager
def ending(name: str, told_id: uuid.UUID, words: Words, *, fail: Fail, stop: Callable[[], object]) -> Iterator[None]:
    """For the block that works: whatever it raises becomes an end of the row.

    name: of the work, in the log. told_id: by which a user may ask about it. fail(code, reason, faults): writes that it
    failed. stop: for a claim that is lost or canceled. Where the database does not answer nothing is written: the claim
    goes stale, and the reaper has it tried once more.
    """
    try:
        yield
    except Lost:
        stop()
    except InputError as error:
        fail("invalid_input", words.invalid(error), [fault.as_dict() for fault in error.faults])
    except QuotaExceeded as refusal:
        fail(refusal.code, refusal.message, [])
    except MemoryError:
        fail("out_of_memory", f"It needs more memory than this machine has. {words.smaller}", [])
    except SoftTimeLimitExceeded:
        allowed = settings.BACKTEST_MAX_SECONDS
        limit = f"{allowed} seconds" if allowed < 120 else f"{allowed // 60} minutes"
        fail("too_slow", words.too_slow.format(limit=limit), [])
    except DatabaseError:
        log.exception("%s: the database does not answer", name)
    except OSError as error:
        log.exception("%s: bars cannot be read or written", name)
        why = os.strerror(error.errno) if error.errno else "it does not answer"
        fail("storage", f"The site's own storage is in the way ({why}). Tell its operator.", [])
    except Exception:
        log.exception("%s failed", name)
        fail(
            "internal_error",
            f"Something is wrong on our side, not with your {words.ours}. The log has the details under {told_id}.",
            [],
        )
