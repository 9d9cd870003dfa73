"""From a `FeedKey` to its feed, and to the history that comes before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import Fault, InputError
from engine.types import TIMEFRAMES
from marketdata.columns import BarColumns
from marketdata.feeds import synthetic
from marketdata.feeds.base import Feed
from marketdata.feeds.types import FeedKey


def open_feed(key: FeedKey) -> Feed:
    """The feed of a key. Does no I/O yet. Raises InputError for an unknown provider, or an option that is wrong."""
    maker = _MAKERS.get(key.provider)
    if maker is None:
        raise InputError(
            Fault("provider", "unknown_choice", f"{key.provider!r} is no feed", "one of " + ", ".join(_MAKERS))
        )
    return maker(dict(key.options))


def warmup(key: FeedKey, symbol: str, timeframe: str, bars: int, before_ns: int) -> BarColumns:
    """The last `bars` bars of the feed's own series that have ended by `before_ns`; fewer where it has no more."""
    feed = open_feed(key)
    assert isinstance(feed, synthetic.SyntheticFeed)
    length = TIMEFRAMES[timeframe]
    start = before_ns // length * length - bars * length
    return synthetic.history(
        symbol, timeframe, start, before_ns, seed=feed.seed, ticks_per_s=feed.ticks_per_s
    )


def _synthetic(options: dict[str, Any]) -> Feed:
    return synthetic.SyntheticFeed(**options)


_MAKERS: dict[str, Callable[[dict[str, Any]], Feed]] = {"synthetic": _synthetic}
