"""The minutes of the practice venue's market, told once each when they are over.

A made-up minute is what its history says of it, also where the venue came up in the middle of it, so that stream, REST
and files tell the same. A scripted one is what was traded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bots.practice.market import MINUTE, Market, Trade


class Minute(NamedTuple):
    """ts: ns UTC of its start. corrected: it was told before, with other values."""

    symbol: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    corrected: bool = False


Heard = Callable[[Minute], None]


class Minutes:
    """Listens to a market's trades; `over` is called often."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._open: dict[str, int] = {}
        self._listeners: list[Heard] = []
        market.listen(self._traded)

    def listen(self, heard: Heard) -> None:
        self._listeners.append(heard)

    def over(self, now_ns: int) -> None:
        """Tell of the minutes that have ended."""
        for symbol, start in list(self._open.items()):
            if start + MINUTE <= now_ns:
                del self._open[symbol]
                self._tell(symbol, start, corrected=False)

    def correct(self, symbol: str, start_ns: int, **values: float) -> None:
        """Late trades: the minute that began at `start_ns` has these values from now on, by field; it is told again.

        Raises ValueError where there is no such minute, or it goes on.
        """
        goes_on = self._open.get(symbol)
        if start_ns % MINUTE or (goes_on is not None and goes_on <= start_ns):
            raise ValueError("only a minute that is over can be corrected")
        self.market.correct(symbol, start_ns, **values)
        self._tell(symbol, start_ns, corrected=True)

    def _traded(self, trade: Trade) -> None:
        self.over(trade.ts)
        self._open[trade.symbol] = trade.ts // MINUTE * MINUTE

    def _tell(self, symbol: str, start: int, *, corrected: bool) -> None:
        bars = self.market.bars(symbol, "1m", start, start + MINUTE)
        if len(bars):
            minute = Minute(symbol, start, *(float(column[0]) for column in bars.arrays()), corrected=corrected)
            for heard in self._listeners:
                heard(minute)
