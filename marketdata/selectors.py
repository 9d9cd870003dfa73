"""Reads of market data. Cheap in a web process: rows, JSON and NumPy; bars only where a chart asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F, Prefetch, Q, QuerySet, Sum

from engine.errors import Fault, InputError
from marketdata.adjust import Action, adjusted, clean_adjustment
from marketdata.bucket import Bucket
from marketdata.columns import SECOND, TIMEFRAME_NS, BarColumns
from marketdata.gaps import Sessions
from marketdata.models import (
    CalendarCopy,
    CorporateAction,
    Coverage,
    DataImport,
    ExchangeSession,
    Instrument,
)
from marketdata.store import BarStore
from marketdata.zones import ALWAYS_OPEN, calendar_zone, clean_calendar, from_ns, to_ns, trading_days
from tradingsite.lib.errors import NotFound

_MOST_CHARTED = 600_000
"""Years are charted from the last one back until they hold this many bars: a page must not read for seconds."""

_LISTED = ("instrument", "timeframe", "first_at", "last_at", "bars", "hits", "misses")


def visible_instruments(user: Any) -> QuerySet[Instrument]:
    """Everybody's instruments and those of `user` (a user, an id, or None)."""
    owner_id = getattr(user, "pk", user)
    return (
        Instrument.objects.filter(Q(owner__isnull=True) | Q(owner_id=owner_id))
        if owner_id
        else Instrument.objects.filter(owner__isnull=True)
    )


def instruments(user: Any, search: str = "", *, source: str = "", timeframe: str = "") -> QuerySet[Instrument]:
    """Visible instruments whose symbol or name contains `search`, with what lists show of their coverage rows.

    The long JSON columns `files` and `quality` stay in the database; the two words of the report that a list shows
    come as `complete_pct` and `quality_note`.
    """
    listed = Coverage.objects.only(*_LISTED).annotate(
        complete_pct=F("quality__complete_pct"), quality_note=F("quality__note")
    )
    found = visible_instruments(user).prefetch_related(Prefetch("coverages", listed))
    if search:
        found = found.filter(Q(symbol__icontains=search) | Q(name__icontains=search))
    if source:
        found = found.filter(source=source)
    if timeframe:
        found = found.filter(coverages__timeframe=timeframe)
    return found.order_by("symbol", "source", "pk")


def waiting_imports(user: Any) -> int:
    """How many of a user's imports are queued or being read."""
    active = (DataImport.State.QUEUED, DataImport.State.RUNNING)
    return DataImport.objects.filter(owner=user, state__in=active).count()


def kept_bars(user: Any) -> int:
    """How many bars are kept of a user's own instruments, over all timeframes."""
    return Coverage.objects.filter(instrument__owner=user).aggregate(total=Sum("bars"))["total"] or 0


def instrument(user: Any, symbol: str, source: str = "", *, timeframe: str = "") -> Instrument:
    """One visible instrument; the user's own import before everybody's. Raises NotFound.

    Without a source the first that has the symbol (and stored bars of `timeframe`, if any of them has), real prices
    before synthetic ones.
    """
    found = visible_instruments(user).filter(symbol=symbol.upper())
    if source:
        found = found.filter(source=source)
    if timeframe and found.filter(coverages__timeframe=timeframe).exists():
        found = found.filter(coverages__timeframe=timeframe)
    rows = sorted(found, key=lambda row: (row.synthetic, row.owner_id is None, row.source))
    if not rows:
        raise NotFound(f"There is no instrument {symbol[:40]}.")
    return rows[0]


def instrument_by_id(user: Any, instrument_id: int) -> Instrument:
    """A visible instrument with its coverage rows. Raises NotFound."""
    row = visible_instruments(user).prefetch_related("coverages").filter(pk=instrument_id).first()
    if row is None:
        raise NotFound()
    return row


def coverage(user: Any, *, symbol: str = "", source: str = "") -> QuerySet[Coverage]:
    """Stored series of visible instruments."""
    visible = visible_instruments(user)
    if symbol:
        visible = visible.filter(symbol=symbol.upper())
    if source:
        visible = visible.filter(source=source)
    return (
        Coverage.objects.filter(instrument__in=visible)
        .select_related("instrument")
        .order_by("instrument__symbol", "instrument__source", "instrument_id", "timeframe")
    )


def coverage_of(instrument: Instrument, timeframe: str) -> Coverage:
    """One stored series. Raises NotFound."""
    row = instrument.coverages.filter(timeframe=timeframe).first()
    if row is None:
        raise NotFound(f"No {timeframe} bars of {instrument.symbol} are stored.")
    row.instrument = instrument
    return row


def own_imports(user: Any) -> QuerySet[Instrument]:
    """Instruments that the user imported."""
    return Instrument.objects.filter(source="file", owner=user)


def imports(user: Any) -> QuerySet[DataImport]:
    """The user's own imports, newest first."""
    return DataImport.objects.filter(owner=user)


def data_import(user: Any, import_id: Any) -> DataImport:
    """One of the user's imports. Raises NotFound."""
    row = imports(user).filter(pk=import_id).first()
    if row is None:
        raise NotFound("There is no such import.")
    return row


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


def sessions_between(calendar: str, first_ns: int, last_ns: int, *, margin_days: int = 7) -> Sessions:
    """Exchange sessions whose close lies in [first_ns, last_ns], a week wider on both sides; maybe none."""
    margin = timedelta(days=margin_days)
    rows = (
        ExchangeSession.objects.filter(
            calendar=calendar, close_at__gte=from_ns(first_ns) - margin, close_at__lte=from_ns(last_ns) + margin
        )
        .order_by("date")
        .values_list("date", "open_at", "close_at")
    )
    epoch = date(1970, 1, 1).toordinal()
    table = [(day.toordinal() - epoch, to_ns(opened), to_ns(closed)) for day, opened, closed in rows]
    columns = np.array(table, dtype=np.int64).reshape(-1, 3)
    return Sessions(columns[:, 0].astype(np.int32), columns[:, 1].copy(), columns[:, 2].copy())


@dataclass(frozen=True, slots=True)
class MarketStatus:
    """Whether an exchange is open at `at`. All moments are aware, in UTC; `zone` is the exchange's IANA zone.

    session_*: the session running now, else the next one; None when the calendar's rows end before. A market that never
    closes has no session and no next change.
    """

    calendar: str
    zone: str
    at: datetime
    is_open: bool
    session_date: date | None
    session_open: datetime | None
    session_close: datetime | None
    early_close: bool
    next_open: datetime | None
    next_close: datetime | None

    @property
    def next_change(self) -> datetime | None:
        return self.next_close if self.is_open else self.next_open

    @property
    def seconds_to_change(self) -> int | None:
        """Whole seconds until the next open or close, rounded up."""
        change = self.next_change
        return None if change is None else -int((self.at - change).total_seconds() // 1)


CALENDAR_GOOD_FOR = timedelta(hours=24)
"""For so long a copy of an exchange's sessions counts that nobody could confirm."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When the source of a calendar last said that it is as we have it. problem: why it has not since."""

    at: datetime
    age: timedelta
    problem: str

    @property
    def is_unsure(self) -> bool:
        """Older than it gets while its source answers."""
        return self.age > timedelta(hours=1)

    @property
    def is_old(self) -> bool:
        """So old that no session may be started by it."""
        return self.age > CALENDAR_GOOD_FOR


def calendar_confirmed(calendar: str, now: datetime) -> Confirmed | None:
    """How good our copy of an exchange's sessions is; None: there is none, or it does not reach to `now`."""
    copy = CalendarCopy.objects.filter(calendar=calendar).first()
    if copy is None or not ExchangeSession.objects.filter(calendar=calendar, close_at__gt=now).exists():
        return None
    return Confirmed(copy.good_at, max(now - copy.good_at, timedelta()), copy.problem)


def market_status(calendar: str, at: datetime) -> MarketStatus:
    """Open or closed at `at` (aware), from the session rows. Raises InputError for an unknown calendar.

    The open belongs to the session, the close does not: at 16:00:00 New York is closed.
    """
    zone = calendar_zone(clean_calendar(calendar)).key
    at = at.astimezone(UTC)
    if calendar == ALWAYS_OPEN:
        return MarketStatus(calendar, zone, at, True, at.date(), None, None, False, None, None)
    rows = list(ExchangeSession.objects.filter(calendar=calendar, close_at__gt=at).order_by("close_at")[:2])
    if not rows:
        return MarketStatus(calendar, zone, at, False, None, None, None, False, None, None)
    current = rows[0]
    is_open = current.open_at <= at
    following = rows[1] if len(rows) > 1 else None
    next_open = (following.open_at if following else None) if is_open else current.open_at
    return MarketStatus(
        calendar,
        zone,
        at,
        is_open,
        current.date,
        current.open_at,
        current.close_at,
        current.early_close,
        next_open,
        current.close_at,
    )


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
