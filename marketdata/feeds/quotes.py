"""The latest price of each symbol, for pages and for checks: what a feed said last, and how lively it is."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from marketdata.columns import SECOND
from marketdata.feeds.types import ClosedBar, Tick

TTL_NS = 60 * SECOND
CANDLES = 60


@dataclass(frozen=True, slots=True)
class Candle:
    """One second of one symbol: ts ns UTC of its start, prices, volume in units."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class MarketData:
    """What a symbol is worth now. None: the feed does not give it, or not yet.

    ts: ns UTC of the print. volume: units in the last 60 seconds. change_pct: against the reference price. bid, ask: of
    the last print that carried them. volatility_ratio: sample standard deviation of the simple returns between the
    closes of the last 60 seconds' candles (a return spans the seconds without trades); None below three candles.
    market_cap: no feed of ours gives it.
    """

    symbol: str
    ts: int
    price: float
    volume: float
    change_pct: float | None
    bid: float | None
    ask: float | None
    volatility_ratio: float | None
    market_cap: float | None = None


class _Last:
    __slots__ = ("ask", "bid", "candles", "price", "reference", "second", "ts")

    def __init__(self) -> None:
        self.ts = -1
        self.price = 0.0
        self.bid = self.ask = self.reference = math.nan
        self.candles: deque[Candle] = deque()
        self.second: list[float] = []  # ts, open, high, low, close, volume of the second that is on


class LastQuotes:
    """Feed it believed prints (`on_tick` of a subscription) or closed bars, in the order of time.

    now: the feed's clock, ns UTC. A quote is gone `ttl_ns` after its print: nobody may act on an old price.
    """

    def __init__(self, now: Callable[[], int], *, ttl_ns: int = TTL_NS) -> None:
        self._now = now
        self._ttl = ttl_ns
        self._last: dict[str, _Last] = {}

    def tick(self, tick: Tick) -> None:
        """A print. One that is older than the last adds to the volume of the second that is on, and nothing else."""
        last = self._last.get(tick.symbol)
        if last is None:
            last = self._last[tick.symbol] = _Last()
        self._candle(last, tick.ts - tick.ts % SECOND, tick.px, tick.size)
        if tick.ts < last.ts:
            return
        last.ts, last.price = tick.ts, tick.px
        if tick.bid == tick.bid:
            last.bid, last.ask = tick.bid, tick.ask

    def bar(self, bar: ClosedBar) -> None:
        """The close of a bar as the price at its end; gives no candles."""
        last = self._last.setdefault(bar.symbol, _Last())
        if bar.ts_close >= last.ts:
            last.ts, last.price = bar.ts_close, bar.close

    def set_reference(self, symbol: str, px: float) -> None:
        """What `change_pct` is against: the previous session's close."""
        self._last.setdefault(symbol, _Last()).reference = px

    def get_market_data(self, symbol: str) -> MarketData | None:
        """The quote of a symbol; None when there is none, or none that is younger than the time to live."""
        last, now = self._last.get(symbol), self._now()
        if last is None or last.ts < 0 or now - last.ts > self._ttl:
            return None
        candles = self.candles(symbol)
        return MarketData(
            symbol,
            last.ts,
            last.price,
            sum(candle.volume for candle in candles),
            100.0 * (last.price / last.reference - 1.0) if last.reference > 0.0 else None,
            last.bid if last.bid == last.bid else None,
            last.ask if last.ask == last.ask else None,
            _deviation([candle.close for candle in candles]),
        )

    def candles(self, symbol: str) -> list[Candle]:
        """One-second candles of the last 60 seconds, the one that is on last; seconds without a print have none."""
        last = self._last.get(symbol)
        if last is None:
            return []
        found = [*last.candles, *([Candle(int(last.second[0]), *last.second[1:])] if last.second else [])]
        oldest = self._now() - CANDLES * SECOND
        return [candle for candle in found if candle.ts > oldest]

    def symbols(self) -> list[str]:
        """Those with a quote that has not expired."""
        oldest = self._now() - self._ttl
        return sorted(symbol for symbol, last in self._last.items() if last.ts >= max(oldest, 0))

    @staticmethod
    def _candle(last: _Last, start: int, px: float, size: float) -> None:
        second = last.second
        if not second or start > second[0]:
            if second:
                last.candles.append(Candle(int(second[0]), *second[1:]))
                while last.candles[0].ts <= start - CANDLES * SECOND:
                    last.candles.popleft()
                    if not last.candles:
                        break
            last.second = [start, px, px, px, px, size]
        elif start == second[0]:
            second[2] = max(second[2], px)
            second[3] = min(second[3], px)
            second[4] = px
            second[5] += size
        else:
            second[5] += size


def _deviation(closes: list[float]) -> float | None:
    if len(closes) < 3:
        return None
    returns = [after / before - 1.0 for before, after in pairwise(closes)]
    mean = math.fsum(returns) / len(returns)
    return math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
