"""Reading a stored series anew from its source, in a worker: what it lacks is added, what was revised is replaced."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.errors import Fault, InputError
from marketdata import selectors, usage
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Coverage, Refetch, Revision
from marketdata.models.instrument import Source
from marketdata.providers import ProviderError
from marketdata.services import filling, flight, revisions, series
from marketdata.zones import to_ns
from tradingsite.lib.errors import Conflict, TooMany

log = logging.getLogger(__name__)

MOST_ACTIVE = 3
"""Of one user at a time: what they ask for comes out of everybody's budget."""
REST = timedelta(minutes=5)
STUCK_AFTER = timedelta(minutes=30)
_S = Refetch.State


def submit(user: Any, instrument_id: int, timeframe: str) -> Refetch:
    """Queue the reading of a series that the user sees. Returns the row (state queued).

    Raises NotFound, InputError (timeframe; a source that cannot be asked again), Conflict while it is being read or was
    read within five minutes, TooMany where the user has three of them already.
    """
    from marketdata import tasks

    row = selectors.instrument_by_id(user, instrument_id)
    if timeframe not in TIMEFRAME_NS:
        raise InputError(
            Fault("timeframe", "unknown_choice", f"{timeframe!r} is not a timeframe", ", ".join(TIMEFRAME_NS))
        )
    if not Source(row.source).by_network:
        raise InputError(
            Fault("instrument", "unavailable", f"{row.source} cannot be read anew", "Only sources by network can")
        )
    selectors.coverage_of(row, timeframe)
    held = Refetch.objects.filter(instrument=row, timeframe=timeframe)
    if held.filter(state=_S.DONE, finished_at__gt=timezone.now() - REST).exists():
        raise Conflict("This series was read anew less than five minutes ago.")
    if Refetch.objects.filter(asked_by=user, state__in=Refetch.ACTIVE).count() >= MOST_ACTIVE:
        raise TooMany(
            f"{MOST_ACTIVE} series are being read anew for you already. Wait until one is done.", retry_after=30
        )
    try:
        with transaction.atomic():
            asked = Refetch.objects.create(instrument=row, timeframe=timeframe, asked_by=user)
            # As with imports: if Redis is down the row stays queued, and the next tick of `tidy` sends it.
            transaction.on_commit(lambda: tasks.send(tasks.refetch, str(asked.pk)), robust=True)
    except IntegrityError:
        raise Conflict("This series is being read anew already.") from None
    return asked


def run(refetch_id: UUID | str) -> Refetch | None:
    """Read a queued series; None when it is not queued (done, or another worker has it). For workers."""
    claimed = Refetch.objects.filter(pk=refetch_id, state=_S.QUEUED).update(state=_S.RUNNING, started_at=timezone.now())
    if not claimed:
        return None
    row = Refetch.objects.select_related("instrument").get(pk=refetch_id)
    try:
        added, changed = _read(row)
    except ProviderError as error:
        _finish(row, _S.FAILED, message=f"{error.message}. The stored bars are as they were.")
    except Exception:
        log.exception("refetch %s failed", refetch_id)
        _finish(row, _S.FAILED, message="Something is wrong on our side. The stored bars are as they were.")
    else:
        _finish(row, _S.DONE, message=_said(added, changed), added=added, changed=changed)
    row.refresh_from_db()
    return row


def revive_stuck() -> int:
    """Send again what no worker picked up; give up what a dead worker left. For beat. Returns how many it sent."""
    from marketdata import tasks

    now = timezone.now()
    for row in Refetch.objects.filter(state=_S.RUNNING, started_at__lt=now - STUCK_AFTER):
        _finish(row, _S.FAILED, message="Its worker ended. Ask again.")
    waiting = Refetch.objects.filter(state=_S.QUEUED, created_at__lt=now - timedelta(minutes=1))
    ids = [str(pk) for pk in waiting.values_list("pk", flat=True)[:100]]
    for pk in ids:
        tasks.send(tasks.refetch, pk)
    return len(ids)


def _read(row: Refetch) -> tuple[int, int]:
    """How many bars are new, and how many have other values. Raises ProviderError."""
    instrument, timeframe = row.instrument, row.timeframe
    provider = filling.provider_of(instrument.source)
    if provider is None or timeframe not in provider.capabilities.timeframes:
        raise ProviderError(f"{instrument.source} has no {timeframe} bars of its own", retryable=False)
    with flight.alone(f"{instrument.pk}:{timeframe}"):
        coverage = Coverage.objects.filter(instrument=instrument, timeframe=timeframe).first()
        if coverage is None:
            raise ProviderError("the series was deleted", retryable=False)
        start, end = to_ns(coverage.asked_from), to_ns(coverage.asked_to)
        bars = filling.checked(provider.history(instrument.symbol, timeframe, start, end), instrument.source)
        filling.tell_actions(provider, instrument, is_due=True)
        usage.count(instrument.source, misses=1, bars=len(bars))
        if not len(bars):
            return 0, 0
        stored = selectors.stored_bars(coverage)
        revisions.notice(instrument, timeframe, stored, bars, Revision.Kind.REFETCH)
        outcome = series.put(instrument, timeframe, bars, (start, end))
    return outcome.added, outcome.changed


def _said(added: int, changed: int) -> str:
    if not added and not changed:
        return "Nothing has changed."
    return f"{added:,} bars were added, {changed:,} had other values and were replaced."


def _finish(row: Refetch, state: Refetch.State, **values: Any) -> None:
    message = str(values.pop("message"))[:300]
    Refetch.objects.filter(pk=row.pk).update(state=state, finished_at=timezone.now(), message=message, **values)
