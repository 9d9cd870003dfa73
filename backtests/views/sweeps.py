"""Pages of sweeps: the list, the form with its live count, and one sweep while it runs and after."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backtests.sweeps import selectors, services
from backtests.sweeps.forms import SweepForm
from backtests.sweeps.presenters import SweepPage
from backtests.views import asking
from tradingsite.lib.answers import fresh, told

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
    """GET: the form, filled in from ``?strategy=``, ``?saved=``, ``?custom=``, ``?symbol=`` or ``?source=``.

    POST: starts it and goes to its page.
    """
    return asking.asked(
        request,
        SweepForm,
        "backtests/sweeps/new.html",
        prefilled=_prefilled,
        submit=services.submit,
        then="backtests:sweep",
    )


def _prefilled(request: HttpRequest) -> SweepForm:
    values = asking.market(request.GET) | asking.strategy(request.GET)
    form = SweepForm(request.user, values)
    is_known = form.chosen is not None or form.custom is not None
    return form if is_known else SweepForm(request.user, {"symbols": values["symbols"]})


@login_required
@require_GET
def form_part(request: HttpRequest) -> HttpResponse:
    """Parameters and axes of the strategy that was just picked."""
    form = asking.picked(request, SweepForm)
    own_settings = bool(form.saved and form.saved.settings)
    shown = {"form": form, "settings_too": own_settings}
    return render(request, "backtests/sweeps/parts/chosen.html", shown)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: how many combinations there are, every field's error, the cautions. Writes nothing."""
    return asking.checked(request, SweepForm, "backtests/sweeps/parts/check.html")


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
    return fresh(selectors.progress(selectors.get(request.user, sweep_id)))


@login_required
@require_GET
def cells(request: HttpRequest, sweep_id: uuid.UUID) -> JsonResponse:
    """What came in since ``?after=`` (`selectors.cells`)."""
    after = request.GET.get("after", "0")
    place = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0
    return fresh(selectors.cells(selectors.get(request.user, sweep_id), place))


@login_required
@require_POST
def act(request: HttpRequest, sweep_id: uuid.UUID, action: str) -> HttpResponse:
    """Cancel, resume or delete."""
    acts = {"cancel": services.cancel, "resume": services.resume, "delete": services.remove}
    with told(request):
        acts[action](request.user, sweep_id)
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
    with told(request):
        if name is None:
            return redirect("backtests:detail", backtest_id=services.open_cell(request.user, sweep_id, cell).pk)
        saved = services.save_cell(request.user, sweep_id, cell, name.strip())
        messages.success(request, f"Saved as the strategy “{saved.name}”.")
    return redirect("backtests:sweep", sweep_id=sweep_id)
