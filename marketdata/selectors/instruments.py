"""Reads of rows: instruments, what is stored of them, imports."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Prefetch, Q, QuerySet, Sum

from marketdata.models import Coverage, DataImport, Instrument
from tradingsite.lib.errors import NotFound

_LISTED = ("instrument", "timeframe", "first_at", "last_at", "bars", "hits", "misses")


def visible_instruments(user: Any) -> QuerySet[Instrument]:
    """Everybody's instruments and those of `user` (a user, an id, or None)."""
    owner_id = getattr(user, "pk", user)
    return (
        Instrument.objects.filter(Q(owner__isnull=True) | Q(owner_id=owner_id))
        if owner_id
        else Instrument.objects.filter(owner__isnull=True)
    )


def instruments(user: Any, search: str = "", *, source: str = "", timeframe: str = "") -> QuerySet[Instrument]:
    """Visible instruments whose symbol or name contains `search`, with what lists show of their coverage rows.

    The long JSON columns `files` and `quality` stay in the database; the two words of the report that a list shows
    come as `complete_pct` and `quality_note`.
    """
    listed = Coverage.objects.only(*_LISTED).annotate(
        complete_pct=F("quality__complete_pct"), quality_note=F("quality__note")
    )
    found = visible_instruments(user).prefetch_related(Prefetch("coverages", listed))
    if search:
        found = found.filter(Q(symbol__icontains=search) | Q(name__icontains=search))
    if source:
        found = found.filter(source=source)
    if timeframe:
        found = found.filter(coverages__timeframe=timeframe)
    return found.order_by("symbol", "source", "pk")


def waiting_imports(user: Any) -> int:
    """How many of a user's imports are queued or being read."""
    active = (DataImport.State.QUEUED, DataImport.State.RUNNING)
    return DataImport.objects.filter(owner=user, state__in=active).count()


def kept_bars(user: Any) -> int:
    """How many bars are kept of a user's own instruments, over all timeframes."""
    return Coverage.objects.filter(instrument__owner=user).aggregate(total=Sum("bars"))["total"] or 0


def instrument(user: Any, symbol: str, source: str = "", *, timeframe: str = "") -> Instrument:
    """One visible instrument; the user's own import before everybody's. Raises NotFound.

    Without a source the first that has the symbol (and stored bars of `timeframe`, if any of them has), real prices
    before synthetic ones.
    """
    found = visible_instruments(user).filter(symbol=symbol.upper())
    if source:
        found = found.filter(source=source)
    if timeframe and found.filter(coverages__timeframe=timeframe).exists():
        found = found.filter(coverages__timeframe=timeframe)
    rows = sorted(found, key=lambda row: (row.synthetic, row.owner_id is None, row.source))
    if not rows:
        raise NotFound(f"There is no instrument {symbol[:40]}.")
    return rows[0]


def instrument_by_id(user: Any, instrument_id: int) -> Instrument:
    """A visible instrument with its coverage rows. Raises NotFound."""
    row = visible_instruments(user).prefetch_related("coverages").filter(pk=instrument_id).first()
    if row is None:
        raise NotFound()
    return row


def coverage(user: Any, *, symbol: str = "", source: str = "") -> QuerySet[Coverage]:
    """Stored series of visible instruments."""
    visible = visible_instruments(user)
    if symbol:
        visible = visible.filter(symbol=symbol.upper())
    if source:
        visible = visible.filter(source=source)
    return (
        Coverage.objects.filter(instrument__in=visible)
        .select_related("instrument")
        .order_by("instrument__symbol", "instrument__source", "instrument_id", "timeframe")
    )


def coverage_of(instrument: Instrument, timeframe: str) -> Coverage:
    """One stored series. Raises NotFound."""
    row = instrument.coverages.filter(timeframe=timeframe).first()
    if row is None:
        raise NotFound(f"No {timeframe} bars of {instrument.symbol} are stored.")
    row.instrument = instrument
    return row


def own_imports(user: Any) -> QuerySet[Instrument]:
    """Instruments that the user imported."""
    return Instrument.objects.filter(source="file", owner=user)


def imports(user: Any) -> QuerySet[DataImport]:
    """The user's own imports, newest first."""
    return DataImport.objects.filter(owner=user)


def data_import(user: Any, import_id: Any) -> DataImport:
    """One of the user's imports. Raises NotFound."""
    row = imports(user).filter(pk=import_id).first()
    if row is None:
        raise NotFound("There is no such import.")
    return row
