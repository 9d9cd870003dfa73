"""Pages of sweeps: the list, the form with its live count, and one sweep while it runs and after."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backtests.sweeps import selectors, services
from backtests.sweeps.forms import SweepForm
from backtests.sweeps.presenters import SweepPage
from engine.errors import InputError
from strategies.run_form import CUSTOM, SAVED
from tradingsite.lib.errors import ApiError, NotFound, Unprocessable

PAGE_SIZE = 25


@login_required
@require_GET
def sweep_list(request: HttpRequest) -> HttpResponse:
    """The user's sweeps, newest first."""
    page = Paginator(selectors.for_user(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "backtests/sweeps/list.html", {"page": page})


@login_required
@require_http_methods(["GET", "POST"])
def new_sweep(request: HttpRequest) -> HttpResponse:
    """GET: the form, filled in from ``?strategy=``, ``?saved=``, ``?custom=`` or ``?symbol=``. POST: starts it."""
    if request.method == "GET":
        return render(request, "backtests/sweeps/new.html", {"form": _prefilled(request), "key": uuid.uuid4().hex})
    form = SweepForm.from_request(request.user, request.POST)
    drawn = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    confirmed = request.POST.get("confirm_cautions") == "true"
    shown = {"form": form, "key": drawn, "confirmed": confirmed}
    body = form.check()
    if form.errors or form.other_errors or form.axis_errors:
        return render(request, "backtests/sweeps/new.html", shown, status=400)
    try:
        sweep = services.submit(request.user, {**body, "confirm_cautions": confirmed}, form.key(drawn, body))
    except InputError as error:
        form.refuse(error.faults)
        return render(request, "backtests/sweeps/new.html", shown, status=400)
    except Unprocessable as refusal:
        # The cautions are in the form already; it asks for the confirmation.
        return render(request, "backtests/sweeps/new.html", shown, status=refusal.status)
    except ApiError as refusal:
        return render(request, "backtests/sweeps/new.html", shown | {"refusal": refusal.message}, status=refusal.status)
    return redirect("backtests:sweep", sweep_id=sweep.pk)


def _prefilled(request: HttpRequest) -> SweepForm:
    asked = request.GET
    values: dict[str, object] = {"symbols": [symbol.upper()[:24] for symbol in asked.getlist("symbol")[:100]]}
    for name, prefix in (("saved", SAVED), ("custom", CUSTOM)):
        if asked.get(name, "").isdecimal():
            values["strategy"] = f"{prefix}{asked[name]}"
    if asked.get("strategy"):
        values["strategy"] = asked["strategy"][:60]
    form = SweepForm(request.user, values)
    return form if form.chosen is not None else SweepForm(request.user, {"symbols": values["symbols"]})


@login_required
@require_GET
def form_part(request: HttpRequest) -> HttpResponse:
    """Parameters and axes of the strategy that was just picked."""
    chosen = QueryDict(mutable=True)
    chosen.update({key: request.GET[key] for key in ("strategy", "preset") if key in request.GET})
    form = SweepForm.from_request(request.user, chosen)
    own_settings = bool(form.saved and form.saved.settings)
    shown = {"form": form, "settings_too": own_settings}
    return render(request, "backtests/sweeps/parts/chosen.html", shown)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: how many combinations there are, every field's error, the cautions. Writes nothing."""
    form = SweepForm.from_request(request.user, request.POST)
    form.check(live=True)
    confirmed = request.POST.get("confirm_cautions") == "true"
    return render(request, "backtests/sweeps/parts/check.html", {"form": form, "confirmed": confirmed})


@login_required
@require_GET
def detail(request: HttpRequest, sweep_id: uuid.UUID) -> HttpResponse:
    """One sweep: how far it is, its maps, its best combinations."""
    sweep = selectors.get(request.user, sweep_id)
    part = request.GET.get("part") if request.htmx else None
    name = {"best": "parts/best.html", "head": "parts/head.html"}.get(part or "", "detail.html")
    answer = render(request, f"backtests/sweeps/{name}", {"sweep": sweep, "page": SweepPage(sweep)})
    answer["Cache-Control"] = "no-store"
    patch_vary_headers(answer, ["HX-Request"])
    return answer


@login_required
@require_GET
def progress(request: HttpRequest, sweep_id: uuid.UUID) -> JsonResponse:
    """How far it is (`selectors.progress`): the snapshot for a page that missed a message."""
    return _fresh(JsonResponse(selectors.progress(selectors.get(request.user, sweep_id))))


@login_required
@require_GET
def cells(request: HttpRequest, sweep_id: uuid.UUID) -> JsonResponse:
    """What came in since ``?after=`` (`selectors.cells`)."""
    after = request.GET.get("after", "0")
    place = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0
    return _fresh(JsonResponse(selectors.cells(selectors.get(request.user, sweep_id), place)))


@login_required
@require_POST
def act(request: HttpRequest, sweep_id: uuid.UUID, action: str) -> HttpResponse:
    """Cancel, resume or delete."""
    try:
        {"cancel": services.cancel, "resume": services.resume, "delete": services.remove}[action](
            request.user, sweep_id
        )
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
    if action == "delete":
        messages.success(request, "The sweep was deleted.")
        return redirect("backtests:sweeps")
    return redirect("backtests:sweep", sweep_id=sweep_id)


@login_required
@require_POST
def take(request: HttpRequest, sweep_id: uuid.UUID) -> HttpResponse:
    """One combination: opened as a backtest, or with a ``name`` kept as a strategy."""
    number = request.POST.get("cell", "")
    cell = int(number) if number.isascii() and number.isdecimal() and len(number) < 17 else -1
    name = request.POST.get("name")
    try:
        if name is None:
            return redirect("backtests:detail", backtest_id=services.open_cell(request.user, sweep_id, cell).pk)
        saved = services.save_cell(request.user, sweep_id, cell, name.strip())
        messages.success(request, f"Saved as the strategy “{saved.name}”.")
    except NotFound:
        raise  # nothing to go back to
    except InputError as error:
        messages.error(request, error.faults[0].message)
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("backtests:sweep", sweep_id=sweep_id)


def _fresh(answer: JsonResponse) -> JsonResponse:
    answer["Cache-Control"] = "no-store"
    return answer
