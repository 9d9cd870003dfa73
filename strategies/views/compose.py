"""Pages on which several strategies are put together as one. What they do, `strategies.services` does."""

from __future__ import annotations

import re

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.errors import InputError
from strategies import selectors, services
from strategies.compose_form import ComposeForm, choosable, picked
from strategies.ensemble import MOST_MEMBERS, Ensemble
from strategies.models import UserStrategy
from strategies.views import saved
from tradingsite.lib.errors import ApiError, NotFound

_KEY = re.compile(r"m\d{1,4}")


@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """GET: the form, ``?pick=`` (more than once) fills in members. POST: saves it and goes to its page."""
    if request.method == "GET":
        picks = request.GET.getlist("pick")[:MOST_MEMBERS]
        rows = [picked(request.user, pick, f"m{i}") for i, pick in enumerate(picks)]
        return _page(request, ComposeForm(request.user, rows))
    form = ComposeForm.from_request(request.user, request.POST)
    try:
        row = services.create(request.user, **form.payload())
    except (InputError, ApiError) as refusal:
        return _refused(request, form, refusal)
    messages.success(request, f"Saved “{row.name}”.")
    return redirect("strategies:detail", strategy_id=row.pk)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Change one of the user's own ensembles; any other strategy's own form answers here as well."""
    row = selectors.get(request.user, strategy_id)
    if row.strategy != Ensemble.slug:
        return saved.edit(request, strategy_id)
    if request.method == "GET":
        return _page(request, ComposeForm.from_row(request.user, row), row)
    form = ComposeForm.from_request(request.user, request.POST)
    try:
        services.update(request.user, strategy_id, form.payload())
    except (InputError, ApiError) as refusal:
        return _refused(request, form, refusal, row)
    messages.success(request, "Saved.")
    return redirect("strategies:detail", strategy_id=row.pk)


@login_required
@require_GET
def member(request: HttpRequest) -> HttpResponse:
    """The part of one more member: ``?pick=`` says which (default: the first), ``?key=`` what its fields begin with."""
    key = request.GET.get("key", "m0")
    if not _KEY.fullmatch(key):
        raise NotFound("There is no such row.")
    pick = request.GET.get("pick", f"catalogue:{choosable()[0].slug}")
    return render(request, "strategies/parts/member.html", {"member": picked(request.user, pick, key)})


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """What the form would make, in words, and every field's error as it is now. Writes nothing."""
    form = ComposeForm.from_request(request.user, request.POST)
    return render(request, "strategies/parts/compose_check.html", {"form": form, "told": form.examine()})


def _page(request: HttpRequest, form: ComposeForm, row: UserStrategy | None = None, status: int = 200) -> HttpResponse:
    told = None
    if status == 200 and form.members:
        told = form.examine()
        # Nobody has typed anything yet: what is missing is no error.
        form.errors.clear()
        form.other_errors.clear()
    return render(request, "strategies/compose.html", {"form": form, "row": row, "told": told}, status=status)


def _refused(
    request: HttpRequest, form: ComposeForm, refusal: InputError | ApiError, row: UserStrategy | None = None
) -> HttpResponse:
    """The form again, with what was typed and what is wrong with it."""
    form.refuse(refusal.faults)
    if isinstance(refusal, InputError):
        return _page(request, form, row, status=400)
    if not refusal.faults:
        form.other_errors.append(refusal.message)
    return _page(request, form, row, status=refusal.status)
