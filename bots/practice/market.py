"""Prices of the practice venue: made-up ones that anybody can work out again, or what a script says.

Made-up prices are those of the synthetic feed (`marketdata.feeds.noise`): the same seed and symbol give the same trades
here and there, so that a rehearsal sees the same market twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from bots.practice.exchange import Exchange
from bots.practice.orders import Quote
from marketdata.columns import SECOND, BarColumns
from marketdata.feeds import noise, synthetic

CENT = Decimal("0.01")


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
    """Moves an exchange's quotes on with its clock.

    is_scripted: no made-up prices; quotes change by `say` only. per_s: trades a second of each symbol.
    """

    def __init__(
        self, exchange: Exchange, *, seed: int = synthetic.DEFAULT_SEED, per_s: int = 2, is_scripted: bool = False
    ) -> None:
        self.exchange, self.seed, self.per_s, self.is_scripted = exchange, seed, per_s, is_scripted
        self._until = 0
        self._numbers: dict[str, int] = {}
        self._listeners: list[Heard] = []

    def listen(self, heard: Heard) -> None:
        self._listeners.append(heard)

    def open(self, at_ns: int) -> None:
        """First prices, so that orders can be judged: those of the second before."""
        self._until = at_ns
        if self.is_scripted:
            return
        for symbol in self.exchange.instruments:
            *_, last = self._made(symbol, at_ns // SECOND - 1, at_ns // SECOND)
            self.exchange.quotes[symbol] = Quote(last.bid, last.ask, last.px)

    def go_on(self, now_ns: int, most_s: int = 3_600) -> None:
        """Everything that was traded since the last call, in order of time. After a long pause only its last hour."""
        if self.is_scripted:
            self._until = now_ns
            return
        first = max(self._until, now_ns - most_s * SECOND)
        rows: list[Trade] = []
        for symbol in self.exchange.instruments:
            made = self._made(symbol, first // SECOND, now_ns // SECOND + 1)
            rows += [trade for trade in made if first <= trade.ts < now_ns]
        for trade in sorted(rows, key=lambda trade: trade.ts):
            self._happen(trade)
        self._until = now_ns

    def say(self, symbol: str, quote: Quote, at_ns: int) -> None:
        """A price that a script sets."""
        self._happen(Trade(symbol, 0, at_ns, quote.last, 100, quote.bid, quote.ask), quote)

    def bars(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """Closed bars that open in [start_ns, end_ns) of the made-up market."""
        return synthetic.history(symbol, timeframe, start_ns, end_ns, seed=self.seed, ticks_per_s=self.per_s)

    def _made(self, symbol: str, first_s: int, last_s: int) -> Iterable[Trade]:
        for row in noise.ticks(self.seed, symbol, first_s, last_s, self.per_s).tolist():
            ts, px, size, bid, ask = row
            yield Trade(symbol, 0, ts, _cents(px), int(size), _cents(bid), _cents(ask))

    def _happen(self, trade: Trade, quote: Quote | None = None) -> None:
        number = self._numbers[trade.symbol] = self._numbers.get(trade.symbol, 0) + 1
        self.exchange.quote(trade.symbol, quote or Quote(trade.bid, trade.ask, trade.px))
        for heard in self._listeners:
            heard(trade._replace(id=number))


def _cents(px: float) -> Decimal:
    return Decimal(repr(px)).quantize(CENT)
