"""Orders by group: not yet at the venue, working there, ended; and the life of one order."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from bots import selectors
from bots.orders import GROUPS
from bots.selectors import records
from bots.views.filters import RecordFilter
from bots.views.trades import panel_or_page

PAGE_SIZE = 50
FIRST = "active"
NAMES = ("from", "to", "bot", "session", "symbol", "side")
SORTS = {"decided": "decided_at", "symbol": "symbol", "units": "qty", "type": "kind", "state": "state"}
TABS = (
    ("pending", "Pending", "Written down, and not known to be at the venue yet."),
    ("active", "Active", "Working at the venue: they can fill at any bar."),
    ("closed", "Closed", "Filled, canceled, expired or refused."),
)


@login_required
@require_GET
def order_list(request: HttpRequest) -> HttpResponse:
    """The user's orders of one group; group, filters, sort and page stand in the address."""
    asked = request.GET.get("group", FIRST)
    group = asked if asked in GROUPS else FIRST
    keep = {"group": group} if group != FIRST else {}
    chosen = RecordFilter(request.user, request.GET, names=NAMES, sorts=SORTS, keep=keep)
    every = selectors.orders(request.user, **chosen.selection)
    found = every.filter(state__in=GROUPS[group]).order_by(chosen.column, "-pk")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    counts = records.order_counts(every)
    shown = {
        "filter": chosen,
        "page": page,
        "group": group,
        "tabs": [
            {"name": name, "label": label, "note": note, "count": counts[name], "url": chosen.url(group=name)}
            for name, label, note in TABS
        ],
        "any_at_all": any(counts.values()) or (chosen.is_set and selectors.orders(request.user).exists()),
        "topics": records.live_topics(request.user),
    }
    return render(request, "bots/orders.html", shown)


@login_required
@require_GET
def order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One order with its life and its fills: in the side panel of the list, or as a page of its own."""
    found = selectors.order(request.user, order_id)
    shown = {"order": found, "fills": found.fills.order_by("executed_at", "pk")}
    return panel_or_page(request, "bots/orders_detail.html", "bots/orders_detail_page.html", shown)
