"""Prices of a session's feed in the units of today: what is from before a split that the session has booked is divided.

A vendor's prices follow a split by themselves, so of theirs only those are from before that were traded before it. A
made-up market, and a replay of what has been, know of no split: all that they tell is from before.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from bots import mapping
from bots.host.history import Prices as Bar
from bots.host.instants import Instant
from bots.host.splits import UNAWARE
from bots.models import Adjustment, BookingRequest, TradingSession
from marketdata.feeds import Tick


class Prices:
    """Of one session. `tick` may be asked in any thread."""

    def __init__(self, session: TradingSession) -> None:
        self._follows = session.feed not in UNAWARE
        self._splits: dict[str, tuple[tuple[int, Fraction], ...]] = {}  # when (ns UTC), new units for each old one
        for row in session.adjustments.filter(kind=Adjustment.Kind.SPLIT).order_by("pk"):
            self.booked(row)

    def booked(self, row: Adjustment | BookingRequest) -> None:
        """One more split; what is told from now on is brought to its units."""
        one = mapping.nanoseconds(row.at), mapping.ratio(row.ratio or Decimal(1))
        self._splits = {**self._splits, row.symbol: (*self._splits.get(row.symbol, ()), one)}

    def last_split(self, symbol: str) -> Fraction | None:
        """New units for each old one, at the last split of a symbol."""
        splits = self._splits.get(symbol)
        return splits[-1][1] if splits else None

    def instant(self, one: Instant) -> Instant:
        """Bars in the units of today."""
        if not self._splits:
            return one
        bars = {symbol: self._bar(symbol, prices, one.closed_ns) for symbol, prices in one.bars.items()}
        deciding = {s: (ts, self._bar(s, prices, one.closed_ns)) for s, (ts, prices) in one.deciding.items()}
        return replace(one, bars=bars, deciding=deciding)

    def tick(self, one: Tick) -> Tick:
        """A trade in the units of today."""
        for by in self._to_apply(one.symbol, one.ts):
            one = one._replace(px=one.px / by, size=one.size * by, bid=one.bid / by, ask=one.ask / by)
        return one

    def _bar(self, symbol: str, prices: Bar, closed_ns: int) -> Bar:
        for by in self._to_apply(symbol, closed_ns):
            open_, high, low, close, volume = prices
            prices = open_ / by, high / by, low / by, close / by, volume * by
        return prices

    def _to_apply(self, symbol: str, ns: int) -> list[float]:
        """Ratios of the splits that a price of that moment is from before."""
        return [float(by) for at, by in self._splits.get(symbol, ()) if not self._follows or ns <= at]
