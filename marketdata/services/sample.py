"""What every installation starts with: sample instruments and bars, the exchange calendar, synthetic instruments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from marketdata.columns import DAY
from marketdata.models import Coverage, Instrument
from marketdata.providers import Listing, Provider
from marketdata.services import calendars, filling, series

_SOURCES = ("sample", "synthetic")
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows and series were written; all zero when everything was there."""

    sessions: int
    instruments: int
    series: int


def load(*, now: datetime) -> Loaded:
    """Make the sample data complete. Idempotent: the second call reads a few rows and writes none."""
    sessions = calendars.ensure_loaded()
    instruments = written = 0
    for source in _SOURCES:
        provider = filling.provider_of(source)
        if provider is None:
            continue
        for listing in provider.instruments():
            row, created = _instrument(provider, listing)
            instruments += created
            timeframe = provider.capabilities.timeframes[-1]
            if Coverage.objects.filter(instrument=row, timeframe=timeframe).exists():
                continue
            with transaction.atomic():
                series.save_actions(row, provider.actions(row.symbol))
            start, end = _range(provider)
            filling.ensure(row, timeframe, start, end, now=now)
            written += 1
    return Loaded(sessions, instruments, written)


def _range(provider: Provider) -> tuple[int, int]:
    """What to store now, [from, to) in ns: everything a real source has, the last year of a synthetic one
    (years before are made when they are asked for)."""
    first, last = provider.capabilities.first, provider.capabilities.last
    if first is None or last is None:
        raise ValueError(f"{provider.source} does not say what it has")
    if provider.capabilities.synthetic:
        first = date(last.year, 1, 1)
    return (first.toordinal() - _EPOCH) * DAY, (last.toordinal() - _EPOCH + 1) * DAY


def _instrument(provider: Provider, listing: Listing) -> tuple[Instrument, bool]:
    return Instrument.objects.get_or_create(
        source=provider.source,
        symbol=listing.symbol,
        owner=None,
        defaults={
            "name": listing.name,
            "venue": listing.venue,
            "calendar": listing.calendar,
            "currency": listing.currency,
            "tick_size": listing.tick_size,
            "lot_size": listing.lot_size,
            "fractionable": listing.fractionable,
            "synthetic": provider.capabilities.synthetic,
            "notes": listing.notes,
        },
    )
