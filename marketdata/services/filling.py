"""What is missing from the store, and fetching it from the provider (once, then it is there)."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.conf import settings
from django.db.models import F

from engine.errors import Fault, InputError
from marketdata import selectors
from marketdata.columns import DAY, TIMEFRAME_NS, BarColumns
from marketdata.gaps import Sessions
from marketdata.models import Coverage, Instrument
from marketdata.models.instrument import Source
from marketdata.providers import Provider, ProviderError
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.alpha_vantage import AlphaVantageProvider
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.providers.sample import SampleProvider
from marketdata.providers.synthetic import SyntheticProvider
from marketdata.providers.yahoo import YahooProvider
from marketdata.quality import check_bars
from marketdata.services import calendars, series
from marketdata.symbols import clean_symbol
from marketdata.zones import ALWAYS_OPEN, from_ns, to_ns

log = logging.getLogger(__name__)
_EPOCH = date(1970, 1, 1).toordinal()


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


def lacks_actions(source: str) -> bool:
    """Whether it is a source by network that tells of no splits and dividends."""
    provider = provider_of(source)
    return provider is not None and provider.capabilities.network and not provider.capabilities.corporate_actions


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
    instrument: Instrument, timeframe: str, start_ns: int, end_ns: int, *, now: datetime
) -> tuple[Coverage | None, list[str]]:
    """Fetch what is missing of [start_ns, end_ns) in a timeframe the provider has; count a hit or a miss.

    Returns the series (None when there is none) and notes. A source that fails is a note when bars are held, else
    ProviderError.
    """
    coverage = Coverage.objects.filter(instrument=instrument, timeframe=timeframe).first()
    provider = provider_of(instrument.source)
    missing: list[tuple[int, int]] = []
    if provider is not None and timeframe in provider.capabilities.timeframes:
        asked = (to_ns(coverage.asked_from), to_ns(coverage.asked_to)) if coverage else None
        missing = missing_ranges(asked, _obtainable(provider, start_ns, end_ns, now))
    notes: list[str] = []
    for start, end in missing:
        try:
            bars = provider.history(instrument.symbol, timeframe, start, end)  # type: ignore[union-attr]
            faults = check_bars(bars, limit=1)
            if faults:
                raise ProviderError(f"{instrument.source} sent an impossible bar: {faults[0].message}", retryable=False)
            if provider is not None and provider.capabilities.network:
                series.save_actions(instrument, provider.actions(instrument.symbol))
        except ProviderError as error:
            log.warning("%s %s: %s", instrument, timeframe, error.message)
            if coverage is None:
                raise
            notes.append(f"{instrument.symbol}: {error.message}; the stored bars are used.")
            break
        if len(bars):
            series.put(instrument, timeframe, bars, (start, end))
        elif coverage is not None:
            _widen(coverage, start, end)
        coverage = Coverage.objects.filter(instrument=instrument, timeframe=timeframe).first()
    if coverage is not None:
        counter = "misses" if missing else "hits"
        Coverage.objects.filter(pk=coverage.pk).update(**{counter: F(counter) + 1})
    return coverage, notes


def unstored(instrument: Instrument, timeframe: str, start_ns: int, end_ns: int) -> BarColumns | None:
    """Bars of a timeframe that the provider gives anew each time; None for one that is stored. Raises ProviderError."""
    provider = provider_of(instrument.source)
    if provider is None or timeframe not in provider.capabilities.unstored:
        return None
    return provider.history(instrument.symbol, timeframe, start_ns, end_ns)


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
