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
from backtests.views import asking
from strategies import allocation
from tradingsite.lib.answers import fresh, told

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
    return asking.asked(
        request,
        PortfolioForm,
        "backtests/portfolios/new.html",
        prefilled=_prefilled,
        submit=services.submit,
        then="portfolios:detail",
    )


def _prefilled(request: HttpRequest) -> PortfolioForm:
    asked = request.GET
    if "from" in asked:
        return PortfolioForm.from_config(request.user, selectors.get(request.user, asked["from"]).config)
    values = asking.market(asked)
    if asked.get("method") in allocation.registered():
        values["method"] = asked["method"]
    return PortfolioForm(request.user, values)


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: every field's error as it is now, the account's limits, the cautions. Writes nothing."""
    return asking.checked(request, PortfolioForm, "backtests/portfolios/parts/check.html")


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
    return fresh(selectors.progress(selectors.get(request.user, study_id)))


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
    with told(request):
        if name is None:
            backtest = services.open_backtest(request.user, study_id, request.POST.get("which", ""))
            return redirect("backtests:detail", backtest_id=backtest.pk)
        saved = services.save_as_strategy(request.user, study_id, name.strip())
        messages.success(request, f"Saved as the strategy “{saved.name}”.")
    return redirect("portfolios:detail", study_id=study_id)
