"""Pages of market data: what there is, how good it is, and bringing in more."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.errors import InputError
from marketdata import selectors
from marketdata.adjust import ADJUSTMENT_LABELS, ADJUSTMENTS
from marketdata.columns import TIMEFRAME_NS
from marketdata.models.instrument import Source
from marketdata.news import selectors as news_selectors
from marketdata.services import imports, watchlist
from marketdata.zones import CALENDAR_ZONES
from tradingsite.lib.errors import ApiError

PAGE_SIZE = 25
CHART_BARS = 4_000
NEWS_SHOWN = 5
IMPORT_FIELDS = ("symbol", "timeframe", "calendar", "zone")


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Instruments with what is stored of them; search, filters and page stand in the address."""
    query = {name: request.GET.get(name, "").strip()[:60] for name in ("q", "source", "timeframe")}
    query["source"] = query["source"] if query["source"] in Source.values else ""
    query["timeframe"] = query["timeframe"] if query["timeframe"] in TIMEFRAME_NS else ""
    found = selectors.instruments(request.user, query["q"], source=query["source"], timeframe=query["timeframe"])
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(
        request,
        "marketdata/index.html",
        {
            "page": page,
            "query": query,
            "filtered": any(query.values()),
            "sources": Source.choices,
            "timeframes": list(TIMEFRAME_NS),
            "imports": selectors.imports(request.user)[:5],
        },
    )


@login_required
@require_GET
def instrument(request: HttpRequest, instrument_id: int) -> HttpResponse:
    """One instrument: its chart, what is missing, its corporate actions."""
    row = selectors.instrument_by_id(request.user, instrument_id)
    stored = sorted(row.coverages.all(), key=lambda c: -TIMEFRAME_NS[c.timeframe])
    chosen = next((c for c in stored if c.timeframe == request.GET.get("timeframe")), stored[0] if stored else None)
    adjustment = request.GET.get("adjustment", "")
    adjustment = adjustment if adjustment in ADJUSTMENTS else ADJUSTMENTS[0]
    bars_url = ""
    if chosen:
        choice = urlencode({"timeframe": chosen.timeframe, "adjustment": adjustment})
        bars_url = f"{reverse('marketdata:instrument-bars', args=[row.pk])}?{choice}"
    return render(
        request,
        "marketdata/instrument.html",
        {
            "instrument": row,
            "stored": stored,
            "chosen": chosen,
            "quality": chosen.quality if chosen else {},
            "adjustment": adjustment,
            "adjustments": ADJUSTMENT_LABELS.items(),
            "actions": row.actions.order_by("-ex_date", "kind"),
            "bars_url": bars_url,
            "own": row.owner_id == request.user.pk,
            "can_refetch": Source(row.source).by_network,
            "news": news_selectors.news(request.user, symbol=row.symbol)[:NEWS_SHOWN],
        },
    )


@login_required
@require_GET
def instrument_bars(request: HttpRequest, instrument_id: int) -> HttpResponse:
    """The chart's candles as lists; at most CHART_BARS of them, wider ones where there are more."""
    row = selectors.instrument_by_id(request.user, instrument_id)
    timeframe, adjustment = request.GET.get("timeframe", "1d"), request.GET.get("adjustment", ADJUSTMENTS[0])
    return JsonResponse(selectors.chart(row, timeframe, adjustment=adjustment, points=CHART_BARS))


@login_required
@require_POST
def delete_instrument(request: HttpRequest, instrument_id: int) -> HttpResponse:
    """Delete an instrument that the user imported."""
    imports.remove_instrument(request.user, instrument_id)
    messages.success(request, "The instrument and its bars are deleted.")
    return redirect("marketdata:index")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def import_file(request: HttpRequest) -> HttpResponse:
    """The upload form. After a refusal what was typed is still there (a browser never keeps the file)."""
    values = {"calendar": "XNYS", "zone": "UTC"}
    context: dict[str, object] = {}
    status = 200
    if request.method == "POST":
        values = {name: request.POST.get(name, "").strip()[:64] for name in IMPORT_FIELDS}
        upload = request.FILES.get("file")
        if upload is None:
            context, status = {"errors": {"file": "Choose a file."}}, 400
        else:
            try:
                row = imports.submit(request.user, upload, **values)
            except InputError as error:
                context, status = {"errors": {f.path: f.message for f in error.faults}}, 400
            except ApiError as error:
                context, status = {"refusal": error.message}, error.status
            else:
                return redirect("marketdata:import-detail", row.pk)
    zones = dict.fromkeys(["UTC", request.user.timezone, *CALENDAR_ZONES.values(), "Europe/London", "Europe/Berlin"])
    context |= {
        "values": values,
        "timeframes": list(TIMEFRAME_NS),
        "calendars": [(name, f"{name} ({zone})") for name, zone in CALENDAR_ZONES.items()],
        "zones": list(zones),
        "max_mb": settings.IMPORT_MAX_MB,
        "imports": selectors.imports(request.user)[:10],
    }
    return render(request, "marketdata/import.html", context, status=status)


@login_required
@require_GET
def import_detail(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """How an import goes; the page asks again every second until it is finished."""
    row = selectors.data_import(request.user, import_id)
    symbols = []
    if row.result:
        entries = row.result["symbols"]
        mine = selectors.own_imports(request.user).filter(symbol__in=[entry["symbol"] for entry in entries])
        addresses = dict(mine.values_list("symbol", "pk"))  # deleted ones have none
        symbols = [(entry, addresses.get(entry["symbol"])) for entry in entries]
    template = "marketdata/import_state.html" if request.htmx else "marketdata/import_detail.html"
    return render(request, template, {"row": row, "symbols": symbols})


@login_required
@require_POST
def save_watchlist(request: HttpRequest) -> HttpResponse:
    """Replaces the user's watchlist by what was typed, symbols between commas or spaces; back to the dashboard."""
    try:
        kept = watchlist.replace(request.user, request.POST.get("symbols", "")[:2_000].replace(",", " ").split())
    except InputError as error:
        fault = error.faults[0]
        messages.error(request, f"The watchlist was not saved. {fault.message}. {fault.hint}")
    else:
        messages.success(request, f"You watch {len(kept)} symbols." if kept else "The watchlist is empty.")
    return redirect("home")
