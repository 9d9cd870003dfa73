"""The page of news: what came in, how it was scored, and bringing in more."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from engine.errors import Fault, InputError
from marketdata.news import scorer, selectors, services
from marketdata.news.base import MAX_TITLE, providers
from marketdata.news.names import SOURCES
from marketdata.symbols import is_symbol
from tradingsite.lib.errors import ApiError

PAGE_SIZE = 25


@login_required
@require_GET
def news(request: HttpRequest) -> HttpResponse:
    """The items; filters, page and a headline to try stand in the address."""
    return _page(request)


@login_required
@require_POST
def import_news(request: HttpRequest) -> HttpResponse:
    """Takes a file of news, all of it or nothing."""
    symbol = request.POST.get("symbol", "").strip()[:60].upper()
    upload = request.FILES.get("file")
    try:
        if upload is None:
            raise InputError(Fault("file", "required", "Choose a file"))
        outcome = services.import_upload(request.user, upload, symbol=symbol)
    except InputError as error:
        return _page(request, status=400, import_faults=error.faults, typed={"symbol": symbol})
    except ApiError as error:
        fault = Fault("file", error.code, error.message)
        return _page(request, status=error.status, import_faults=[fault], typed={"symbol": symbol})
    return _told(request, outcome)


@login_required
@require_POST
def fetch_news(request: HttpRequest) -> HttpResponse:
    """Asks a provider for the news of a symbol."""
    typed = {name: request.POST.get(name, "").strip()[:60] for name in ("source", "symbol", "start", "end")}
    typed["symbol"] = typed["symbol"].upper()
    try:
        outcome = services.fetch(
            request.user,
            typed["source"],
            typed["symbol"],
            _midnight("start", typed["start"]),
            _midnight("end", typed["end"]) + timedelta(days=1),
        )
    except InputError as error:
        return _page(request, status=400, fetch_errors={f.path: f"{f.message}." for f in error.faults}, asked=typed)
    except ApiError as error:
        return _page(request, status=error.status, fetch_errors={"symbol": error.message}, asked=typed)
    return _told(request, outcome)


@login_required
@require_POST
def delete_news(request: HttpRequest) -> HttpResponse:
    """Deletes what the user brought in about a symbol; the page asks first."""
    try:
        count = services.remove(request.user, request.POST.get("symbol", "")[:60])
    except InputError as error:
        messages.error(request, f"Nothing was deleted. {error.faults[0].message}.")
    else:
        messages.success(request, f"{count:,} items of news are deleted.")
    return redirect("marketdata:news")


def _page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip()[:60] for name in ("symbol", "source", "start", "end")}
    query["symbol"] = query["symbol"].upper() if is_symbol(query["symbol"].upper()) else ""
    query["source"] = query["source"] if query["source"] in SOURCES else ""
    start, end = _day(query["start"]), _day(query["end"])
    found = selectors.news(
        request.user,
        symbol=query["symbol"],
        source=query["source"],
        start=start,
        end=end + timedelta(days=1) if end else None,
    )
    headline = " ".join(request.GET.get("headline", "").split())[:MAX_TITLE]
    asked = {"source": next(iter(providers())), "symbol": "", "start": "", "end": ""}
    context = {
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "query": query | {"start": query["start"] if start else "", "end": query["end"] if end else ""},
        "filtered": any((query["symbol"], query["source"], start, end)),
        "own_count": selectors.kept_of(request.user, query["symbol"]) if query["symbol"] else 0,
        "sources": SOURCES.items(),
        "providers": [(name, SOURCES[name]) for name in providers()],
        "headline": headline,
        "tried": scorer.score(headline) if headline else None,
        "max_mb": services.MAX_BYTES // 1_000_000,
        "max_items": services.MAX_ITEMS,
        "asked": asked,
    }
    return render(request, "marketdata/news.html", context | more, status=status)


def _told(request: HttpRequest, outcome: services.Outcome) -> HttpResponse:
    known = f" {outcome.known:,} were there already." if outcome.known else ""
    messages.success(request, f"{outcome.added:,} items of news came in.{known}")
    address = reverse("marketdata:news")
    if len(outcome.symbols) == 1:
        address += "?" + urlencode({"symbol": outcome.symbols[0]})
    return redirect(address)


def _day(text: str) -> datetime | None:
    """The first moment of a day in UTC; None for what is no day between 1900 and 2200."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(day, time(), UTC) if 1900 <= day.year < 2200 else None


def _midnight(path: str, text: str) -> datetime:
    found = _day(text)
    if found is None:
        raise InputError(Fault(path, "bad_date", f"{text!r} is not a day" if text else "Choose a day", "As 2024-03-01"))
    return found
