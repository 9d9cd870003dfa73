"""Many backtests: the list, the comparison, the search, and the first steps of a first visit."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from backtests import selectors, services
from backtests.filters import ListFilter
from backtests.presenters import Comparison
from marketdata import selectors as market

PAGE_SIZE = 25
MAX_FOUND = 6
# The run behind "see a finished backtest": ten real years of one symbol, done in well under a second.
EXAMPLE = {
    "strategy": "ma_crossover",
    "symbols": ["AAPL"],
    "timeframe": "1d",
    "start_date": "2003-01-02",
    "end_date": "2012-12-31",
    "initial_capital": 100_000,
    "preset": "standard",
    "name": "Example: moving averages on Apple, ten years",
}


@login_required
@require_GET
def backtest_list(request: HttpRequest) -> HttpResponse:
    """The user's backtests; filters, sort and page stand in the address."""
    chosen = ListFilter(request.GET)
    found = selectors.filtered(request.user, **chosen.selection())
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(
        request,
        "backtests/list.html",
        {
            "filter": chosen,
            "page": page,
            "any_at_all": bool(page.paginator.count) or (chosen.is_set and selectors.for_user(request.user).exists()),
        },
    )


@login_required
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Up to six side by side: ``?ids=a,b`` or ``?ids=a&ids=b``."""
    ids = [part for text in request.GET.getlist("ids") for part in text.split(",") if part]
    rows = selectors.compare(request.user, ids) if ids else []
    return render(request, "backtests/compare.html", {"comparison": Comparison(rows)})


@login_required
@require_GET
def palette(request: HttpRequest) -> JsonResponse:
    """Symbols and backtests for the search: ``{results: [{label, kind, url}]}``."""
    words = request.GET.get("q", "").strip()[:60]
    results = []
    if words:
        for item in market.instruments(request.user, words)[:MAX_FOUND]:
            label = f"{item.symbol} · {item.name}" if item.name else item.symbol
            address = f"{reverse('backtests:new')}?{urlencode({'symbol': item.symbol, 'source': item.source})}"
            kind = "Backtest it (synthetic)" if item.synthetic else "Backtest it"
            results.append({"label": label, "kind": kind, "url": address})
        for backtest in selectors.filtered(request.user, search=words)[:MAX_FOUND]:
            results.append(
                {"label": str(backtest), "kind": "Backtest", "url": reverse("backtests:detail", args=[backtest.pk])}
            )
    return JsonResponse({"results": results})


@login_required
@require_POST
def example(request: HttpRequest) -> HttpResponse:
    """Runs the example for a first look at a result. Pressed twice, it is one run."""
    backtest = services.submit(request.user, EXAMPLE, f"first-example-{request.user.pk}")
    return redirect("backtests:detail", backtest_id=backtest.pk)


@login_required
@require_POST
def end_welcome(request: HttpRequest) -> HttpResponse:
    """The first steps are done or skipped; they are never shown again."""
    request.user.welcome_done = True
    request.user.save(update_fields=["welcome_done"])
    return redirect("home")
