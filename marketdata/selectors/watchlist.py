"""Reads of watchlists: what users keep an eye on, with the newest stored prices."""

from __future__ import annotations

import logging
from typing import Any

from django.core.cache import cache

from marketdata.bucket import BucketAway
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Instrument, Watchlist
from marketdata.selectors.bars import some_bars
from marketdata.selectors.instruments import visible_instruments

log = logging.getLogger(__name__)
_AWAY, _AWAY_S = "marketdata:bars-away", 15
"""So long nobody asks a store of bars again that did not answer: fifty symbols would wait for it fifty times."""


def watched(user: Any) -> list[dict[str, Any]]:
    """The user's watchlist in their order: {symbol, name, instrument (id), synthetic, last_px, change_pct, timeframe,
    last_at, is_away}, with the newest raw close that is stored; None where there is none, or where the bucket of bars
    does not answer (`is_away`). Three queries.
    """
    symbols = watched_symbols(user)
    known: dict[str, Instrument] = {}
    found = visible_instruments(user).filter(symbol__in=symbols).prefetch_related("coverages")
    # As `instrument` picks: the user's own import first, real prices before synthetic ones.
    for one in sorted(found, key=lambda row: (row.synthetic, row.owner_id is None, row.source), reverse=True):
        known[one.symbol] = one
    return [_watched(symbol, known.get(symbol)) for symbol in symbols]


def watched_symbols(user: Any) -> list[str]:
    """The symbols on the user's watchlist, in their order."""
    row = Watchlist.objects.filter(user=user).first()
    return list(row.symbols) if row is not None else []


def _watched(symbol: str, row: Instrument | None) -> dict[str, Any]:
    shown = {"symbol": symbol, "name": row.name if row else "", "instrument": row.pk if row else None,
             "synthetic": bool(row and row.synthetic), "last_px": None, "change_pct": None, "timeframe": "",
             "last_at": None, "is_away": False}  # fmt: skip
    stored = [one for one in row.coverages.all() if one.bars and one.last_at] if row else []
    if not stored:
        return shown
    newest = max(stored, key=lambda one: (one.last_at, -TIMEFRAME_NS[one.timeframe]))
    # Opening a year of bars for one price is slow, and the price stays until other bars are stored.
    key = f"marketdata:last:{newest.pk}:{newest.last_at.timestamp()}:{newest.bars}"
    closes = cache.get(key)
    if closes is None and cache.get(_AWAY):
        return shown | {"is_away": True}
    if closes is None:
        try:
            closes = some_bars(newest, 2, newest=True).close[-2:].tolist()
        except BucketAway as error:
            log.warning("no last price of %s: %s", symbol, error)
            cache.set(_AWAY, True, _AWAY_S)
            return shown | {"is_away": True}
        cache.set(key, closes, 86_400)
    change = 100.0 * (closes[-1] / closes[-2] - 1.0) if len(closes) > 1 else None
    last = {"last_px": closes[-1], "change_pct": change, "timeframe": newest.timeframe, "last_at": newest.last_at}
    return shown | last
