"""What feeds give and what listeners get. Plain values: no Django, no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

FeedStatus = Literal["connecting", "live", "silent", "ended", "failed"]
"""connecting: not (or not yet again) connected. live: data comes, or the market is closed. silent: connected, the
market is open, nothing comes. ended: a replay is over. failed: it will not try again; `reason` says why."""

BarKey = tuple[str, str, int]
"""symbol, timeframe, ts_open: a closed bar exists once under its key."""


class Tick(NamedTuple):
    """One trade. ts: ns UTC, when it happened. px: price per unit. size: units. bid, ask: the quote around it, NaN
    where the feed gives none. trade_id: the venue's own name for it, empty where it has none.

    A named tuple, because it is made hundreds of times a second: a frozen dataclass costs five times as much.
    """

    symbol: str
    ts: int
    px: float
    size: float
    bid: float = math.nan
    ask: float = math.nan
    trade_id: str = ""


@dataclass(frozen=True, slots=True)
class ClosedBar:
    """A bar that will not change any more.

    ts_open, ts_close: ns UTC, [ts_open, ts_close). A day of an exchange is labelled midnight UTC of its date and closes
    with the session. received_ns: wall clock when it became known to be closed. backfilled: it did not come live but
    was asked for afterwards (a hole, a restart); its values are those that the live one would have had.
    """

    symbol: str
    timeframe: str
    ts_open: int
    ts_close: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    received_ns: int
    backfilled: bool = False

    @property
    def key(self) -> BarKey:
        return self.symbol, self.timeframe, self.ts_open

    def values(self) -> tuple[int, float, float, float, float, float]:
        """ts_open, open, high, low, close, volume."""
        return self.ts_open, self.open, self.high, self.low, self.close, self.volume


@dataclass(frozen=True, slots=True)
class BarBatch:
    """All bars of one listener that closed at one instant, of every symbol and timeframe.

    ts_close: that instant, ns UTC. received_ns: wall clock of the latest of them. late: bars of this instant or a later
    one were delivered before, because nobody could know then that these were missing (their ticks were lost and the
    silence was shorter than its limit). They belong into the history; nothing can be decided on them any more.
    """

    ts_close: int
    bars: Mapping[tuple[str, str], ClosedBar]
    received_ns: int
    late: bool = False

    def of(self, timeframe: str) -> dict[str, ClosedBar]:
        """The bars of one timeframe by symbol, in the order of symbols."""
        return {symbol: bar for (symbol, frame), bar in sorted(self.bars.items()) if frame == timeframe}


@dataclass(frozen=True, slots=True)
class FeedKey:
    """Which feed: two listeners with equal keys share one connection. options: sorted (name, value) pairs."""

    provider: str
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, provider: str, **options: Any) -> FeedKey:
        """A key whose options are in one order, whatever the order they were written in."""
        return cls(provider, tuple(sorted(options.items())))

    def option(self, name: str, default: Any = None) -> Any:
        return dict(self.options).get(name, default)


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a feed is. reason: in words for the user, empty when live. last_ts: ns of the newest data on the feed's
    clock, 0 before the first. since: ns wall clock when this status began."""

    status: FeedStatus
    reason: str
    last_ts: int
    since: int
