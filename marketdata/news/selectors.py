"""Reads of news: lists for people, series for strategies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet

from marketdata.models import NewsItem
from marketdata.news.names import MAX_DAYS, window_of
from marketdata.news.series import Known, attach
from marketdata.zones import from_ns, to_ns

if TYPE_CHECKING:
    from engine import Bars

SETTLED = timedelta(seconds=10)
"""An item that comes in counts so long after its import: then its transaction has surely ended everywhere."""


def visible(user: Any) -> QuerySet[NewsItem]:
    """Everybody's news and those of `user` (a user, an id, or None)."""
    owner_id = getattr(user, "pk", user)
    shared = Q(owner__isnull=True)
    return NewsItem.objects.filter(shared | Q(owner_id=owner_id) if owner_id else shared)


def news(
    user: Any,
    *,
    symbol: str = "",
    source: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
) -> QuerySet[NewsItem]:
    """Visible items, newest first; of one symbol, one source, published in [start, end)."""
    found = visible(user)
    if symbol:
        found = found.filter(symbol=symbol)
    if source:
        found = found.filter(source=source)
    if start is not None:
        found = found.filter(published_at__gte=start)
    if end is not None:
        found = found.filter(published_at__lt=end)
    return found


def kept(user: Any) -> int:
    """How many items of their own a user has."""
    return NewsItem.objects.filter(owner=user).count()


def kept_of(user: Any, symbol: str) -> int:
    """How many of them are about a symbol."""
    return NewsItem.objects.filter(owner=user, symbol=symbol).count()


def with_news(
    names: Iterable[str], bars: Mapping[str, Bars], user: Any, *, running_since: datetime | None = None
) -> dict[str, Bars]:
    """The bars with those of the named series (`Strategy.extras`) that are news; the same bars where none is.

    A bar knows what was published at or before its close. running_since: when a session started; what came in after
    that is known from its import on, so that going over the session again finds what it found. For workers.
    """
    wanted = [name for name in names if window_of(name) is not None]
    if not wanted:
        return dict(bars)
    return {
        symbol: attach(series, _known(user, series, running_since), wanted) if len(series) else series
        for symbol, series in bars.items()
    }


def _known(user: Any, bars: Bars, running_since: datetime | None) -> Known:
    first = from_ns(int(bars.ts[0])) - timedelta(days=MAX_DAYS)
    last = from_ns(int(bars.ts_close[-1]))
    rows = news(user, symbol=bars.symbol, start=first, end=last + timedelta(microseconds=1))
    once: dict[str, tuple[int, float, str]] = {}
    for key, published, imported, score, source in rows.order_by("pk").values_list(
        "key", "published_at", "imported_at", "score", "source"
    ):
        known = published
        if running_since is not None and imported > running_since:
            known = max(published, imported + SETTLED)
        # Everybody's and one's own copy of the same item are one.
        once.setdefault(key, (to_ns(known), score, source))
    return Known.of(once.values())
