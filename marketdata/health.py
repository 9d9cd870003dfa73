"""How good the data are: reads for the health page and its routes. Rows only; no bars are opened.

Problems of a series, by name: `gaps` (bars are missing), `jumps` (a move above 40 % that no action explains), `stale`
(its source was asked for later days and had none), `revised` (in the last 30 days), `disagrees` (its closes stand
against another source's), `actions` (a stock without known splits and dividends).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from marketdata import budget, routing, selectors, usage
from marketdata.models import Coverage, ProviderUsage, Refetch, Revision, SourceChoice, SourceComparison
from marketdata.models.instrument import Source
from marketdata.zones import ALWAYS_OPEN, to_ns

PROBLEMS = {
    "gaps": "Bars are missing",
    "jumps": "An unexplained jump",
    "stale": "Nothing newer at its source",
    "revised": "Revised lately",
    "disagrees": "Disagrees with another source",
    "actions": "No splits and dividends known",
}
RECENT = timedelta(days=30)
_PER = {1.0: "a second", 60.0: "a minute", 86_400.0: "a day"}
_STALE_SESSIONS = 3  # a source that was asked, and has nothing of so many sessions, has stopped
_LISTED = ("instrument", "timeframe", "first_at", "last_at", "asked_to", "bars", "hits", "misses", "updated_at")

FeedsOf = Callable[[Any], list[dict[str, Any]]]
_feeds_of: list[FeedsOf] = []


def show_feeds(feeds_of: FeedsOf) -> None:
    """Register who knows of live prices. Call in AppConfig.ready. feeds_of(user) gives, for each running session of the
    user, {session (id), name, feed, symbols, mode, state, reason, last_bar_at, blocks_entries}."""
    _feeds_of.append(feeds_of)


def live_feeds(user: Any) -> list[dict[str, Any]]:
    """The user's running sessions with the state of their prices: stale ones block entries, never exits."""
    return [row for feeds_of in _feeds_of for row in feeds_of(user)]


@dataclass(slots=True)
class SeriesHealth:
    """One stored series. sessions_behind: exchange sessions (days, round the clock) that ended since its last bar; None
    where nothing newer can be fetched. problems: names of `PROBLEMS`. refetch: the newest reading anew."""

    coverage: Coverage
    sessions_behind: int | None
    can_refetch: bool
    problems: list[str] = field(default_factory=list)
    revisions: int = 0
    refetch: Refetch | None = None

    @property
    def words(self) -> list[str]:
        return [PROBLEMS[name] for name in self.problems]


def series(user: Any, *, symbol: str = "", source: str = "", problem: str = "") -> list[SeriesHealth]:
    """Stored series of visible instruments with what is wrong with them, by symbol. Six queries."""
    rows = selectors.coverage(user, symbol=symbol, source=source).only(*_LISTED, *_of_instrument())
    rows = rows.annotate(
        complete_pct=F("quality__complete_pct"),
        missing=F("quality__missing"),
        gap_count=F("quality__gap_count"),
        jumps=F("quality__jumps"),
        quality_note=F("quality__note"),
    )
    held = list(rows)
    found = [SeriesHealth(row, behind, _by_network(row)) for row, behind in zip(held, _behind(held), strict=True)]
    _note_problems(found)
    if problem == "any":
        return [one for one in found if one.problems]
    return [one for one in found if problem in one.problems] if problem else found


def sources(user: Any) -> list[dict[str, Any]]:
    """Every source by network: {source, label, has_key, failing, limits, left_pct (of the budget of history), today
    (requests); of the last 30 days requests, errors, bars, hits, misses, and in USD cost, plan_cost, total_cost}."""
    today = timezone.now().date()
    totals = {name: Sum(name) for name in (*usage.COUNTERS, "cost")}
    used = ProviderUsage.objects.filter(day__gt=today - RECENT).order_by()
    sums = {row["provider"]: row for row in used.values("provider").annotate(**totals)}
    now = dict(ProviderUsage.objects.filter(day=today).values_list("provider", "requests"))
    names = [source.value for source in Source if source.by_network]
    names += ["polygon_files"] if "polygon_files" in sums else []
    rows = [
        {
            "source": name,
            "label": Source(name).label if name in Source.values else "Polygon's flat files",
            **_standing(name),
            **{counter: sums.get(name, {}).get(counter) or 0 for counter in usage.COUNTERS},
            "today": now.get(name, 0),
            "cost": sums.get(name, {}).get("cost") or Decimal(0),
            "plan_cost": (usage.plan_price_of(name) * 12 * RECENT.days / 365).quantize(Decimal("0.01")),
        }
        for name in names
    ]
    return [row | {"total_cost": row["cost"] + row["plan_cost"]} for row in rows]


def usage_rows(*, provider: str = "") -> QuerySet[ProviderUsage]:
    """Usage by day and provider, newest first."""
    rows = ProviderUsage.objects.all()
    return rows.filter(provider=provider) if provider else rows


def disagreements(user: Any) -> QuerySet[SourceComparison]:
    """Comparisons of two sources that the user may both see; those that differ first."""
    visible = selectors.visible_instruments(user)
    rows = SourceComparison.objects.filter(first__instrument__in=visible, second__instrument__in=visible)
    return rows.select_related("first__instrument", "second__instrument").defer(
        "first__quality", "first__files", "second__quality", "second__files"
    )


def revisions(user: Any) -> QuerySet[Revision]:
    """Revised history of visible instruments, newest first."""
    return Revision.objects.filter(instrument__in=selectors.visible_instruments(user)).select_related("instrument")


def refetches(user: Any) -> QuerySet[Refetch]:
    """What the user wanted to be read anew, newest first."""
    return Refetch.objects.filter(asked_by=user).select_related("instrument")


def choices() -> QuerySet[SourceChoice]:
    """What "auto" chose last for each symbol and timeframe, and why; newest first."""
    return SourceChoice.objects.all()


def _of_instrument() -> tuple[str, ...]:
    names = ("source", "symbol", "owner", "name", "calendar", "synthetic", "actions_at")
    return tuple(f"instrument__{name}" for name in names)


def _by_network(row: Coverage) -> bool:
    return Source(row.provider).by_network


def _standing(source: str) -> dict[str, Any]:
    if source not in Source.values:
        return {"has_key": bool(settings.POLYGON_FILES_KEY), "failing": "", "left_pct": None, "limits": ""}
    limits = budget.limits_of(source)
    left = budget.left(routing.budget_scope(source), limits)
    return {
        "has_key": routing.has_key(source),
        "failing": routing.failing(source),
        "left_pct": round(100.0 * left, 1),
        "limits": ", ".join(f"{limit.count:,} {_PER[limit.seconds]}" for limit in limits),
    }


def _behind(rows: Iterable[Coverage]) -> list[int | None]:
    """Whole sessions after the last bar of each series that ended before today's midnight UTC, which is all that is
    fetched."""
    rows, now = list(rows), timezone.now()
    until = to_ns(now.replace(hour=0, minute=0, second=0, microsecond=0))
    listed = [row for row in rows if _by_network(row) and row.instrument.calendar != ALWAYS_OPEN]
    closes = np.empty(0, np.int64)
    if listed:
        oldest = min(to_ns(row.last_at) for row in listed)
        closes = selectors.sessions_between(listed[0].instrument.calendar, oldest, until).close_ns
        closes = closes[closes <= until]
    found: list[int | None] = []
    for row in rows:
        if not _by_network(row):
            found.append(None)
        elif row.instrument.calendar == ALWAYS_OPEN:
            found.append(max(0, (now.date() - row.last_at.date()).days - 1))
        else:
            # The session of the last bar itself ends within a day of the bar's start.
            found.append(int((closes > to_ns(row.last_at + timedelta(days=1))).sum()))
    return found


def _note_problems(found: list[SeriesHealth]) -> None:
    """Fill in problems, revisions and refetches."""
    since = timezone.now() - RECENT
    of = {one.coverage.instrument_id for one in found}
    revised: defaultdict[tuple[int, str], int] = defaultdict(int)
    noticed = Revision.objects.filter(instrument__in=of, noticed_at__gt=since)
    for key in noticed.values_list("instrument_id", "timeframe"):
        revised[key] += 1
    newest: dict[tuple[int, str], Refetch] = {}
    for row in Refetch.objects.filter(instrument__in=of).order_by("created_at"):
        newest[row.instrument_id, row.timeframe] = row
    pairs = SourceComparison.objects.filter(differing__gt=0).filter(
        Q(first__instrument__in=of) | Q(second__instrument__in=of)
    )
    against = {pk for pair in pairs.values_list("first_id", "second_id") for pk in pair}
    for one in found:
        row = one.coverage
        key = row.instrument_id, row.timeframe
        one.revisions, one.refetch = revised[key], newest.get(key)
        tests = {
            "gaps": bool(row.missing),
            "jumps": any(not jump["explained"] for jump in row.jumps or []),
            "stale": _is_stale(one),
            "revised": one.revisions > 0,
            "disagrees": row.pk in against,
            "actions": _lacks_actions(row),
        }
        one.problems = [name for name, is_so in tests.items() if is_so]


def _is_stale(one: SeriesHealth) -> bool:
    """Its source was asked for days that it had no bars of, up to the end of what was asked."""
    row = one.coverage
    asked_days = (row.asked_to - row.last_at).days
    return one.sessions_behind is not None and one.sessions_behind >= _STALE_SESSIONS and asked_days > 5


def _lacks_actions(row: Coverage) -> bool:
    return _by_network(row) and row.instrument.calendar != ALWAYS_OPEN and row.instrument.actions_at is None
