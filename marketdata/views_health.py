"""The health page: how good the stored prices are, what sources say and cost, and reading a series anew."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from engine.errors import InputError
from marketdata import health
from marketdata.models import Refetch
from marketdata.models.instrument import Source
from marketdata.services import refetching
from tradingsite.lib.errors import Conflict, TooMany

PAGE_SIZE = 25
LISTED = 20


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All of it; filters and page of the series stand in the address. `part=series` gives the table alone."""
    query = {name: request.GET.get(name, "").strip()[:60] for name in ("symbol", "source", "problem")}
    query["symbol"] = query["symbol"].upper()
    query["source"] = query["source"] if query["source"] in Source.values else ""
    query["problem"] = query["problem"] if query["problem"] in ("any", *health.PROBLEMS) else ""
    rows = health.series(request.user, **query)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    reading = any(one.refetch and one.refetch.state in Refetch.ACTIVE for one in page.object_list)
    context = {
        "page": page,
        "query": query,
        "reload_url": "?" + urlencode({**query, "page": page.number, "part": "series"}) if reading else "",
        "filtered": any(query.values()),
        "sources": Source.choices,
        "problems": health.PROBLEMS.items(),
    }
    if request.GET.get("part") == "series":
        return render(request, "marketdata/health_series.html", context)
    everything = rows if not any(query.values()) else health.series(request.user)
    pairs = list(health.disagreements(request.user)[:LISTED])
    context |= {
        "counts": {name: sum(name in one.problems for one in everything) for name in health.PROBLEMS},
        "total": len(everything),
        "sound": sum(not one.problems for one in everything),
        "standing": health.sources(request.user),
        "pairs": pairs,
        "revisions": health.revisions(request.user)[:LISTED],
        "choices": health.choices()[:LISTED],
        "feeds": health.live_feeds(request.user),
    }
    return render(request, "marketdata/health.html", context)


@login_required
@require_POST
def refetch(request: HttpRequest, instrument_id: int, timeframe: str) -> HttpResponse:
    """Have a series read anew; back to the list, which follows it."""
    try:
        row = refetching.submit(request.user, instrument_id, timeframe)
    except InputError as error:
        messages.error(request, f"Nothing is read. {error.faults[0].message}.")
        return redirect("marketdata:health")
    except (Conflict, TooMany) as error:
        messages.error(request, error.message)
        return redirect("marketdata:health")
    messages.success(request, f"{row.instrument.symbol} {timeframe} is read anew; you may leave this page.")
    return redirect(reverse("marketdata:health") + "?" + urlencode({"symbol": row.instrument.symbol}))
