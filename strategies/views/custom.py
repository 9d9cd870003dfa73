"""Pages of custom strategies: the list, the builder, one of them. The builder saves through the API."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts import quotas
from accounts.models import User
from marketdata.models.instrument import Source
from strategies import builder, selectors
from strategies.models import CustomStrategy
from strategies.run_form import TIMEFRAME_LABELS
from strategies.services import custom
from strategies.starters import STARTERS
from tradingsite.lib.errors import ApiError, NotAllowed

PAGE_SIZE = 25
MAX_FOUND = 6
SIDES = (("buy", "Buy"), ("sell", "Sell"), ("short", "Short"), ("cover", "Cover"))


@login_required
@require_GET
def custom_list(request: HttpRequest) -> HttpResponse:
    """The user's own custom strategies, the last changed first."""
    page = Paginator(selectors.custom_of(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    shown = {"page": page, "refusal": _refusal(request.user), "starters": STARTERS}
    return render(request, "strategies/custom_list.html", shown)


@login_required
@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """The empty builder. A tier without custom strategies may build and look, and is told what saving takes."""
    return _builder(request, None)


@login_required
@require_GET
def edit(request: HttpRequest, custom_id: int) -> HttpResponse:
    """The builder with one of the user's own in it."""
    return _builder(request, selectors.custom(request.user, custom_id))


@login_required
@require_GET
def conditions(request: HttpRequest, custom_id: int) -> HttpResponse:
    """The builder with an own or public one in it, to look at; nothing can be changed."""
    return _builder(request, selectors.readable_custom(request.user, custom_id), read_only=True)


@login_required
@require_GET
def detail(request: HttpRequest, custom_id: int) -> HttpResponse:
    """One custom strategy, own or public: what it says in words, and how its check stands."""
    row = selectors.readable_custom(request.user, custom_id)
    sentences = custom.sentences(row.parameters)
    shown: dict[str, Any] = {
        "row": row,
        "is_own": row.owner_id == request.user.pk,
        "refusal": _refusal(request.user),
        "sentences": [(label, sentences[side]) for side, label in SIDES if sentences.get(side)],
        "size": custom.size(row.parameters),
        "report": row.check_report or {},
        "may_run": row.is_active and row.check_state != CustomStrategy.Check.FAILED,
    }
    return render(request, "strategies/custom_detail.html", shown)


@login_required
@require_POST
def copy(request: HttpRequest, custom_id: int) -> HttpResponse:
    """A private copy of an own or public one; goes on to the builder."""
    row = custom.copy(request.user, custom_id)
    messages.success(request, f"Copied as “{row.name}”.")
    return redirect("strategies:custom-edit", custom_id=row.pk)


@login_required
@require_POST
def switch(request: HttpRequest, custom_id: int) -> HttpResponse:
    """Let new runs use one of the user's own, or keep them from it."""
    active = request.POST.get("is_active") == "true"
    row = custom.update(request.user, custom_id, {"is_active": active})
    messages.success(request, f"“{row.name}” is switched {'on' if active else 'off'}.")
    return redirect("strategies:custom-detail", custom_id=row.pk)


@login_required
@require_POST
def delete(request: HttpRequest, custom_id: int) -> HttpResponse:
    """Delete one of the user's own; the page asks first. While something runs it, the page says what."""
    name = selectors.custom(request.user, custom_id).name
    try:
        custom.remove(request.user, custom_id)
    except ApiError as refusal:
        messages.error(request, refusal.message)
        return redirect("strategies:custom-detail", custom_id=custom_id)
    messages.success(request, f"Deleted “{name}”.")
    return redirect("strategies:custom")


@login_required
@require_GET
def palette(request: HttpRequest) -> JsonResponse:
    """The user's own strategies for the search: ``{results: [{label, kind, url}]}``."""
    words = request.GET.get("q", "").strip().replace("\x00", "")[:60]
    results = []
    if words:
        for row in selectors.custom_of(request.user).filter(name__icontains=words)[:MAX_FOUND]:
            address = reverse("strategies:custom-detail", args=[row.pk])
            results.append({"label": row.name, "kind": "Custom strategy", "url": address})
        for saved in selectors.for_user(request.user).filter(name__icontains=words)[:MAX_FOUND]:
            address = reverse("strategies:detail", args=[saved.pk])
            results.append({"label": saved.name, "kind": "Saved strategy", "url": address})
    return JsonResponse({"results": results})


def _builder(request: HttpRequest, row: CustomStrategy | None, *, read_only: bool = False) -> HttpResponse:
    shown = {
        "row": row,
        "read_only": read_only,
        "refusal": "" if read_only else _refusal(request.user),
        "sides": SIDES,
        "sources": Source.choices,
        "timeframes": TIMEFRAME_LABELS.items(),
        "data": builder.page_data(request.user, row, read_only=read_only),
    }
    return render(request, "strategies/builder.html", shown)


def _refusal(user: User) -> str:
    """Why the user's tier can neither save nor run custom strategies, in words; empty where it can."""
    try:
        quotas.check_custom_strategy(user)
    except NotAllowed as refusal:
        return refusal.message
    return ""
