"""What is missing from the store, and fetching it from the provider (once, then it is there)."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from engine.errors import Fault, InputError
from marketdata import selectors, usage
from marketdata.columns import DAY, TIMEFRAME_NS, BarColumns
from marketdata.gaps import Sessions
from marketdata.models import Coverage, Instrument, Revision
from marketdata.models.instrument import Source
from marketdata.providers import Provider, ProviderError, Unavailable
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.alpha_vantage import AlphaVantageProvider
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.providers.sample import SampleProvider
from marketdata.providers.synthetic import SyntheticProvider
from marketdata.providers.yahoo import YahooProvider
from marketdata.quality import check_bars
from marketdata.services import calendars, flight, revisions, series
from marketdata.symbols import clean_symbol
from marketdata.zones import ALWAYS_OPEN, from_ns, to_ns

log = logging.getLogger(__name__)
_EPOCH = date(1970, 1, 1).toordinal()
_ACTIONS_KEPT = timedelta(hours=6)


def provider_of(source: str) -> Provider | None:
    """The provider that can be asked for more bars of this source; None for imported files."""
    if source == "sample":
        return SampleProvider()
    if source == "synthetic":
        return SyntheticProvider(exchange_sessions)
    if source == "yahoo":
        return YahooProvider(settings.YAHOO_BASE_URL)
    if source == "alpaca":
        return AlpacaProvider(
            settings.ALPACA_DATA_URL,
            settings.ALPACA_API_KEY,
            settings.ALPACA_API_SECRET,
            exchange_sessions,
            feed=settings.ALPACA_DATA_FEED,
        )
    if source == "polygon":
        return PolygonProvider(settings.POLYGON_BASE_URL, settings.POLYGON_API_KEY, exchange_sessions)
    if source == "binance":
        return BinanceProvider(settings.BINANCE_BASE_URL)
    if source == "alpha_vantage":
        return AlphaVantageProvider(settings.ALPHA_VANTAGE_BASE_URL, settings.ALPHA_VANTAGE_API_KEY)
    return None


def lacks_actions(instrument: Instrument) -> bool:
    """Whether it is a stock of a source by network that has told of no splits and dividends, not even that there are
    none."""
    if instrument.calendar == ALWAYS_OPEN or not Source(instrument.source).by_network:
        return False
    return instrument.actions_at is None


def exchange_sessions(calendar: str, first: date, last: date) -> Sessions:
    """Sessions with dates in [first, last], from the rows; whole UTC days for round-the-clock markets."""
    if calendar == ALWAYS_OPEN:
        day = np.arange(first.toordinal() - _EPOCH, last.toordinal() - _EPOCH + 1)
        return Sessions(day.astype(np.int32), day * DAY, (day + 1) * DAY)
    calendars.ensure_loaded()
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    return selectors.sessions_between(calendar, to_ns(start), to_ns(end), margin_days=0)


def native_timeframe(instrument: Instrument, timeframe: str) -> str | None:
    """The timeframe to read `timeframe` bars from: itself, else the finest one there is that divides it."""
    provider = provider_of(instrument.source)
    known = set(provider.capabilities.timeframes) if provider else set()
    known |= set(instrument.coverages.values_list("timeframe", flat=True))
    if timeframe in known:
        return timeframe
    # Seconds are made a month at a time, so they are no source for anything coarser.
    finer = [t for t in known if t != "1s" and TIMEFRAME_NS[t] < TIMEFRAME_NS[timeframe]]
    finer = [t for t in finer if TIMEFRAME_NS[timeframe] % TIMEFRAME_NS[t] == 0]
    return min(finer, key=TIMEFRAME_NS.__getitem__, default=None)


def missing_ranges(asked: tuple[int, int] | None, wanted: tuple[int, int]) -> list[tuple[int, int]]:
    """The parts of [from, to) that have not been asked for yet. What lies between the two is fetched as well, so that
    the range that was asked for stays one piece."""
    if wanted[0] >= wanted[1]:
        return []
    if asked is None:
        return [wanted]
    before, after = (min(asked[0], wanted[0]), asked[0]), (asked[1], max(asked[1], wanted[1]))
    return [part for part in (before, after) if part[0] < part[1]]


def ensure(
    instrument: Instrument, timeframe: str, start_ns: int, end_ns: int, *, now: datetime, is_strict: bool = False
) -> tuple[Coverage | None, list[str]]:
    """Fetch what is missing of [start_ns, end_ns) in a timeframe the provider has; count a hit or a miss.

    Returns the series (None when there is none) and notes. A source that fails is a note when bars are held, unless
    `is_strict`; else ProviderError. Where another process fetches the series already, its result is waited for.
    """
    coverage = _series(instrument, timeframe)
    provider = provider_of(instrument.source)
    if provider is None or timeframe not in provider.capabilities.timeframes:
        _count(instrument, coverage, "hits")
        return coverage, []
    wanted = _obtainable(provider, start_ns, end_ns, now)
    if not missing_ranges(_asked(coverage), wanted):
        _count(instrument, coverage, "hits")
        return coverage, []
    notes: list[str] = []
    with flight.alone(f"{instrument.pk}:{timeframe}"):
        coverage = _series(instrument, timeframe)  # whoever was here before may have brought it
        missing = missing_ranges(_asked(coverage), wanted)
        for start, end in missing:
            try:
                notes += _fetch(provider, instrument, timeframe, coverage, start, end)
            except ProviderError as error:
                log.warning("%s %s: %s", instrument, timeframe, error.message)
                if coverage is None or is_strict:
                    raise
                notes.append(f"{instrument.symbol}: {error.message}; the stored bars are used.")
                break
            coverage = _series(instrument, timeframe)
    _count(instrument, coverage, "misses" if missing else "hits")
    return coverage, notes


def _fetch(
    provider: Provider, instrument: Instrument, timeframe: str, coverage: Coverage | None, start: int, end: int
) -> list[str]:
    """Bring [start, end) into the store, and read the last bars before it once more. Returns notes. Raises
    ProviderError."""
    begin = start
    if coverage is not None and provider.capabilities.network and start >= to_ns(coverage.asked_to):
        # What a source corrects, it corrects soon: the same request shows whether the newest stored bars still stand.
        begin = max(to_ns(coverage.asked_from), start - _tail_ns(instrument, timeframe))
    bars = checked(provider.history(instrument.symbol, timeframe, begin, end), instrument.source)
    tell_actions(provider, instrument)
    notes: list[str] = []
    if begin < start and coverage is not None:
        tail = bars.between(begin, start)
        stored = selectors.stored_bars(coverage, begin, start)
        revision = revisions.notice(instrument, timeframe, stored, tail, Revision.Kind.TAIL)
        notes += [revisions.described(revision)] if revision else []
    if provider.capabilities.network:
        usage.count(instrument.source, bars=len(bars))
    if len(bars):
        series.put(instrument, timeframe, bars, (start, end))
    elif coverage is not None:
        _widen(coverage, start, end)
    return notes


def checked(bars: BarColumns, source: str) -> BarColumns:
    """The same bars. Raises ProviderError where one of them cannot be."""
    if faults := check_bars(bars, limit=1):
        raise ProviderError(f"{source} sent an impossible bar: {faults[0].message}", retryable=False)
    return bars


def tell_actions(provider: Provider, instrument: Instrument, *, is_due: bool = False) -> None:
    """Ask a source by network for the splits and dividends of a stock, unless it has told them lately and `is_due` is
    not set.

    Raises ProviderError: bars without them would look complete, and be wrong by a split. Where the key's plan has none
    nothing is raised, and `Instrument.actions_at` says so for as long as that lasts.
    """
    able, at = provider.capabilities, timezone.now()
    if not (able.network and able.corporate_actions) or instrument.calendar == ALWAYS_OPEN:
        return
    if not is_due and instrument.actions_at is not None and at - instrument.actions_at < _ACTIONS_KEPT:
        return
    try:
        series.save_actions(instrument, provider.actions(instrument.symbol))
    except Unavailable as error:
        log.info("%s: %s", instrument, error.message)
        return
    instrument.actions_at = at
    instrument.save(update_fields=["actions_at"])


def unstored(instrument: Instrument, timeframe: str, start_ns: int, end_ns: int) -> BarColumns | None:
    """Bars of a timeframe that the provider gives anew each time; None for one that is stored. Raises ProviderError."""
    provider = provider_of(instrument.source)
    if provider is None or timeframe not in provider.capabilities.unstored:
        return None
    bars = provider.history(instrument.symbol, timeframe, start_ns, end_ns)
    if provider.capabilities.network:
        usage.count(instrument.source, misses=1, bars=len(bars))
    return bars


def ensure_instrument(source: str, symbol: str) -> Instrument:
    """A network source's instrument, made when it is asked for the first time. Raises InputError for a bad symbol."""
    name = clean_symbol(symbol)
    # What trades round the clock: every pair of Binance, and Alpaca's coins, which have a dash in their names.
    is_coin = source == Source.BINANCE or (source == Source.ALPACA and "-" in name)
    traits = {"calendar": ALWAYS_OPEN, "fractionable": True, "tick_size": Decimal("0.00000001")} if is_coin else {}
    row, _ = Instrument.objects.get_or_create(source=source, symbol=name, owner=None, defaults=traits)
    return row


def _obtainable(provider: Provider, start_ns: int, end_ns: int, now: datetime) -> tuple[int, int]:
    """The part of a range that the provider can have: inside its own range, and for a live source only whole past days
    (today's bars still change)."""
    able = provider.capabilities
    if able.first is not None:
        start_ns = max(start_ns, (able.first.toordinal() - _EPOCH) * DAY)
    if able.last is not None:
        end_ns = min(end_ns, (able.last.toordinal() - _EPOCH + 2) * DAY)
    if able.network:
        end_ns = min(end_ns, to_ns(now) // DAY * DAY)
    return start_ns, end_ns


def _series(instrument: Instrument, timeframe: str) -> Coverage | None:
    return Coverage.objects.filter(instrument=instrument, timeframe=timeframe).first()


def _asked(coverage: Coverage | None) -> tuple[int, int] | None:
    return (to_ns(coverage.asked_from), to_ns(coverage.asked_to)) if coverage else None


def _tail_ns(instrument: Instrument, timeframe: str) -> int:
    """How far back the newest stored bars are read again: a week of days; of shorter ones what one request holds."""
    if timeframe == "1d":
        return 7 * DAY
    return DAY if instrument.calendar == ALWAYS_OPEN else 4 * DAY


def _count(instrument: Instrument, coverage: Coverage | None, counter: str) -> None:
    if coverage is not None:
        Coverage.objects.filter(pk=coverage.pk).update(**{counter: F(counter) + 1})
    if Source(instrument.source).by_network:
        usage.count(instrument.source, **{counter: 1})


def _widen(coverage: Coverage, start: int, end: int) -> None:
    """Nothing there: remember that it was asked for."""
    Coverage.objects.filter(pk=coverage.pk).update(
        asked_from=min(coverage.asked_from, from_ns(start)), asked_to=max(coverage.asked_to, from_ns(end))
    )


def unknown_timeframe(instrument: Instrument, timeframe: str) -> InputError:
    """The refusal when neither the provider nor the store can give a timeframe."""
    provider = provider_of(instrument.source)
    known = set(provider.capabilities.timeframes) if provider else set()
    known |= set(instrument.coverages.values_list("timeframe", flat=True))
    names = ", ".join(sorted(known, key=TIMEFRAME_NS.__getitem__)) or "none"
    return InputError(
        Fault(
            "timeframe",
            "unknown_choice",
            f"{instrument.symbol} has no {timeframe} bars",
            f"its own timeframes: {names}, and what can be made from them",
        )
    )
