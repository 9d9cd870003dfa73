"""Bars for a run: found, completed, adjusted, resampled, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import F
from django.utils import timezone

from engine.errors import Fault, InputError
from marketdata import routing, selectors
from marketdata.adjust import adjusted, clean_adjustment
from marketdata.columns import TIMEFRAME_NS, BarColumns
from marketdata.models import Instrument
from marketdata.models.instrument import AUTO, Source
from marketdata.providers import ProviderError
from marketdata.services import filling
from marketdata.symbols import clean_symbol
from marketdata.zones import calendar_zone, from_ns, to_ns, trading_days

if TYPE_CHECKING:
    from engine.bars import Bars


@dataclass(frozen=True, slots=True)
class LoadedBars:
    """bars: by symbol, in the order asked for. data_hash: SHA-256 (hex) over everything that decides a run: every
    value of every bar as handed out, symbol, timeframe, calendar, tick, lot, currency. notes: for the reader of a
    result. synthetic: at least one series was made up. sources: where each symbol's bars are from."""

    bars: dict[str, Bars]
    data_hash: str
    notes: list[str]
    synthetic: bool
    sources: Mapping[str, str]


def load_bars(
    symbols: Sequence[str],
    timeframe: str,
    start: date | datetime | str,
    end: date | datetime | str,
    *,
    source: str = "sample",
    adjustment: str = "split_dividend",
    owner: Any = None,
    chosen: Mapping[str, str] | None = None,
) -> LoadedBars:
    """Bars of `symbols` from `start` to `end`, both days included (on the exchange's clock).

    source: one, or "auto": the best that answers, for each symbol apart (`marketdata.routing`). All bars of a symbol
    are from one source; a run that loads twice passes what was chosen first (`LoadedBars.sources`) as `chosen`.

    Missing ranges are fetched from the provider first. A timeframe the source does not have is made from a finer one.
    start, end: dates, ISO dates, or aware datetimes (then bars that start in [start, end)). owner: the user (or id)
    whose imports are visible; None: only what everybody sees.

    For workers and commands (imports pandas through the engine). Raises InputError with the field names of a backtest
    request: symbols[i], timeframe, start_date, end_date, source, adjustment.
    """
    if not symbols:
        raise InputError(Fault("symbols", "required", "name at least one symbol"))
    if timeframe not in TIMEFRAME_NS:
        raise InputError(
            Fault(
                "timeframe", "unknown_choice", f"{timeframe!r} is not a timeframe", "one of " + ", ".join(TIMEFRAME_NS)
            )
        )
    adjustment = clean_adjustment(adjustment)
    first, last = _moment(start, "start_date"), _moment(end, "end_date")
    if first > last:
        raise InputError(Fault("end_date", "out_of_range", f"{end} is before the start {start}"))
    bars: dict[str, Bars] = {}
    sources: dict[str, str] = {}
    notes: list[str] = []
    synthetic = False
    faults: list[Fault] = []
    for i, symbol in enumerate(symbols):
        try:
            asked = (chosen or {}).get(str(symbol).strip().upper(), source)
            if asked == AUTO:
                loaded, of = _load_from_best(symbol, timeframe, first, last, adjustment, notes, f"symbols[{i}]")
            else:
                instrument, of = _instrument(symbol, asked, owner, f"symbols[{i}]"), asked
                loaded = _load_one(instrument, timeframe, first, last, adjustment, notes)
                synthetic |= instrument.synthetic
            if loaded.symbol in bars:
                raise InputError(Fault(f"symbols[{i}]", "conflict", f"{symbol} is named twice"))
            bars[loaded.symbol], sources[loaded.symbol] = loaded, of
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    if synthetic:
        notes.insert(0, "Synthetic prices: made up from a seed, never traded.")
    return LoadedBars(bars, _data_hash(bars), notes, synthetic, sources)


def _load_one(
    instrument: Instrument,
    timeframe: str,
    first: date | datetime,
    last: date | datetime,
    adjustment: str,
    notes: list[str],
    *,
    is_strict: bool = False,
) -> Bars:
    """is_strict: stored bars that lack a part of the range are no answer, where their source cannot give it."""
    from engine.bars import Bars
    from engine.resample import resample

    native = filling.native_timeframe(instrument, timeframe)
    if native is None:
        raise filling.unknown_timeframe(instrument, timeframe)
    start_ns, end_ns = _range_ns(first, last, native, instrument.calendar)
    coverage = None
    try:
        columns = filling.unstored(instrument, native, start_ns, end_ns)
        if columns is None:
            now = timezone.now()
            coverage, found = filling.ensure(instrument, native, start_ns, end_ns, now=now, is_strict=is_strict)
            notes.extend(found)
            columns = selectors.stored_bars(coverage, start_ns, end_ns) if coverage else BarColumns.empty()
    except ProviderError as error:
        raise InputError(Fault("symbols", "no_data", f"{instrument.symbol}: {error.message}")) from error
    if not len(columns):
        held = f"from {coverage.first_at:%Y-%m-%d} to {coverage.last_at:%Y-%m-%d}" if coverage else "none at all"
        raise InputError(
            Fault("start_date", "no_data", f"{instrument.symbol} has no {native} bars in this range", f"held: {held}")
        )
    days = trading_days(columns.ts, native, instrument.calendar)
    columns = adjusted(columns, days, selectors.actions_of(instrument), adjustment)
    notes.extend(_range_notes(instrument, columns, first, last))
    if adjustment != "raw" and filling.lacks_actions(instrument):
        notes.append(f"{instrument.symbol}: no splits and dividends from this source; prices are as traded.")
    bars = Bars.from_arrays(
        instrument.symbol,
        native,
        columns.ts,
        *columns.arrays(),
        calendar=instrument.calendar,
        tick_size=float(instrument.tick_size),
        lot_size=float(instrument.lot_size),
        fractionable=instrument.fractionable,
        currency=instrument.currency,
    )
    return bars if native == timeframe else resample(bars, timeframe)


def _load_from_best(
    symbol: object,
    timeframe: str,
    first: date | datetime,
    last: date | datetime,
    adjustment: str,
    notes: list[str],
    path: str,
) -> tuple[Bars, str]:
    """One series from one source, and which: the first, in the order of `routing`, that can answer for the whole range.
    Where none can, what one of them has stored. Why it was that one goes into the notes, and is kept."""
    if not isinstance(symbol, str):
        raise InputError(Fault(path, "wrong_type", "a symbol is a text"))
    name = clean_symbol(symbol)
    order = routing.ranked(name, timeframe, _as_date(first), _as_date(last))
    verdicts: list[routing.Verdict] = [one for one in order if one.refusal]
    asked = [one for one in order if not one.refusal]
    for is_strict in (True, False):
        for one in asked:
            if not is_strict and not one.has_stored:
                continue
            said: list[str] = []
            try:
                instrument = filling.ensure_instrument(one.source, name)
                bars = _load_one(instrument, timeframe, first, last, adjustment, said, is_strict=is_strict)
            except InputError as error:
                if is_strict:
                    verdicts.append(routing.failed(one, error))
                continue
            notes.append(routing.chosen(name, timeframe, one, verdicts))
            notes.extend(said)
            return bars, one.source
    raise routing.none_answered(name, timeframe, verdicts, path)


def _instrument(symbol: object, source: str, owner: Any, path: str) -> Instrument:
    """The instrument a request means. Raises InputError: not_found (says which sources do have it), unknown_choice."""
    if source not in Source.values:
        known = ", ".join([*Source.values, AUTO])
        raise InputError(Fault("source", "unknown_choice", f"{source!r} is not a source", f"one of {known}"))
    if not isinstance(symbol, str):
        raise InputError(Fault(path, "wrong_type", "a symbol is a text"))
    found = selectors.visible_instruments(owner).filter(symbol=symbol.strip().upper())
    # One's own import comes before everybody's of the same name (the databases disagree about where NULL sorts).
    row = found.filter(source=source).order_by(F("owner_id").asc(nulls_last=True)).first()
    if row is not None:
        return row
    if Source(source).by_network:
        return filling.ensure_instrument(source, symbol)
    elsewhere = sorted(set(found.values_list("source", flat=True)))
    hint = "it is in: " + ", ".join(elsewhere) if elsewhere else "see the data page for what there is"
    raise InputError(Fault(path, "not_found", f"{symbol[:40]!r} is not in source {source}", hint))


def _moment(value: date | datetime | str, path: str) -> date | datetime:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise InputError(Fault(path, "bad_time", f"{value[:40]!r} is not a date", "write 2024-03-01")) from None
    if isinstance(value, datetime) and value.tzinfo is None:
        raise InputError(Fault(path, "naive_time", "a time needs its zone", "end it with Z for UTC"))
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value


def _range_ns(first: date | datetime, last: date | datetime, timeframe: str, calendar: str) -> tuple[int, int]:
    """[from, to) in ns UTC. Days run from midnight to midnight on the exchange's clock; daily bars carry their date."""
    zone = UTC if timeframe == "1d" else calendar_zone(calendar)

    def midnight(day: date) -> int:
        return to_ns(datetime.combine(day, time(), tzinfo=zone).astimezone(UTC))

    start = to_ns(first) if isinstance(first, datetime) else midnight(first)
    end = to_ns(last) if isinstance(last, datetime) else midnight(last + timedelta(days=1))
    return start, end


def _range_notes(
    instrument: Instrument, columns: BarColumns, first: date | datetime, last: date | datetime
) -> list[str]:
    """Says when the bars begin more than a week after the start asked for, or end more than a week before the end."""
    begins, ends = from_ns(int(columns.ts[0])).date(), from_ns(int(columns.ts[-1])).date()
    notes = []
    if begins - _as_date(first) > timedelta(days=7):
        notes.append(f"{instrument.symbol}: bars begin on {begins}.")
    if _as_date(last) - ends > timedelta(days=7):
        notes.append(f"{instrument.symbol}: bars end on {ends}.")
    return notes


def _as_date(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _data_hash(bars: dict[str, Bars]) -> str:
    digest = hashlib.sha256()
    for symbol in sorted(bars):
        b = bars[symbol]
        traits = (
            symbol,
            b.timeframe,
            b.calendar,
            b.currency,
            repr(b.tick_size),
            repr(b.lot_size),
            b.fractionable,
            len(b),
        )
        digest.update(repr(traits).encode())
        digest.update(np.ascontiguousarray(b.ts, dtype="<i8"))
        for array in (b.open, b.high, b.low, b.close, b.volume):
            digest.update(np.ascontiguousarray(array, dtype="<f8"))
    return digest.hexdigest()
