"""The new-backtest page: the form, its live check, and the parts of it that are fetched while it is filled in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backtests import selectors, services
from backtests.forms import BacktestForm
from backtests.views import asking
from marketdata import selectors as market
from marketdata.models.instrument import Instrument

MAX_SUGGESTIONS = 12


@login_required
@require_http_methods(["GET", "POST"])
def new_backtest(request: HttpRequest) -> HttpResponse:
    """GET: the form, filled in from ``?strategy=``, ``?saved=``, ``?custom=``, ``?symbol=`` or ``?from=`` (a backtest).

    POST: runs it and goes to its page; when it is refused, the form comes back with what was typed.
    """
    return asking.asked(
        request,
        BacktestForm,
        "backtests/new.html",
        prefilled=_prefilled,
        submit=services.submit,
        then="backtests:detail",
    )


def _prefilled(request: HttpRequest) -> BacktestForm:
    asked = request.GET
    if "from" in asked:
        earlier = selectors.get(request.user, asked["from"])
        return BacktestForm.from_config(request.user, earlier.config, earlier.saved_strategy_id)
    values = asking.market(asked) | asking.strategy(asked)
    form = BacktestForm(request.user, values)
    if not form.parameters and not form.saved and not form.custom:
        known = {choice["value"] for choice in form.strategy_choices}
        if form.values["strategy"] not in known:
            form = BacktestForm(request.user, {"symbols": values["symbols"]})
    return form


@login_required
@require_GET
def form_part(request: HttpRequest) -> HttpResponse:
    """The parameters of the strategy that was just picked, or the settings of the preset that was just picked.

    A saved strategy may bring settings of its own; then they come along with its parameters.
    """
    form = asking.picked(request, BacktestForm)
    if request.GET.get("part") == "settings":
        return render(request, "strategies/parts/settings.html", {"form": form})
    own_settings = bool(form.saved and form.saved.settings)
    return render(request, "strategies/parts/parameters.html", {"form": form, "settings_too": own_settings})


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: every field's error as it is now, and the cautions. Writes nothing."""
    return asking.checked(request, BacktestForm, "strategies/parts/check.html")


@login_required
@require_GET
def symbols(request: HttpRequest) -> JsonResponse:
    """Suggestions for the symbol field: ``{results: [{symbol, name, note, source}]}``; `note` says what is stored."""
    words = request.GET.get("q", "").strip()[:60]
    found = market.instruments(request.user, words)[:MAX_SUGGESTIONS]
    return JsonResponse({"results": [_suggestion(item) for item in found]})


def _suggestion(instrument: Instrument) -> dict[str, str]:
    stored = [f"{row.timeframe} {row.first_at:%Y}–{row.last_at:%Y}" for row in instrument.coverages.all()]
    notes = [*(["synthetic"] if instrument.synthetic else []), *stored]
    return {
        "symbol": instrument.symbol,
        "name": instrument.name,
        "note": ", ".join(notes),
        "source": instrument.source,
    }
