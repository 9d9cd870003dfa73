"""Live prices for trading sessions: feeds, the hub that shares them, the bars they make.

hub = FeedHub(open_feed)
subscription = hub.listen(FeedKey.of("synthetic"), ["SIM-ALPHA"], ["1m"], on_bars, on_state, since_ns=last_close)
await hub.run()
"""

from __future__ import annotations

from marketdata.feeds.base import Feed, FeedError, Sink
from marketdata.feeds.builder import BarBuilder
from marketdata.feeds.clock import Clock, WallClock
from marketdata.feeds.gate import BarGate
from marketdata.feeds.hub import FeedHub
from marketdata.feeds.listener import Subscription
from marketdata.feeds.opening import open_feed, warmup
from marketdata.feeds.quotes import LastQuotes, MarketData
from marketdata.feeds.reconnect import Reconnect
from marketdata.feeds.types import BarBatch, ClosedBar, FeedKey, FeedState, FeedStatus, Tick

__all__ = [
    "BarBatch",
    "BarBuilder",
    "BarGate",
    "Clock",
    "ClosedBar",
    "Feed",
    "FeedError",
    "FeedHub",
    "FeedKey",
    "FeedState",
    "FeedStatus",
    "LastQuotes",
    "MarketData",
    "Reconnect",
    "Sink",
    "Subscription",
    "Tick",
    "WallClock",
    "open_feed",
    "warmup",
]
