"""Reads of stored bars: as they are, adjusted in pages, and thinned for a chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings

from engine.errors import Fault, InputError
from marketdata.adjust import Action, adjusted, clean_adjustment
from marketdata.bucket import Bucket
from marketdata.columns import SECOND, TIMEFRAME_NS, BarColumns
from marketdata.models import CorporateAction, Coverage, Instrument
from marketdata.selectors.instruments import coverage_of, instrument
from marketdata.store import BarStore
from marketdata.zones import from_ns, to_ns, trading_days

_MOST_CHARTED = 600_000
"""Years are charted from the last one back until they hold this many bars: a page must not read for seconds."""


def bar_store() -> BarStore:
    """The store under settings.BARS_DIR, or in the bucket that settings name, with copies there."""
    if not settings.BARS_S3_BUCKET:
        return BarStore(settings.BARS_DIR)
    bucket = Bucket(
        settings.BARS_S3_URL,
        settings.BARS_S3_BUCKET,
        settings.BARS_S3_KEY,
        settings.BARS_S3_SECRET,
        settings.BARS_S3_REGION,
        settings.BARS_S3_PREFIX,
    )
    return BarStore(settings.BARS_DIR, bucket, copies_mb=settings.BARS_CACHE_MB)


def stored_bars(coverage: Coverage, start_ns: int | None = None, end_ns: int | None = None) -> BarColumns:
    """Raw bars of a series that start in [start_ns, end_ns). Raises StoreDamaged."""
    return bar_store().read(coverage.files, start_ns, end_ns)


def some_bars(
    coverage: Coverage, count: int, *, newest: bool, start_ns: int | None = None, end_ns: int | None = None
) -> BarColumns:
    """As `stored_bars`, but opens only as many years as hold `count` bars: the last ones (`newest`) or the first."""
    store, parts, held = bar_store(), [], 0
    for year in sorted(coverage.files, key=int, reverse=newest):
        parts.append(store.read({year: coverage.files[year]}, start_ns, end_ns))
        held += len(parts[-1])
        if held >= count:
            break
    return BarColumns.concat(parts[::-1] if newest else parts)


def actions_of(instrument: Instrument) -> list[Action]:
    """The instrument's corporate actions by ex-date; none for an instrument that is not saved yet."""
    if instrument.pk is None:
        return []
    return [
        Action(row.ex_date, split=row.split_to / row.split_from)
        if row.kind == CorporateAction.Kind.SPLIT and row.split_to and row.split_from
        else Action(row.ex_date, dividend=float(row.amount or 0), price_factor=row.price_factor)
        for row in instrument.actions.order_by("ex_date", "kind")
    ]


@dataclass(frozen=True, slots=True)
class BarsPage:
    """Some bars of a stored series, oldest first. `next_start`: where the next page begins, None on the last one."""

    instrument: Instrument
    timeframe: str
    adjustment: str
    columns: BarColumns
    next_start: datetime | None


def bars_page(
    user: Any,
    symbol: str,
    timeframe: str,
    *,
    source: str = "",
    adjustment: str = "split_dividend",
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 500,
) -> BarsPage:
    """Stored bars that start in [start, end), at most `limit`; without a start, the last `limit` before the end.

    Adjusted to the last bar of the range [start, end), not of the page, so that pages fit together. Only what is
    stored: a web request fetches nothing. Raises NotFound, InputError.
    """
    if timeframe not in TIMEFRAME_NS:
        raise InputError(
            Fault("timeframe", "unknown_choice", f"{timeframe!r} is not a timeframe", ", ".join(TIMEFRAME_NS))
        )
    adjustment = clean_adjustment(adjustment)
    row = instrument(user, symbol, source, timeframe=timeframe)
    stored = coverage_of(row, timeframe)
    actions = [] if adjustment == "raw" else actions_of(row)
    start_ns, end_ns = to_ns(start) if start else None, to_ns(end) if end else None
    if start is None:
        columns = some_bars(stored, limit, newest=True, end_ns=end_ns)
    elif actions:
        columns = stored_bars(stored, start_ns, end_ns)  # a later action scales the page
    else:
        columns = some_bars(stored, limit + 1, newest=False, start_ns=start_ns, end_ns=end_ns)
    columns = adjusted(columns, trading_days(columns.ts, timeframe, row.calendar), actions, adjustment)
    if start is None:
        return BarsPage(row, timeframe, adjustment, columns.take(slice(max(0, len(columns) - limit), None)), None)
    following = from_ns(int(columns.ts[limit])) if len(columns) > limit else None
    return BarsPage(row, timeframe, adjustment, columns.take(slice(0, limit)), following)


def chart(row: Instrument, timeframe: str, *, adjustment: str, points: int) -> dict[str, Any]:
    """A stored series (of very long ones the last years) as lists for a candle chart, at most `points` candles.

    Where there are more bars, neighbours are put together (first open, highest high, lowest low, last close, summed
    volume); `per_candle` says how many. `time` is in whole seconds UTC. Raises NotFound, InputError.
    """
    adjustment = clean_adjustment(adjustment)
    columns = some_bars(coverage_of(row, timeframe), _MOST_CHARTED, newest=True)
    columns = adjusted(columns, trading_days(columns.ts, timeframe, row.calendar), actions_of(row), adjustment)
    per_candle = -(-len(columns) // points)
    first = np.arange(0, len(columns), per_candle)
    last = np.minimum(first + per_candle, len(columns)) - 1
    lists = {
        "open": columns.open[first],
        "high": np.maximum.reduceat(columns.high, first),
        "low": np.minimum.reduceat(columns.low, first),
        "close": columns.close[last],
        "volume": np.add.reduceat(columns.volume, first),
    }
    return {
        "time": (columns.ts[first] // SECOND).tolist(),
        **{name: np.round(values, 6).tolist() for name, values in lists.items()},
        "per_candle": per_candle,
        "overlays": [],
        "trades": [],
        "trades_total": 0,
    }
