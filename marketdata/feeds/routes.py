"""Which listener of a feed gets which bars and ticks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from marketdata.feeds.listener import Subscription
from marketdata.feeds.types import ClosedBar


class Routes:
    """Of these listeners as they are now; made anew when one comes or goes. ticks: listeners by symbol."""

    def __init__(self, listeners: Iterable[Subscription]) -> None:
        bars: defaultdict[tuple[str, str], list[Subscription]] = defaultdict(list)
        ticks: defaultdict[str, list[Subscription]] = defaultdict(list)
        for listener in listeners:
            for symbol in listener.symbols:
                if listener.on_tick is not None:
                    ticks[symbol].append(listener)
                for timeframe in listener.timeframes:
                    bars[symbol, timeframe].append(listener)
        self.ticks: Mapping[str, Sequence[Subscription]] = dict(ticks)
        self._bars = dict(bars)

    def lots(self, bars: Iterable[ClosedBar]) -> dict[Subscription, list[ClosedBar]]:
        """What each listener gets of these bars, in their order."""
        lots: dict[Subscription, list[ClosedBar]] = {}
        for bar in bars:
            for listener in self._bars.get((bar.symbol, bar.timeframe), ()):
                lots.setdefault(listener, []).append(bar)
        return lots
