"""Series and grids that only the analytics page needs, beside `bots.selectors.curves` and `bots.selectors.figures`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay
from django.utils import timezone

from accounts.models import User
from bots.models import Position
from bots.selectors.figures import since_of
from bots.selectors.sessions import between

Cell = tuple[Decimal, int]


def day_lines(days: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Trading days (`curves.days`) as lines of a chart.

    ``{time: [Unix s, midnight UTC of the day], pnl: [], cumulative: [], drawdown_pct: []}``. drawdown_pct: how far the
    chained daily returns stand below their highest point so far, 0 or less; it knows no deposits and no new sessions.
    """
    lines: dict[str, list[float]] = {"time": [], "pnl": [], "cumulative": [], "drawdown_pct": []}
    total, index, top = 0.0, 1.0, 1.0
    for day in days:
        total += float(day["pnl"])
        index *= 1.0 + (day["return_pct"] or 0.0) / 100.0
        top = max(top, index)
        midnight = datetime.datetime.combine(day["day"], datetime.time(), datetime.UTC)
        lines["time"].append(int(midnight.timestamp()))
        lines["pnl"].append(float(day["pnl"]))
        lines["cumulative"].append(total)
        lines["drawdown_pct"].append(100.0 * (index / top - 1.0))
    return lines


def by_hour(user: User, period: str = "ALL") -> dict[tuple[int, int], Cell]:
    """What positions closed in the period brought, by when they were closed: {(weekday, hour): (P&L, count)}.

    weekday 1 is Monday; both are in the current time zone. One query.
    """
    zone = timezone.get_current_timezone()
    rows = between(Position.objects.filter(session__owner=user, is_open=False), "closed_at", since_of(period), None)
    found = (
        rows.order_by()
        .annotate(weekday=ExtractIsoWeekDay("closed_at", tzinfo=zone), hour=ExtractHour("closed_at", tzinfo=zone))
        .values("weekday", "hour")
        .annotate(pnl=Sum("realised_pnl"), closed=Count("pk"))
    )
    return {(row["weekday"], row["hour"]): (row["pnl"], row["closed"]) for row in found}
