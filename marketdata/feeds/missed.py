"""The bars that closed while a listener was away."""

from __future__ import annotations

from engine.types import TIMEFRAMES
from marketdata.feeds.base import Feed
from marketdata.feeds.listener import Subscription
from marketdata.feeds.spans import spans_of
from marketdata.feeds.types import ClosedBar

MOST_HISTORY = 50_000
"""How many bars of a timeframe a listener that was away gets at most."""


async def missed(feed: Feed, listener: Subscription, received_ns: int) -> list[ClosedBar]:
    """Bars that closed since the last one the listener has; none where it has asked for none. Raises FeedError."""
    found: list[ClosedBar] = []
    if listener.since_ns is None:
        return found
    since = listener.since_ns
    until = feed.watermark()  # one for all, so that the bars of its last instant stay together
    for symbol in listener.symbols:
        spans = spans_of(feed.calendar(symbol))
        for timeframe in listener.timeframes:
            start = max(since, until - MOST_HISTORY * TIMEFRAMES[timeframe]) - TIMEFRAMES[timeframe]
            columns = await feed.backfill(symbol, timeframe, start, until)
            rows = zip(columns.ts.tolist(), *(a.tolist() for a in columns.arrays()), strict=True)
            for ts, *values in rows:
                end = spans.place(ts, timeframe).ts_close
                if end > since:
                    found.append(ClosedBar(symbol, timeframe, ts, end, *values, received_ns, True))
    return found
