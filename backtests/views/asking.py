"""The page on which a job is asked for: the same steps for a backtest, a sweep and a portfolio."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render

from backtests.models.job import Job
from engine.errors import InputError
from marketdata.models.instrument import AUTO, Source
from strategies.run_form import CUSTOM, SAVED, RunForm
from tradingsite.lib.errors import ApiError, Unprocessable

Form = TypeVar("Form", bound=RunForm)


def asked(
    request: HttpRequest,
    kind: type[Form],
    template: str,
    *,
    prefilled: Callable[[HttpRequest], Form],
    submit: Callable[[Any, dict[str, Any], str], Job],
    then: str,
) -> HttpResponse:
    """GET: the form as `prefilled`. POST: `submit` it and go to the address `then` of what was started.

    When it is refused, the form comes back with what was typed.
    """
    if request.method == "GET":
        return render(request, template, {"form": prefilled(request), "key": uuid.uuid4().hex})
    form = kind.from_request(request.user, request.POST)
    drawn = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    confirmed = request.POST.get("confirm_cautions") == "true"
    shown: dict[str, Any] = {"form": form, "key": drawn, "confirmed": confirmed}
    body = form.check()
    if form.has_errors:
        return render(request, template, shown, status=400)
    try:
        job = submit(request.user, {**body, "confirm_cautions": confirmed}, form.key(drawn, body))
    except InputError as error:
        form.refuse(error.faults)
        return render(request, template, shown, status=400)
    except Unprocessable as refusal:
        # The cautions are in the form already; it asks for the confirmation.
        if refusal.code != "needs_confirmation":
            form.refuse(refusal.faults)
            shown["refusal"] = refusal.message
        return render(request, template, shown, status=refusal.status)
    except ApiError as refusal:
        return render(request, template, shown | {"refusal": refusal.message}, status=refusal.status)
    return redirect(then, job.pk)


def market(sent: QueryDict) -> dict[str, Any]:
    """Values of a form from an address: ``?symbol=``, as often as there are symbols, and ``?source=``."""
    values: dict[str, Any] = {"symbols": [symbol.upper()[:24] for symbol in sent.getlist("symbol")[:100]]}
    if sent.get("source") in [*Source.values, AUTO]:
        values["source"] = sent["source"]
    return values


def strategy(sent: QueryDict) -> dict[str, str]:
    """The value of a form's strategy from an address: ``?saved=``, ``?custom=`` or ``?strategy=``."""
    for name, prefix in (("saved", SAVED), ("custom", CUSTOM)):
        if sent.get(name, "").isdecimal():
            return {"strategy": f"{prefix}{sent[name]}"}
    return {"strategy": sent["strategy"][:60]} if sent.get("strategy") else {}


def picked(request: HttpRequest, kind: type[Form]) -> Form:
    """The form as it is with the strategy and the preset that were just picked, and nothing else."""
    chosen = QueryDict(mutable=True)
    chosen.update({key: request.GET[key] for key in ("strategy", "preset") if key in request.GET})
    return kind.from_request(request.user, chosen)


def checked(request: HttpRequest, kind: type[Form], template: str) -> HttpResponse:
    """The live check: every field's error as it is now, and the cautions. Writes nothing."""
    form = kind.from_request(request.user, request.POST)
    form.check(live=True)
    confirmed = request.POST.get("confirm_cautions") == "true"
    return render(request, template, {"form": form, "confirmed": confirmed})
