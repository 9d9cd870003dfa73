"""Late corrections of bars by their vendor, brought into the store."""

from __future__ import annotations

import numpy as np

from marketdata import selectors
from marketdata.columns import BarColumns
from marketdata.feeds.types import ClosedBar
from marketdata.models import Coverage, Revision
from marketdata.services import revisions, series
from marketdata.zones import from_ns


def apply(source: str, bar: ClosedBar) -> bool:
    """Write the bar's values over those that are stored; returns whether the store has that time at all.

    What is not stored yet comes corrected when it is asked for. Blocks.
    """
    at = from_ns(bar.ts_open)
    held = Coverage.objects.filter(
        instrument__source=source, instrument__symbol=bar.symbol, instrument__owner=None, timeframe=bar.timeframe,
        asked_from__lte=at, asked_to__gt=at,
    )  # fmt: skip
    row = held.select_related("instrument").first()
    if row is None:
        return False
    ts, *values = bar.values()
    columns = BarColumns(np.array([ts], np.int64), *(np.array([value], np.float64) for value in values))
    stored = selectors.stored_bars(row, bar.ts_open, bar.ts_open + 1)
    revisions.notice(row.instrument, bar.timeframe, stored, columns, Revision.Kind.CORRECTION)
    series.put(row.instrument, bar.timeframe, columns, (bar.ts_open, bar.ts_close))
    return True
