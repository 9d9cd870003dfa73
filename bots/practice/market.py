"""Prices of the practice venue: made-up ones that anybody can work out again, or what a script says.

Made-up prices are those of the synthetic feed (`marketdata.feeds.noise`): the same seed and symbol give the same trades
here and there, so that a rehearsal sees the same market twice. They follow splits: what is traded after one is at new
prices, and in new units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from bots.mapping import nanoseconds
from bots.practice.exchange import Exchange
from bots.practice.orders import Quote
from engine.types import TIMEFRAMES
from marketdata.columns import FIELDS, SECOND, BarColumns
from marketdata.feeds import noise, synthetic

CENT = Decimal("0.01")
MINUTE = 60 * SECOND
# Prices are worked out for so many seconds at a time: every request asks for those since the last one, and few rows
# take as long as many.
AHEAD_S = 30


class Trade(NamedTuple):
    """One trade of the market. ts: ns UTC. size in units; id counts per symbol."""

    symbol: str
    id: int
    ts: int
    px: Decimal
    size: int
    bid: Decimal
    ask: Decimal


Heard = Callable[[Trade], None]


class Market:
    """Moves an exchange's quotes on with its clock; of what is halted nothing is made up.

    is_scripted: no made-up prices; quotes change by `say` only. per_s: trades a second of each symbol.
    """

    def __init__(
        self, exchange: Exchange, *, seed: int = synthetic.DEFAULT_SEED, per_s: int = 2, is_scripted: bool = False
    ) -> None:
        self.exchange, self.seed, self.per_s, self.is_scripted = exchange, seed, per_s, is_scripted
        self.until_ns = 0  # everything before it has happened
        self._numbers: dict[str, int] = {}
        self._listeners: list[Heard] = []
        self._said: defaultdict[str, list[Trade]] = defaultdict(list)  # of a script: its history
        self._corrected: dict[tuple[str, int], dict[str, float]] = {}
        self._worked_out: dict[str, tuple[range, list[tuple[Any, ...]]]] = {}  # by symbol: seconds, rows of `noise`

    def listen(self, heard: Heard) -> None:
        self._listeners.append(heard)

    def open(self, at_ns: int) -> None:
        """First prices, so that orders can be judged: those of the second before."""
        self.until_ns = at_ns
        if self.is_scripted:
            return
        for symbol in self.exchange.instruments:
            *_, last = self._made(symbol, at_ns // SECOND - 1, at_ns // SECOND)
            self.exchange.quotes[symbol] = Quote(last.bid, last.ask, last.px)

    def go_on(self, now_ns: int, most_s: int = 3_600) -> None:
        """Everything that was traded since the last call, in order of time. After a long pause only its last hour."""
        if self.is_scripted:
            self.until_ns = now_ns
            return
        first = max(self.until_ns, now_ns - most_s * SECOND)
        rows: list[Trade] = []
        for symbol in self.exchange.instruments:
            if symbol in self.exchange.halted:
                continue
            made = self._made(symbol, first // SECOND, now_ns // SECOND + 1)
            rows += [trade for trade in made if first <= trade.ts < now_ns]
        for trade in sorted(rows, key=lambda trade: trade.ts):
            self._happen(trade)
        self.until_ns = now_ns

    def say(self, symbol: str, quote: Quote, at_ns: int) -> None:
        """A price that a script sets."""
        trade = Trade(symbol, 0, at_ns, quote.last, 100, quote.bid, quote.ask)
        if self.is_scripted:
            self._said[symbol].append(trade)
        self._happen(trade, quote)

    def bars(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """Bars that open at or after `start_ns` and have ended by `end_ns`: of the made-up market, or of a script; as
        they were traded, a made-up one that a split falls into at new prices.

        What was corrected is so in minutes only.
        """
        if self.is_scripted:
            bars = _bars_of(self._said[symbol], TIMEFRAMES[timeframe], start_ns, end_ns)
        else:
            bars = synthetic.history(symbol, timeframe, start_ns, end_ns, seed=self.seed, ticks_per_s=self.per_s)
            for split_ns, ratio in self._splits(symbol):
                after = slice(int(np.searchsorted(bars.ts, split_ns - TIMEFRAMES[timeframe], side="right")), None)
                for column in bars.arrays()[:4]:
                    column[after] = np.maximum(np.round(column[after] / ratio, 2), float(CENT))
                bars.volume[after] = np.maximum(np.round(bars.volume[after] * ratio), 1.0)
        if timeframe == "1m":
            for (name, ts), values in self._corrected.items():
                at = int(np.searchsorted(bars.ts, ts))
                if name == symbol and at < len(bars) and bars.ts[at] == ts:
                    for field, value in values.items():
                        getattr(bars, field)[at] = value
        return bars

    def correct(self, symbol: str, start_ns: int, **values: float) -> None:
        """From now on the minute that began at `start_ns` has these values, by field of a bar. Raises ValueError."""
        if symbol not in self.exchange.instruments or not values or not set(values) <= set(FIELDS):
            raise ValueError(f"name a symbol that is traded, and values of {', '.join(FIELDS)}")
        self._corrected.setdefault((symbol, start_ns), {}).update(values)

    def _made(self, symbol: str, first_s: int, last_s: int) -> Iterable[Trade]:
        splits = self._splits(symbol)
        for row in self._rows(symbol, first_s, last_s):
            ts, px, size, bid, ask = row
            for split_ns, ratio in splits:
                if ts >= split_ns:
                    px, bid, ask = (max(round(each / ratio, 2), 0.01) for each in (px, bid, ask))
                    size = max(round(size * ratio), 1)
            yield Trade(symbol, 0, ts, _cents(px), int(size), _cents(bid), _cents(ask))

    def _rows(self, symbol: str, first_s: int, last_s: int) -> list[tuple[Any, ...]]:
        """Those of the seconds [first_s, last_s), as `noise.ticks` has them."""
        seconds, rows = self._worked_out.get(symbol, (range(0), []))
        if first_s not in seconds or last_s > seconds.stop:
            seconds = range(first_s, max(last_s, first_s + AHEAD_S))
            rows = noise.ticks(self.seed, symbol, seconds.start, seconds.stop, self.per_s).tolist()
            self._worked_out[symbol] = seconds, rows
        return rows[(first_s - seconds.start) * self.per_s : (last_s - seconds.start) * self.per_s]

    def _splits(self, symbol: str) -> list[tuple[int, float]]:
        """When the symbol was split (ns UTC), and new units for each old one."""
        rows = (row for row in self.exchange.splits if row.symbol == symbol)
        return [(nanoseconds(row.at), row.new / row.old) for row in rows]

    def _happen(self, trade: Trade, quote: Quote | None = None) -> None:
        number = self._numbers[trade.symbol] = self._numbers.get(trade.symbol, 0) + 1
        self.exchange.quote(trade.symbol, quote or Quote(trade.bid, trade.ask, trade.px))
        for heard in self._listeners:
            heard(trade._replace(id=number))


def _bars_of(trades: Iterable[Trade], length: int, start_ns: int, end_ns: int) -> BarColumns:
    first, last = -(-start_ns // length) * length, end_ns // length * length
    spans: dict[int, list[Trade]] = {}
    for trade in trades:
        if first <= trade.ts < last:
            spans.setdefault(trade.ts // length * length, []).append(trade)
    rows = []
    for ts, lot in sorted(spans.items()):
        px = [float(trade.px) for trade in lot]
        rows.append((ts, px[0], max(px), min(px), px[-1], float(sum(trade.size for trade in lot))))
    columns = list(zip(*rows, strict=True)) or [()] * 6
    return BarColumns(np.array(columns[0], np.int64), *(np.array(c, np.float64) for c in columns[1:]))


def _cents(px: float) -> Decimal:
    return Decimal(repr(px)).quantize(CENT)
