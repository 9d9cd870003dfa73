"""The new-backtest page: the form, its live check, and the parts of it that are fetched while it is filled in."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backtests import selectors, services
from backtests.forms import CUSTOM, SAVED, BacktestForm
from engine.errors import InputError
from marketdata import selectors as market
from marketdata.models.instrument import AUTO, Instrument, Source
from tradingsite.lib.errors import ApiError, Unprocessable

MAX_SUGGESTIONS = 12


@login_required
@require_http_methods(["GET", "POST"])
def new_backtest(request: HttpRequest) -> HttpResponse:
    """GET: the form, filled in from ``?strategy=``, ``?saved=``, ``?custom=``, ``?symbol=`` or ``?from=`` (a backtest).

    POST: runs it and goes to its page; when it is refused, the form comes back with what was typed.
    """
    if request.method == "GET":
        return render(request, "backtests/new.html", {"form": _prefilled(request), "key": uuid.uuid4().hex})
    form = BacktestForm.from_request(request.user, request.POST)
    drawn = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    confirmed = request.POST.get("confirm_cautions") == "true"
    shown = {"form": form, "key": drawn, "confirmed": confirmed}
    body = form.check()
    if form.errors or form.other_errors:
        return render(request, "backtests/new.html", shown, status=400)
    try:
        backtest = services.submit(request.user, {**body, "confirm_cautions": confirmed}, form.key(drawn, body))
    except InputError as error:
        form.refuse(error.faults)
        return render(request, "backtests/new.html", shown, status=400)
    except Unprocessable as refusal:
        # The cautions are in the form already; it asks for the confirmation.
        if refusal.code != "needs_confirmation":
            form.refuse(refusal.faults)
            shown["refusal"] = refusal.message
        return render(request, "backtests/new.html", shown, status=refusal.status)
    except ApiError as refusal:
        return render(request, "backtests/new.html", shown | {"refusal": refusal.message}, status=refusal.status)
    return redirect("backtests:detail", backtest_id=backtest.pk)


def _prefilled(request: HttpRequest) -> BacktestForm:
    asked = request.GET
    if "from" in asked:
        earlier = selectors.get(request.user, asked["from"])
        return BacktestForm.from_config(request.user, earlier.config, earlier.saved_strategy_id)
    values: dict[str, object] = {"symbols": [symbol.upper()[:24] for symbol in asked.getlist("symbol")[:100]]}
    if asked.get("source") in [*Source.values, AUTO]:
        values["source"] = asked["source"]
    if asked.get("saved", "").isdecimal():
        values["strategy"] = f"{SAVED}{asked['saved']}"
    elif asked.get("custom", "").isdecimal():
        values["strategy"] = f"{CUSTOM}{asked['custom']}"
    elif asked.get("strategy"):
        values["strategy"] = asked["strategy"][:60]
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
    chosen = QueryDict(mutable=True)
    chosen.update({key: request.GET[key] for key in ("strategy", "preset") if key in request.GET})
    form = BacktestForm.from_request(request.user, chosen)
    if request.GET.get("part") == "settings":
        return render(request, "strategies/parts/settings.html", {"form": form})
    own_settings = bool(form.saved and form.saved.settings)
    return render(request, "strategies/parts/parameters.html", {"form": form, "settings_too": own_settings})


@login_required
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """The live check: every field's error as it is now, and the cautions. Writes nothing."""
    form = BacktestForm.from_request(request.user, request.POST)
    form.check(live=True)
    return render(
        request,
        "strategies/parts/check.html",
        {"form": form, "confirmed": request.POST.get("confirm_cautions") == "true"},
    )


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
