"""Bringing in files: the web process keeps the file and a row, a worker reads it, all of it becomes bars or nothing."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts import quotas
from engine.errors import Fault, InputError
from marketdata import selectors
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Coverage, DataImport, Instrument
from marketdata.models.instrument import Source
from marketdata.store import StoreDamaged
from marketdata.symbols import clean_symbol
from marketdata.zones import clean_calendar, to_ns
from tradingsite.lib.errors import Conflict, TooLarge
from tradingsite.lib.text import printable

log = logging.getLogger(__name__)
STUCK_AFTER = timedelta(minutes=15)
_MAX_ATTEMPTS = 2
_TRIES = 8


class Upload(Protocol):
    """What we need of Django's uploaded file."""

    name: str | None
    size: int | None

    def chunks(self) -> Iterable[bytes]: ...


def max_upload_bytes() -> int:
    """No file larger than this is taken from anybody; a tier may allow less (`accounts.quotas.check_upload`)."""
    return int(settings.IMPORT_MAX_MB) * quotas.BYTES_IN_MB


def check_size(size_bytes: int) -> None:
    """Raises TooLarge for a file (or the request that holds it) beyond the site's limit."""
    if size_bytes > max_upload_bytes():
        raise TooLarge(f"Files of up to {settings.IMPORT_MAX_MB} MB are taken.", maximum=settings.IMPORT_MAX_MB)


def submit(
    user: Any, upload: Upload, *, symbol: str = "", timeframe: str = "", calendar: str = "XNYS", zone: str = "UTC"
) -> DataImport:
    """Keep an uploaded file and queue its reading. Returns the row (state queued).

    Raises TooLarge, QuotaExceeded, InputError (file, symbol, timeframe, calendar, zone). What is in the file is the
    worker's business.
    """
    from marketdata import tasks

    if not upload.size:
        raise InputError(Fault("file", "empty_file", "the file is empty (0 bytes)"))
    check_size(upload.size)
    quotas.check_upload(user, upload.size)
    row = DataImport(
        owner=user,
        filename=printable(Path(upload.name or "unnamed").name or "unnamed", limit=200),
        size_bytes=upload.size,
        **_cleaned(symbol, timeframe, calendar, zone),
    )
    _keep(row.path, upload.chunks())
    try:
        with transaction.atomic():
            quotas.check_import(
                quotas.lock(user),
                waiting=selectors.waiting_imports(user),
                stored_bars=selectors.kept_bars(user),
            )
            row.save(force_insert=True)
            # After the commit, so that no worker looks for a row that is not there yet. If Redis is down, the row stays
            # queued and the next tick of `marketdata.tidy` sends it.
            transaction.on_commit(lambda: tasks.send(tasks.run_import, str(row.pk)), robust=True)
    except BaseException:
        row.path.unlink(missing_ok=True)
        raise
    return row


def run(import_id: UUID | str) -> DataImport | None:
    """Read a queued import; None when it is not queued (done already, or another worker has it). For workers."""
    claimed = DataImport.objects.filter(pk=import_id, state=DataImport.State.QUEUED).update(
        state=DataImport.State.RUNNING, started_at=timezone.now(), attempts=F("attempts") + 1
    )
    if not claimed:
        return None
    row = DataImport.objects.get(pk=import_id)
    try:
        outcome = bring_in(
            row.path,
            owner_id=row.owner_id,
            symbol=row.symbol,
            timeframe=row.timeframe,
            calendar=row.calendar,
            zone=row.zone,
        )
    except InputError as error:
        _finish(row, DataImport.State.REFUSED, faults=[fault.as_dict() for fault in error.faults])
    except OSError as error:
        log.exception("import %s could not be stored", row.pk)
        fault = Fault(
            "file",
            "not_stored",
            f"The bars could not be stored ({os.strerror(error.errno or 0)}).",
            "Nothing was imported.",
        )
        _finish(row, DataImport.State.FAILED, faults=[fault.as_dict()])
    except StoreDamaged:
        log.exception("import %s meets a damaged series", row.pk)
        text = "The bars that are stored of this symbol are damaged, so nothing can be added to them."
        fault = Fault("file", "not_stored", text, "Delete the instrument and import all of it again.")
        _finish(row, DataImport.State.FAILED, faults=[fault.as_dict()])
    else:
        _finish(row, DataImport.State.DONE, result=outcome)
    return row


def bring_in(
    path: Path,
    *,
    owner_id: int | None,
    symbol: str = "",
    timeframe: str = "",
    calendar: str = "XNYS",
    zone: str = "UTC",
) -> dict[str, Any]:
    """Read a file and make its bars an instrument's (source "file"): every symbol of it, or none. For workers.

    Returns {timeframe, rows, notes, symbols: [{symbol, added, changed, unchanged, total, first, last}]}.
    Raises InputError with the first ten faults, OSError when the bars cannot be written.
    """
    from marketdata.files import Limits, read_file
    from marketdata.services import calendars, series

    calendars.ensure_loaded()  # the gap report needs the sessions
    limits = Limits(bytes=max_upload_bytes(), not_after_ns=to_ns(timezone.now()))
    reading = read_file(
        path, symbol=symbol or None, timeframe=timeframe or None, calendar=calendar, zone=zone, limits=limits
    )
    for _ in range(_TRIES):
        made = []
        for name, columns in reading.series.items():
            instrument = _instrument(name, owner_id, calendar)
            coverage = None
            if instrument.pk is not None:
                coverage = Coverage.objects.filter(instrument=instrument, timeframe=reading.timeframe).first()
            asked = (int(columns.ts[0]), int(columns.ts[-1]) + TIMEFRAME_NS[reading.timeframe])
            made.append((instrument, series.prepare(instrument, coverage, reading.timeframe, columns, asked)))
        try:
            with transaction.atomic():
                for instrument, prepared in made:
                    if instrument.pk is None:
                        instrument.save(force_insert=True)
                    series.commit(instrument, prepared)
        except (series.Raced, IntegrityError):
            continue  # another import of the same symbol came between: merge with what it left
        return {
            "timeframe": reading.timeframe,
            "rows": reading.rows,
            "notes": reading.notes,
            "symbols": [
                {
                    "symbol": instrument.symbol,
                    "added": prepared.outcome.added,
                    "changed": prepared.outcome.changed,
                    "unchanged": prepared.outcome.unchanged,
                    "total": prepared.outcome.total,
                    "missing": prepared.quality.get("missing"),
                    "outside": prepared.quality.get("outside"),
                }
                for instrument, prepared in made
            ],
        }
    raise InputError(
        Fault("file", "conflict", "other imports of the same symbols keep changing them", "try again later")
    )


def revive_stuck(*, now: Any = None) -> int:
    """Queue again what a dead worker left behind, once; then give it up. Also what was never picked up. For beat."""
    from marketdata import tasks

    now = now or timezone.now()
    stuck = DataImport.objects.filter(state=DataImport.State.RUNNING, started_at__lt=now - STUCK_AFTER)
    for row in stuck.filter(attempts__gte=_MAX_ATTEMPTS):
        fault = Fault("file", "worker_died", "Reading this file ended the worker twice.", "Nothing was imported.")
        _finish(row, DataImport.State.FAILED, faults=[fault.as_dict()])
    stuck.filter(attempts__lt=_MAX_ATTEMPTS).update(state=DataImport.State.QUEUED, started_at=None)
    waiting = DataImport.objects.filter(state=DataImport.State.QUEUED, created_at__lt=now - timedelta(minutes=1))
    waiting_ids = [str(pk) for pk in waiting.values_list("pk", flat=True)[:100]]
    for pk in waiting_ids:
        tasks.send(tasks.run_import, pk)
    return len(waiting_ids)


def sweep_uploads(*, now: float | None = None) -> int:
    """Delete kept uploads whose import is finished or was never recorded (an hour old at least); returns how many."""
    now = time.time() if now is None else now
    folder = Path(settings.UPLOADS_DIR)
    waiting = DataImport.objects.filter(state__in=(DataImport.State.QUEUED, DataImport.State.RUNNING))
    keep = {row.path.name for row in waiting}
    removed = 0
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.name in keep:
            continue
        try:
            if now - path.stat().st_mtime > 3600:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # its import has just ended
    return removed


def remove_instrument(user: Any, instrument_id: int) -> None:
    """Delete an instrument the user imported, with its bars; the files go with the next sweep of the store.

    Raises NotFound for one that is not visible, Conflict for one that belongs to everybody.
    """
    row = selectors.instrument_by_id(user, instrument_id)
    if row.owner_id != user.pk:
        raise Conflict("Only instruments that you imported can be deleted.")
    row.delete()


def _cleaned(symbol: str, timeframe: str, calendar: str, zone: str) -> dict[str, str]:
    from zoneinfo import available_timezones

    faults: list[Fault] = []
    if symbol:
        try:
            symbol = clean_symbol(symbol)
        except InputError as error:
            faults.extend(error.faults)
    if timeframe and timeframe not in TIMEFRAME_NS:
        faults.append(
            Fault(
                "timeframe",
                "unknown_choice",
                f"{timeframe[:20]!r} is not a timeframe",
                "one of " + ", ".join(TIMEFRAME_NS),
            )
        )
    try:
        clean_calendar(calendar)
    except InputError as error:
        faults.extend(error.faults)
    if zone not in available_timezones():
        faults.append(
            Fault(
                "zone",
                "unknown_choice",
                f"{zone[:40]!r} is not a time zone",
                "an IANA name like America/New_York or UTC",
            )
        )
    if faults:
        raise InputError(faults)
    return {"symbol": symbol, "timeframe": timeframe, "calendar": calendar, "zone": zone}


def _keep(path: Path, chunks: Iterable[bytes]) -> None:
    """Write the upload under our name; nothing stays behind when it cannot be written whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as handle:
            for chunk in chunks:
                handle.write(chunk)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _instrument(symbol: str, owner_id: int | None, calendar: str) -> Instrument:
    """The imported instrument, not saved yet when it is new. An existing one keeps its calendar."""
    row = Instrument.objects.filter(source=Source.FILE, owner_id=owner_id, symbol=symbol).first()
    if row is None:
        return Instrument(source=Source.FILE, owner_id=owner_id, symbol=symbol, calendar=calendar, venue="imported")
    if row.calendar != calendar:
        raise InputError(
            Fault(
                "calendar",
                "conflict",
                f"{symbol} was imported with the calendar {row.calendar}",
                "delete it first, or choose the same",
            )
        )
    return row


def _finish(
    row: DataImport, state: str, *, faults: list[dict[str, str]] | None = None, result: dict[str, Any] | None = None
) -> None:
    row.state, row.faults, row.result, row.finished_at = state, faults or [], result or {}, timezone.now()
    row.save(update_fields=["state", "faults", "result", "finished_at"])
    row.path.unlink(missing_ok=True)
