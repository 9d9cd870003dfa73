"""Positions: what is held and what was, one in detail with its chart, and the button that closes one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from bots import selectors
from bots.models import Position
from bots.selectors import records
from bots.services import sessions
from bots.views.filters import RecordFilter, midnight
from bots.views.trades import panel_or_page
from bots.words import REASONS
from marketdata.columns import TIMEFRAME_NS
from tradingsite.lib.errors import Conflict

PAGE_SIZE = 50
NAMES = ("bot", "session", "symbol", "side")
SIDES = (("BUY", "Long"), ("SELL", "Short"))
OPEN_SORTS = {
    "opened": "opened_at",
    "symbol": "symbol",
    "units": "qty",
    "value": "value",
    "pnl": "unrealised_pnl",
}
CLOSED_SORTS = {"closed": "closed_at", "symbol": "symbol", "units": "entered_qty", "pnl": "realised_pnl"}
# A mark is old when this many bars' time has gone by since it was written, and at the least this long.
_OLD_BARS, _OLD_AT_LEAST = 3, timedelta(minutes=3)


@login_required
@require_GET
def position_list(request: HttpRequest) -> HttpResponse:
    """The user's open positions, or the closed ones; filters, sort and page stand in the address."""
    is_open = request.GET.get("state") != "closed"
    chosen = RecordFilter(
        request.user,
        request.GET,
        names=NAMES,
        sorts=OPEN_SORTS if is_open else CLOSED_SORTS,
        sides=SIDES,
        keep={} if is_open else {"state": "closed"},
    )
    asked = chosen.selection
    side = asked.pop("side", "")
    every = selectors.positions(request.user, **asked)
    found = records.with_value(every.filter(is_open=is_open, **({"side": side} if side else {})))
    page = Paginator(found.order_by(chosen.column, "-pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = list(page.object_list)
    _worked_out(rows)
    figures = selectors.position_summary(selectors.positions(request.user))
    shown = {
        "filter": chosen,
        "page": page,
        "rows": rows,
        "closing": selectors.closing(rows),
        "is_open": is_open,
        "open_url": chosen.url(),
        "closed_url": chosen.url(state="closed"),
        "figures": figures,
        "closed_count": figures["count"] - figures["open"],
        "realised_today": records.realised_since(request.user, midnight(timezone.localdate())),
        "topics": records.live_topics(request.user),
    }
    return render(request, "bots/positions.html", shown)


@login_required
@require_GET
def position(request: HttpRequest, position_id: int) -> HttpResponse:
    """One position: in the side panel of the list, or as a page of its own."""
    found = selectors.position(request.user, position_id)
    _worked_out([found])
    shown = {
        "position": found,
        "value": found.qty * found.current_px,
        "closing": selectors.closing([found]),
        "fills": found.fills.order_by("executed_at", "pk"),
    }
    return panel_or_page(request, "bots/positions_detail.html", "bots/positions_detail_page.html", shown)


@login_required
@require_GET
def chart(request: HttpRequest, position_id: int) -> JsonResponse:
    """The bars around the position with its fills and levels (`records.position_chart`), and reasons: code → words."""
    found = records.position_chart(selectors.position(request.user, position_id))
    return JsonResponse(found | {"reasons": REASONS}, headers={"Cache-Control": "no-store"})


@login_required
@require_POST
def close(request: HttpRequest, position_id: int) -> HttpResponse:
    """Asks the session to close it; pressed twice, it is one request. Back to the list as it was."""
    try:
        command = sessions.close_position(request.user, position_id)
    except Conflict as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{command.symbol} is being closed after the next bar.")
    query = request.POST.get("query", "")[:500]
    return redirect(reverse("positions") + (f"?{query}" if query else ""))


def _worked_out(found: Iterable[Position]) -> None:
    """Adds to each `change_pct`, its result in percent of what was paid for it (None where nothing was), and `is_old`,
    whether its last mark is older than it should be while its session runs."""
    now = timezone.now()
    for each in found:
        paid = each.entry_px * (each.qty if each.is_open else each.entered_qty)
        result = each.unrealised_pnl if each.is_open else each.realised_pnl
        each.change_pct = result / paid * Decimal(100) if paid else None  # type: ignore[attr-defined]
        bar = timedelta(microseconds=TIMEFRAME_NS[each.session.timeframe] // 1_000)
        limit = max(_OLD_AT_LEAST, _OLD_BARS * bar)
        each.old_after_s = int(limit.total_seconds())  # type: ignore[attr-defined]
        each.is_old = each.is_open and now - each.updated_at > limit  # type: ignore[attr-defined]
