"""How trading went over a period: figures, charts, bots and symbols compared, and when in the week it went well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from bots import selectors
from bots.selectors import analytics as reads
from engine.metrics import describe
from tradingsite.lib.templatetags.figures import MINUS

FIRST = "1M"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EQUITY_MODES = (("equity", "Equity"), ("pnl", "Profit and loss"))
FEW_DAYS = 20  # below it, figures of daily returns say little


@login_required
@require_GET
def analytics(request: HttpRequest) -> HttpResponse:
    """The user's trading over the period of the address."""
    period = _period(request)
    figures = selectors.performance(request.user, period)
    known = {entry["name"]: entry["convention"] for entry in describe()}
    some = bool(figures["days"] or figures["round_trips"])
    shown = {
        "period": period,
        "periods": list(selectors.PERIODS),
        "figures": figures,
        "conventions": {name: known.get(name, "") for name in figures},
        "few_days": figures["days"] < FEW_DAYS,
        "some": some,
        "any_at_all": some or selectors.trades(request.user).exists(),
        "bots": _with_share(selectors.by_bot(request.user, period)),
        "symbols": _with_share(selectors.by_symbol(request.user, period)),
        "equity_modes": EQUITY_MODES,
        "heat": heat(reads.by_hour(request.user, period)),
    }
    return render(request, "bots/analytics.html", shown)


@login_required
@require_GET
def data(request: HttpRequest) -> JsonResponse:
    """The lines of the charts: {days: `day_lines`, equity: {time, equity, pnl}} over the period of the address."""
    period = _period(request)
    since = selectors.since_of(period)
    days = selectors.days(request.user, since=since.date() if since else None)
    equity = selectors.user_pnl(request.user, since=since)
    return JsonResponse({"days": reads.day_lines(days), "equity": equity}, headers={"Cache-Control": "no-store"})


def heat(cells: Mapping[tuple[int, int], reads.Cell]) -> dict[str, Any]:
    """The grid of weekdays and hours: only the hours and days in which something was closed, from first to last.

    ``{hours: [0…23], rows: [{day, cells: [{text, shade, title}]}]}``; the shade has three steps each way, the
    strongest from two thirds of the largest amount on.
    """
    if not cells:
        return {"hours": [], "rows": []}
    hours = range(min(hour for _, hour in cells), max(hour for _, hour in cells) + 1)
    days = range(min(day for day, _ in cells), max(day for day, _ in cells) + 1)
    largest = max(abs(float(pnl)) for pnl, _ in cells.values())
    rows = [
        {"day": WEEKDAYS[day - 1], "cells": [_cell(cells.get((day, hour)), day, hour, largest) for hour in hours]}
        for day in days
    ]
    return {"hours": list(hours), "rows": rows}


def _cell(found: reads.Cell | None, day: int, hour: int, largest: float) -> dict[str, str]:
    if found is None:
        return {"text": "", "shade": "", "title": ""}
    pnl, count = float(found[0]), found[1]
    sign = "+" if pnl > 0 else MINUS if pnl < 0 else ""
    amount = abs(pnl)
    text = f"{amount:,.0f}" if amount >= 100 else f"{amount:.1f}"
    shade = "" if pnl == 0 else f"{'up' if pnl > 0 else 'down'}{1 + int(min(2, 3 * amount / largest))}"
    trips = "round trip" if count == 1 else "round trips"
    title = f"{WEEKDAYS[day - 1]} {hour:02d}:00 to {hour:02d}:59: {sign}{amount:,.2f} from {count} {trips}"
    return {"text": f"{sign}{text}", "shade": shade, "title": title}


def _period(request: HttpRequest) -> str:
    asked = request.GET.get("period", FIRST)
    return asked if asked in selectors.PERIODS else FIRST


def _with_share(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with `share`: its P&L against the largest of them, -1 to 1."""
    largest = max((abs(row["realised_pnl"]) for row in rows), default=0)
    return [{**row, "share": float(row["realised_pnl"] / largest) if largest else 0.0} for row in rows]
