"""Polygon's flat files into the store: each day's file once, whatever the number of symbols."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from engine.errors import Fault, InputError
from marketdata import usage
from marketdata.columns import DAY, BarColumns
from marketdata.models import Coverage, Instrument
from marketdata.models.instrument import Source
from marketdata.providers import ProviderError
from marketdata.providers.polygon_files import FOLDERS, NoFile, PolygonFilesProvider
from marketdata.services import filling, series
from marketdata.zones import to_ns

log = logging.getLogger(__name__)

_MAKING = timedelta(days=4)  # a file that is not there so soon after its day may still come
_AT_ONCE = 20  # days that are read before they are written


@dataclass(slots=True)
class Fetched:
    """What came of it. bars: new or changed, by symbol. files: read. missing: trading days without a file. until: what
    is known ends there, because the files of later days are not made yet; None: nothing is open."""

    bars: dict[str, int] = field(default_factory=dict)
    files: int = 0
    missing: list[date] = field(default_factory=list)
    until: date | None = None


def provider() -> PolygonFilesProvider:
    return PolygonFilesProvider(
        settings.POLYGON_FILES_URL,
        settings.POLYGON_FILES_BUCKET,
        settings.POLYGON_FILES_KEY,
        settings.POLYGON_FILES_SECRET,
        filling.exchange_sessions,
    )


def fetch(symbols: Sequence[str], timeframe: str, first: date, last: date, *, today: date | None = None) -> Fetched:
    """Bring the bars of [first, last] (days of the exchange) into the store, as those of the source polygon.

    What is stored is one piece: where these days do not touch what is there, those between are fetched as well. Only
    what is missing is asked for. today: against which a file is late. Raises InputError, ProviderError; what
    was read before that stays.
    """
    if timeframe not in FOLDERS:
        text = f"there are no files of {timeframe} bars"
        raise InputError(Fault("timeframe", "unknown_choice", text, "one of " + ", ".join(FOLDERS)))
    if last < first:
        raise InputError(Fault("end", "out_of_range", f"{last} is before the first day, {first}"))
    rows = [filling.ensure_instrument(Source.POLYGON, symbol) for symbol in dict.fromkeys(symbols)]
    wanted = {row: _missing(row, timeframe, first, last) for row in rows}
    done, source = Fetched({row.symbol: 0 for row in rows}), provider()
    _tell_actions(rows)
    for part in sorted({part for parts in wanted.values() for part in parts}):
        asking = [row for row, parts in wanted.items() if part in parts]
        for begin, end in _pieces(*part):
            if not _one_piece(source, asking, timeframe, (begin, end), today or timezone.now().date(), done):
                break
    return done


def _tell_actions(rows: Sequence[Instrument]) -> None:
    """Splits and dividends are not in the files: they come by requests, for which there may be no key. A run says
    where they are missing."""
    rest = filling.provider_of(Source.POLYGON)
    if rest is None or not settings.POLYGON_API_KEY:
        return
    for row in rows:
        try:
            filling.tell_actions(rest, row)
        except ProviderError as error:
            log.warning("%s: %s", row, error.message)


def _one_piece(
    source: PolygonFilesProvider,
    rows: Sequence[Instrument],
    timeframe: str,
    days: tuple[date, date],
    today: date,
    done: Fetched,
) -> bool:
    """Read and write the days from the first to the last; False where the files end before that."""
    first, last = days
    found: dict[Instrument, list[BarColumns]] = {row: [] for row in rows}
    known = last
    for day in source.trading_days(first, last):
        try:
            bars = source.day(timeframe, day, [row.symbol for row in rows])
        except NoFile:
            if today - day <= _MAKING:
                known = day - timedelta(days=1)
                break
            done.missing.append(day)
            continue
        done.files += 1
        for row in rows:
            if row.symbol in bars:
                found[row].append(bars[row.symbol])
    if known >= first:
        for row, parts in found.items():
            whole = BarColumns.concat(parts)
            if len(whole):
                outcome = series.put(row, timeframe, whole, (_ns(first), _ns(known) + DAY))
                usage.count("polygon_files", bars=len(whole))
                done.bars[row.symbol] += outcome.added + outcome.changed
    if known < last:
        done.until = known
    return known == last


def _missing(row: Instrument, timeframe: str, first: date, last: date) -> list[tuple[date, date, bool]]:
    """(first day, last day, whether it lies before what is stored)."""
    held = Coverage.objects.filter(instrument=row, timeframe=timeframe).first()
    asked = (to_ns(held.asked_from), to_ns(held.asked_to)) if held else None
    ranges = filling.missing_ranges(asked, (_ns(first), _ns(last) + DAY))
    return [(_day(start), _day(end - 1), asked is not None and start < asked[0]) for start, end in ranges]


def _pieces(first: date, last: date, backwards: bool) -> Iterator[tuple[date, date]]:
    """Each touches what is stored already, so that there is no hole where the work ends early."""
    days = (last - first).days + 1
    starts = range(0, days, _AT_ONCE)
    for start in reversed(starts) if backwards else starts:
        end = min(start + _AT_ONCE, days) - 1
        yield first + timedelta(days=start), first + timedelta(days=end)


def _day(ns: int) -> date:
    return date(1970, 1, 1) + timedelta(days=ns // DAY)


def _ns(day: date) -> int:
    return to_ns(datetime(day.year, day.month, day.day, tzinfo=UTC))
