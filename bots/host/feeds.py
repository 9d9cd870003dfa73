"""What the host needs of `marketdata.feeds`: the key of a session's feed, the bars before its first, the time."""

from __future__ import annotations

import asyncio
import datetime

from django.utils import timezone

from bots.host.desk import Desk
from bots.models import TradingSession
from marketdata import feeds
from marketdata.columns import BarColumns
from marketdata.feeds import FeedError, FeedKey
from strategies.timeframes import refuse_history

__all__ = ["FeedError", "key_of", "wall_time", "warmup"]

LEAST_WARMUP = 250  # bars; charts want some, too


def key_of(session: TradingSession) -> FeedKey:
    """Sessions with equal keys share one connection. A replay has its own clock, so each session has its own."""
    options = dict(session.feed_options)
    if session.feed == "replay":
        timeframe = session.match_timeframe or session.timeframe
        options |= {"owner": session.owner_id, "timeframe": timeframe, "run": str(session.pk)}
    return FeedKey.of(session.feed, **options)


def warmup(key: FeedKey, desk: Desk) -> tuple[dict[str, BarColumns], int]:
    """Decision bars before the first decision, by symbol, and the instant (ns UTC) after which bars are traded on.

    Raises InputError where the strategy needs more of them than a session can hold.
    """
    plan = desk.plan
    refuse_history(desk.warmup, plan.timeframe)
    feed = feeds.open_feed(key)
    # A replay's clock stands at its first bar, which it knows once it has the bars.
    asyncio.run(feed.prepare(plan.symbols))
    feed.subscribe(plan.symbols)
    since = feed.now()
    wanted = max(2 * desk.warmup, LEAST_WARMUP)
    bars = {symbol: feeds.warmup(key, symbol, plan.timeframe, wanted, since) for symbol in plan.symbols}
    return bars, since


def wall_time() -> datetime.datetime:
    """Now, UTC. The only place below the host that reads a clock."""
    return timezone.now()
