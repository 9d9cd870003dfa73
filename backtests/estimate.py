"""How many bars a run will walk through, before any of them is loaded."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from accounts.models import User
from backtests.runner import RunConfig
from backtests.runner.config import FIRST_DAY
from marketdata.columns import DAY, TIMEFRAME_NS
from marketdata.models import Coverage
from marketdata.selectors import visible_instruments
from marketdata.zones import ALWAYS_OPEN

# New York: 252 sessions of 390 minutes a year. Half days and holidays make single months differ by a tenth.
_SESSION_NS = 390 * 60 * 1_000_000_000
_OPEN_DAYS = 252 / 365.25


def bars_at_least(user: User, config: RunConfig) -> int:
    """A cautious count of bars times symbols: a little low rather than too high, 0 where nothing is known. One query.

    The worker counts exactly once it has them; this spares it the loading of what the tier does not allow anyway.
    """
    timeframe = config.match_timeframe or config.timeframe
    rows = visible_instruments(user).filter(source=config.source, symbol__in=config.symbols)
    held: dict[tuple[str, str], list[Coverage]] = {}
    for instrument in rows.prefetch_related("coverages"):
        held.setdefault((instrument.symbol, instrument.calendar), []).extend(instrument.coverages.all())
    total = 0.0
    for (_, calendar), coverages in held.items():
        first = config.start_date or min((c.first_at.date() for c in coverages), default=FIRST_DAY)
        last = config.end_date or datetime.now(UTC).date()
        by_calendar = _days(first, last) * _bars_a_day(timeframe, calendar)
        stored = [_overlap(c, first, last) * c.bars / _finer(c, timeframe) for c in coverages]
        # What a file or a provider has is all there is, except for made prices, which are made when they are asked for.
        total += min([by_calendar, *stored]) if config.source != "synthetic" else by_calendar
    return int(total * 0.9)


def _bars_a_day(timeframe: str, calendar: str) -> float:
    """Mean number of bars for each day of the calendar, weekends counted."""
    if calendar == ALWAYS_OPEN:
        return DAY / TIMEFRAME_NS[timeframe]
    return _OPEN_DAYS * max(1.0, _SESSION_NS / TIMEFRAME_NS[timeframe])


def _finer(coverage: Coverage, timeframe: str) -> float:
    """At most how many stored bars make one of the timeframe; 1 where the stored ones are the coarser."""
    return max(1.0, TIMEFRAME_NS[timeframe] / TIMEFRAME_NS[coverage.timeframe])


def _days(first: date, last: date) -> int:
    return max(0, (last - first).days + 1)


def _overlap(coverage: Coverage, first: date, last: date) -> float:
    """The share of the stored range that lies between the days."""
    begin = max(coverage.first_at, datetime.combine(first, time(), tzinfo=UTC))
    end = min(coverage.last_at, datetime.combine(last, time(), tzinfo=UTC) + timedelta(days=1))
    whole = (coverage.last_at - coverage.first_at).total_seconds()
    if whole <= 0:
        return 1.0
    return max(0.0, min(1.0, (end - begin).total_seconds() / whole))
