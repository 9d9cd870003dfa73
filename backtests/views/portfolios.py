"""Pages of portfolio studies: the list, the form with its live check, and one study while it runs and after."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backtests.models import AllocationStudy
from backtests.portfolios import selectors, services
from backtests.portfolios.forms import PortfolioForm
from backtests.portfolios.presenters import PHASES, StudyPage, method_label
from engine.errors import InputError
from marketdata.models.instrument import AUTO, Source
from strategies import allocation
from tradingsite.lib.errors import ApiError, NotFound, Unprocessable

PAGE_SIZE = 25


@login_required
@require_GET
def study_list(request: HttpRequest) -> HttpResponse:
    """The user's studies, newest first."""
    page = Paginator(selectors.for_user(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(study, method_label(study.method)) for study in page]
    return render(request, "backtests/portfolios/list.html", {"page": page, "rows": rows})


@login_required
@require_http_methods(["GET", "POST"])
def new_study(request: HttpRequest) -> HttpResponse:
    """GET: the form, filled in from ``?symbol=``, ``?source=``, ``?method=`` or ``?from=``, a study. POST: starts."""
    if request.method == "GET":
        shown = {"form": _prefilled(request), "key": uuid.uuid4().hex}
        return render(request, "backtests/portfolios/new.html", shown)
    form = PortfolioForm.from_request(request.user, request.POST)
    drawn = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    confirmed = request.POST.get("confirm_cautions") == "true"
    shown = {"form": form, "key": drawn, "confirmed": confirmed}
    body = form.check()
    if form.errors or form.other_errors:
        return render(request, "backtests/portfolios/new.html", shown, status=400)
    try:
        study = services.submit(request.user, {**body, "confirm_cautions": confirmed}, form.key(drawn, body))
    except InputError as error:
        form.refuse(error.faults)
        return render(request, "backtests/portfolios/new.html", shown, status=400)
    except Unprocessable as refusal:
        # The cautions are in the form already; it asks for the confirmation.
        return render(request, "backtests/portfolios/new.html", shown, status=refusal.status)
    except ApiError as refusal:
        shown["refusal"] = refusal.message
        return render(request, "backtests/portfolios/new.html", shown, status=refusal.status)
    return redirect("portfolios:detail", study_id=study.pk)


def _prefilled(request: HttpRequest) -> PortfolioForm:
    asked = request.GET
    if "from" in asked:
        return PortfolioForm.from_config(request.user, selectors.get(request.user, asked["from"]).config)
    values: dict[str, object] = {"symbols": [symbol.upper()[:24] for symbol in asked.getlist("symbol")[:100]]}
    if asked.get("source") in [*Source.values, AUTO]:
        values["source"] = asked["source"]
    if asked.get("method") in allocation.registered():
        values["method"] = asked["method"]
    return PortfolioForm(request.user, values)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: every field's error as it is now, the account's limits, the cautions. Writes nothing."""
    form = PortfolioForm.from_request(request.user, request.POST)
    form.check(live=True)
    confirmed = request.POST.get("confirm_cautions") == "true"
    return render(request, "backtests/portfolios/parts/check.html", {"form": form, "confirmed": confirmed})


@login_required
@require_GET
def detail(request: HttpRequest, study_id: uuid.UUID) -> HttpResponse:
    """One study: how far it is, how it ended, or all that was found."""
    study = selectors.get(request.user, study_id)
    shown = {"study": study, "page": StudyPage(study), "phases": PHASES}
    if study.is_active:
        return render(request, "backtests/portfolios/running.html", shown)
    if study.state != AllocationStudy.State.DONE:
        return render(request, "backtests/portfolios/ended.html", shown)
    return render(request, "backtests/portfolios/result.html", shown | {"outdated": selectors.outdated(study)})


@login_required
@require_GET
def progress(request: HttpRequest, study_id: uuid.UUID) -> JsonResponse:
    """How far it is (`selectors.progress`): the snapshot for a page that missed a message."""
    answer = JsonResponse(selectors.progress(selectors.get(request.user, study_id)))
    answer["Cache-Control"] = "no-store"
    return answer


@login_required
@require_GET
def drawing(request: HttpRequest, study_id: uuid.UUID) -> JsonResponse:
    """What the charts are drawn from; {} until it is done."""
    study = selectors.get(request.user, study_id)
    return JsonResponse(StudyPage(study).drawing if study.document else {})


@login_required
@require_POST
def act(request: HttpRequest, study_id: uuid.UUID, action: str) -> HttpResponse:
    """Cancel or delete."""
    if action == "delete":
        services.remove(request.user, study_id)
        messages.success(request, "The portfolio was deleted.")
        return redirect("portfolios:list")
    services.cancel(request.user, study_id)
    return redirect("portfolios:detail", study_id=study_id)


@login_required
@require_POST
def take(request: HttpRequest, study_id: uuid.UUID) -> HttpResponse:
    """With a ``name`` kept as a strategy; with ``which`` opened as a backtest of its own."""
    name = request.POST.get("name")
    try:
        if name is None:
            backtest = services.open_backtest(request.user, study_id, request.POST.get("which", ""))
            return redirect("backtests:detail", backtest_id=backtest.pk)
        saved = services.save_as_strategy(request.user, study_id, name.strip())
        messages.success(request, f"Saved as the strategy “{saved.name}”.")
    except NotFound:
        raise  # nothing to go back to
    except InputError as error:
        messages.error(request, error.faults[0].message)
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("portfolios:detail", study_id=study_id)
