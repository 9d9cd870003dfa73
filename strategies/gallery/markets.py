"""On which prices a publication is measured: the sample that everybody has, or stored prices that its owner names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from accounts.models import User
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Coverage
from marketdata.models.instrument import Source
from marketdata.selectors import visible_instruments
from strategies import readers, reading
from strategies.base import Strategy
from strategies.gallery import subjects
from strategies.gallery.models import Publication

FIELDS = ("source", "symbols", "timeframe")
MAX_SYMBOLS = 10
TIMEFRAMES = tuple(TIMEFRAME_NS)


@dataclass(frozen=True, slots=True)
class Market:
    """own_data: at least one series is an import of the owner's, which nobody else can see."""

    source: str
    symbols: tuple[str, ...]
    timeframe: str
    own_data: bool = False

    @property
    def named(self) -> tuple[str, tuple[str, ...], str]:
        """What the choice of a market is known by."""
        return self.source, self.symbols, self.timeframe


def sample(strategy: type[Strategy]) -> Market:
    """The one of who names none: the sample's symbols, daily."""
    return Market(Source.SAMPLE.value, tuple(subjects.symbols_for(strategy)), "1d")


def of(publication: Publication) -> Market:
    """The one that it is measured on."""
    return Market(publication.source, tuple(publication.symbols), publication.timeframe, publication.own_data)


def clean(user: User, payload: Mapping[str, Any], strategy: type[Strategy]) -> Market:
    """The market that a request names: ``source``, ``symbols``, ``timeframe``; without symbols the sample's.

    Raises InputError, also for symbols of which no such bars are stored, and for more or fewer than the strategy takes.
    """
    reader = readers.Reader(payload)
    default = sample(strategy)
    source = reader.read("source", default.source, readers.choice, choices=Source.values)
    timeframe = reader.read("timeframe", default.timeframe, readers.choice, choices=TIMEFRAMES)
    symbols = reader.read("symbols", default.symbols, readers.symbols, most=MAX_SYMBOLS)
    reader.attempt(None, reading.refuse_symbols, strategy, symbols)
    reader.finish()
    stored = series(user, source, symbols)
    for i, symbol in enumerate(symbols):
        known = stored.get(symbol, {})
        if timeframe not in known:
            hint = f"Stored of it: {', '.join(known)}" if known else "The data page lists what is stored"
            reader.fault(f"symbols[{i}]", "not_found", f"No {timeframe} bars of {symbol} are stored in {source}", hint)
    reader.finish()
    own = any(stored[symbol][timeframe].own for symbol in symbols)
    return Market(source, tuple(symbols), timeframe, own)


@dataclass(frozen=True, slots=True)
class Series:
    """Stored bars of one symbol in one timeframe; own: of a user's own import."""

    first_at: datetime
    last_at: datetime
    own: bool


def series(user: User | int, source: str, symbols: Sequence[str]) -> dict[str, dict[str, Series]]:
    """{symbol: {timeframe: what is stored}} as that user sees it. One's own import stands before everybody's."""
    visible = visible_instruments(user).filter(symbol__in=symbols, source=source)
    rows = (
        Coverage.objects.filter(instrument__in=visible, bars__gt=0)
        .order_by(F("instrument__owner").asc(nulls_first=True))
        .values_list("instrument__symbol", "timeframe", "first_at", "last_at", "instrument__owner")
    )
    found: dict[str, dict[str, Series]] = {}
    owned: dict[str, Any] = {}
    for symbol, timeframe, first, last, owner in rows:
        if owned.setdefault(symbol, owner) != owner:
            found[symbol], owned[symbol] = {}, owner
        found.setdefault(symbol, {})[timeframe] = Series(first, last, owner is not None)
    return found
