"""One backtest: running, finished, failed or canceled, under one address; and what can be done with it."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from backtests import selectors, services
from backtests.models import Backtest
from backtests.presenters import ResultPage, histogram_top, trade_table
from backtests.words import PHASES
from tradingsite.lib.answers import fresh, told
from tradingsite.lib.errors import ApiError, NotFound

# A finished backtest never changes, so its series may be kept by the browser of the person who owns it.
KEEP = "private, max-age=86400, immutable"


@login_required
@require_GET
def detail(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """The page of a backtest in whatever state it is; the running page comes here again by itself when it is over."""
    backtest = selectors.get(request.user, backtest_id)
    if backtest.state == Backtest.State.DONE:
        shown: dict[str, Any] = {"backtest": backtest, "trades": trade_table(backtest, request.GET)}
        if request.htmx and request.htmx.target == "trades":
            answer = render(request, "backtests/parts/trades.html", shown)
        else:
            answer = render(request, "backtests/result.html", shown | {"page": ResultPage(backtest)})
        # One address, two answers: without this, Back could show the part as if it were the page.
        patch_vary_headers(answer, ["HX-Request", "HX-Target"])
        return answer
    if backtest.is_active:
        return render(
            request,
            "backtests/running.html",
            {"backtest": backtest, "progress": selectors.progress(backtest), "phases": PHASES},
        )
    return render(request, "backtests/ended.html", {"backtest": backtest})


@login_required
@require_GET
def progress(request: HttpRequest, backtest_id: uuid.UUID) -> JsonResponse:
    """How far it is (`selectors.progress`): the snapshot for a page whose websocket is not connected."""
    return fresh(selectors.progress(selectors.get(request.user, backtest_id)))


@login_required
@require_GET
def chart_data(request: HttpRequest, backtest_id: uuid.UUID) -> JsonResponse:
    """Equity, benchmark and drawdown (`selectors.chart`), with the histogram of daily returns."""
    backtest = selectors.get(request.user, backtest_id)
    histogram = (selectors.summary(backtest) or {}).get("return_histogram") or {}
    return JsonResponse(
        {"chart": selectors.chart(backtest), "histogram": {**histogram, "top": histogram_top(histogram)}},
        headers={"Cache-Control": KEEP},
    )


@login_required
@require_GET
def price_data(request: HttpRequest, backtest_id: uuid.UUID, symbol: str) -> JsonResponse:
    """Candles, indicators and trades of one symbol (`selectors.price_chart`)."""
    backtest = selectors.get(request.user, backtest_id)
    return JsonResponse(selectors.price_chart(backtest, symbol), headers={"Cache-Control": KEEP})


@login_required
@require_POST
def cancel(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """Stop it; the page then shows how it ended."""
    services.cancel(request.user, backtest_id)
    return redirect("backtests:detail", backtest_id=backtest_id)


@login_required
@require_POST
def rerun(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """The same request once more; the page of the new backtest says whether the result is identical."""
    try:
        again = services.rerun(request.user, backtest_id, request.POST.get("key", "")[:64] or None)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, " ".join([refusal.message, *(fault.message for fault in refusal.faults)]))
        return redirect("backtests:detail", backtest_id=backtest_id)
    return redirect("backtests:detail", backtest_id=again.pk)


@login_required
@require_POST
def remove(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """Delete it with its result."""
    services.remove(request.user, backtest_id)
    messages.success(request, "The backtest was deleted.")
    return redirect("backtests:list")


@login_required
@require_POST
def save_as_strategy(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """Keep its strategy and parameters under a name."""
    with told(request, "Not saved. "):
        saved = services.save_as_strategy(request.user, backtest_id, request.POST.get("name", "").strip())
        messages.success(request, f"Saved as the strategy “{saved.name}”.")
    return redirect(reverse("backtests:detail", args=[backtest_id]))
