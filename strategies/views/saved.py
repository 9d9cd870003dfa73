"""Pages of the catalogue and of saved strategies. What they do, `strategies.services` does."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.errors import InputError
from strategies import catalogue, reading, selectors, services, session_settings
from strategies.base import Strategy
from strategies.ensemble import Ensemble, sentences
from strategies.forms import StrategyForm
from strategies.gallery import publishing
from strategies.gallery.shown import in_words
from strategies.models import UserStrategy
from tradingsite.lib.errors import ApiError, NotFound

PAGE_SIZE = 25


@login_required
@require_GET
def strategy_list(request: HttpRequest) -> HttpResponse:
    """The user's saved strategies, and the catalogue they can start from."""
    page = Paginator(selectors.for_user(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "strategies/list.html", {"page": page, "catalogue": catalogue.listed()})


@login_required
@require_GET
def catalogue_entry(request: HttpRequest, slug: str) -> HttpResponse:
    """What a shipped strategy does, and its parameters with their bounds."""
    declared = _declared(slug)
    params = [(param, param.words(param.default)) for param in declared.params.values()]
    shown = {"declared": declared, "params": params, "symbols_words": reading.symbols_words(declared)}
    return render(request, "strategies/entry.html", shown)


@login_required
@require_GET
def detail(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """One saved strategy, own or public."""
    row = selectors.readable(request.user, strategy_id)
    shown: dict[str, Any] = {"row": row, "is_own": row.owner_id == request.user.pk, "declared": None}
    shown["publication"] = publishing.of(row)
    try:
        shown["declared"] = row.declared
        shown["values"] = in_words(row.declared.params, row.parameters)
        shown["settings"] = in_words(session_settings.SETTINGS, row.settings)
        shown["sentences"] = sentences(row.parameters) if row.strategy == Ensemble.slug else {}
    except InputError as error:
        # A release may drop a strategy; what was saved stays readable.
        shown["missing"] = str(error)
    return render(request, "strategies/detail.html", shown)


@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Save a catalogue entry, ``?strategy=`` names it, with own parameters."""
    sent = request.POST if request.method == "POST" else request.GET
    declared = _declared(sent.get("strategy") or catalogue.listed()[0].slug)
    if declared is Ensemble:
        return redirect("strategies:compose")
    if request.method == "GET":
        return _form(request, StrategyForm(declared))
    form = StrategyForm.from_request(declared, request.POST)
    try:
        row = services.create(request.user, **form.payload())
    except (InputError, ApiError) as refusal:
        return _refused(request, form, refusal)
    messages.success(request, f"Saved “{row.name}”.")
    return redirect("strategies:detail", strategy_id=row.pk)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Change one of the user's own."""
    row = selectors.get(request.user, strategy_id)
    if row.strategy == Ensemble.slug:
        return redirect("strategies:compose-edit", strategy_id=row.pk)
    if request.method == "GET":
        return _form(request, StrategyForm.from_row(row), row)
    form = StrategyForm.from_request(row.declared, request.POST)
    try:
        services.update(request.user, strategy_id, form.payload())
    except (InputError, ApiError) as refusal:
        return _refused(request, form, refusal, row)
    messages.success(request, "Saved.")
    return redirect("strategies:detail", strategy_id=row.pk)


@login_required
@require_POST
def copy(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """A private copy of an own or public strategy; goes on to its form."""
    row = services.copy(request.user, strategy_id)
    messages.success(request, f"Copied as “{row.name}”.")
    return redirect("strategies:edit", strategy_id=row.pk)


@login_required
@require_POST
def delete(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Delete one of the user's own; the page asks first."""
    name = selectors.get(request.user, strategy_id).name
    services.remove(request.user, strategy_id)
    messages.success(request, f"Deleted “{name}”.")
    return redirect("strategies:list")


def _declared(slug: str) -> type[Strategy]:
    try:
        return catalogue.get(slug)
    except InputError as error:
        raise NotFound("There is no such strategy.") from error


def _form(request: HttpRequest, form: StrategyForm, row: UserStrategy | None = None, status: int = 200) -> HttpResponse:
    shown = {"form": form, "row": row, "catalogue": catalogue.listed()}
    return render(request, "strategies/form.html", shown, status=status)


def _refused(
    request: HttpRequest, form: StrategyForm, refusal: InputError | ApiError, row: UserStrategy | None = None
) -> HttpResponse:
    """The form again, with what was typed and what is wrong with it."""
    form.refuse(refusal.faults)
    if isinstance(refusal, InputError):
        return _form(request, form, row, status=400)
    if not refusal.faults:
        form.other_errors.append(refusal.message)
    return _form(request, form, row, status=refusal.status)
