"""Fills: the list with its filters, one fill in detail, and the list as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from bots import selectors
from bots.models import Trade
from bots.selectors import records
from bots.views.filters import RecordFilter
from tradingsite.lib.downloads import csv_response

PAGE_SIZE = 50
NAMES = ("from", "to", "bot", "session", "symbol", "side", "reason")
# sort in the address → column; nothing a user sends reaches order_by
SORTS = {
    "time": "executed_at",
    "symbol": "symbol",
    "units": "qty",
    "price": "px",
    "commission": "commission",
    "slippage": "slippage",
    "pnl": "realised_pnl",
}
CSV_COLUMNS = (
    "id", "executed_at", "symbol", "side", "qty", "px", "notional", "commission", "commission_asset", "slippage",
    "realised_pnl", "reason", "opens", "bot", "session", "session_id", "mode", "client_order_id", "execution_id",
)  # fmt: skip
_BATCH = 1_000


@login_required
@require_GET
def trade_list(request: HttpRequest) -> HttpResponse:
    """The user's fills; filters, sort and page stand in the address."""
    chosen = _chosen(request)
    found = selectors.trades(request.user, **chosen.selection, sort=chosen.column)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    shown = {
        "filter": chosen,
        "page": page,
        "figures": selectors.trade_statistics(found) | {"slippage": records.slippage_cost(found)},
        "any_at_all": bool(page.paginator.count) or (chosen.is_set and selectors.trades(request.user).exists()),
        "topics": records.live_topics(request.user),
    }
    return render(request, "bots/trades.html", shown)


@login_required
@require_GET
def trade(request: HttpRequest, trade_id: int) -> HttpResponse:
    """One fill: in the side panel of the list, or as a page of its own."""
    fill = selectors.trade(request.user, trade_id)
    shown = {"trade": fill, "notional": fill.qty * fill.px, "decision": records.decision_of(fill)}
    return panel_or_page(request, "bots/trades_detail.html", "bots/trades_detail_page.html", shown)


@login_required
@require_GET
def trades_csv(request: HttpRequest) -> StreamingHttpResponse:
    """All fills that pass the filters of the address, in its order."""
    chosen = _chosen(request)
    found = selectors.trades(request.user, **chosen.selection, sort=chosen.column)
    return csv_response("trades.csv", CSV_COLUMNS, _csv_rows(found))


def panel_or_page(request: HttpRequest, panel: str, page: str, shown: dict[str, Any]) -> HttpResponse:
    """The details of one row: what belongs into the side panel when the list asks, else the page around it."""
    answer = render(request, panel if request.htmx.target == "panel-body" else page, shown)
    # One address, two answers: without this, Back could show the part as if it were the page.
    patch_vary_headers(answer, ["HX-Request", "HX-Target"])
    return answer


def _chosen(request: HttpRequest) -> RecordFilter:
    return RecordFilter(request.user, request.GET, names=NAMES, sorts=SORTS)


def _csv_rows(found: QuerySet[Trade]) -> Iterator[list[Any]]:
    for fill in found.iterator(_BATCH):
        session = fill.session
        yield [
            fill.pk, fill.executed_at.isoformat(), fill.symbol, fill.side, fill.qty, fill.px, fill.qty * fill.px,
            fill.commission, fill.commission_asset, fill.slippage, fill.realised_pnl, fill.reason, fill.is_entry,
            session.bot.name if session.bot else "", str(session), session.pk, session.mode, fill.client_order_id,
            fill.execution_id,
        ]  # fmt: skip
