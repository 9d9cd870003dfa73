"""Pages of robustness passports, and the part that a strategy and a backtest show of theirs."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from backtests import selectors as backtest_selectors
from backtests.models import Backtest, Passport
from backtests.proof import selectors, services
from backtests.proof.drawing import drawn
from strategies import selectors as strategy_selectors
from strategies.models import UserStrategy
from tradingsite.lib.answers import told

HISTORY = 10


@login_required
@require_GET
def detail(request: HttpRequest, passport_id: uuid.UUID) -> HttpResponse:
    """A passport in whatever state it is; while it is made the page asks for its part once a second."""
    passport = selectors.get(request.user, passport_id)
    shown = {"passport": passport, **_told(passport)}
    if request.htmx and request.htmx.target == "passport":
        answer = render(request, "backtests/parts/passport_body.html", shown)
        if not passport.is_active:
            answer["HX-Refresh"] = "true"  # it is over: the head of the page has other buttons, too
    else:
        answer = render(request, "backtests/passport.html", shown)
    # One address, two answers: without this, Back could show the part as if it were the page.
    patch_vary_headers(answer, ["HX-Request", "HX-Target"])
    return answer


@login_required
@require_GET
def of_backtest(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """The card on a backtest's page: the newest passport of what it ran."""
    backtest = backtest_selectors.get(request.user, backtest_id)
    return _card(request, selectors.of_backtest(request.user, backtest), backtest)


@login_required
@require_GET
def of_strategy(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """The card on a saved strategy's page: the newest passport of its backtests."""
    saved = strategy_selectors.get(request.user, strategy_id)
    done = backtest_selectors.for_user(request.user).filter(state=Backtest.State.DONE, saved_strategy_id=saved.pk)
    return _card(request, selectors.of_saved(request.user, saved), done.first(), saved)


@login_required
@require_POST
def make(request: HttpRequest, backtest_id: uuid.UUID) -> HttpResponse:
    """Have what a finished backtest ran examined, and go to the passport."""
    with told(request, "Not examined. "):
        passport = services.request(request.user, backtest_id)
        return redirect("backtests:passport", passport_id=passport.pk)
    return redirect("backtests:detail", backtest_id=backtest_id)


@login_required
@require_POST
def cancel(request: HttpRequest, passport_id: uuid.UUID) -> HttpResponse:
    """Stop it; the page then shows how it ended."""
    services.cancel(request.user, passport_id)
    return redirect("backtests:passport", passport_id=passport_id)


@login_required
@require_POST
def remove(request: HttpRequest, passport_id: uuid.UUID) -> HttpResponse:
    """Delete it."""
    passport = selectors.get(request.user, passport_id)
    services.remove(request.user, passport_id)
    messages.success(request, "The passport was deleted. What was tried stays counted.")
    if passport.backtest_id is None:
        return redirect("backtests:list")
    return redirect("backtests:detail", backtest_id=passport.backtest_id)


def _card(
    request: HttpRequest, rows: QuerySet[Passport], backtest: Backtest | None, saved: UserStrategy | None = None
) -> HttpResponse:
    """backtest: what can be examined; None: run one first."""
    first = rows.first()
    newest = selectors.get(request.user, first.pk) if first is not None else None
    shown = {"newest": newest, "backtest": backtest, "saved": saved, **(_told(newest) if newest else {})}
    return render(request, "backtests/parts/passport_card.html", shown)


def _told(passport: Passport) -> dict[str, Any]:
    """What a page says of a passport beside its columns."""
    if passport.state != Passport.State.DONE or passport.document is None:
        return {"findings": [], "outdated": [], "data_moved": False, "history": _others(passport)}
    findings = [{**finding, "drawn": drawn(finding["chart"])} for finding in passport.document["findings"]]
    return {
        "findings": findings,
        "outdated": selectors.outdated(passport),
        "data_moved": selectors.data_moved(passport),
        "tried_since": selectors.tried_since(passport),
        "history": _others(passport),
    }


def _others(passport: Passport) -> list[Passport]:
    """Other passports of the same choice, the newest first."""
    same = selectors.for_user(passport.owner).filter(choice=passport.choice)
    return list(same.exclude(pk=passport.pk)[:HISTORY])
