"""The page that starts a session: the form, its live check, and its parts that are fetched while it is filled in."""

from __future__ import annotations

import uuid
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import selectors as account_selectors
from accounts.models import BrokerAccount
from accounts.services import stepup
from bots import selectors, services
from bots.forms import BotForm, SessionForm
from bots.forms.market import OPTIONS, SIMULATED, MarketForm
from bots.models import Mode
from bots.services import feeds, real_money
from engine.errors import InputError
from marketdata import selectors as market
from strategies.run_form import CUSTOM, MOST_DIGITS, SAVED
from tradingsite.lib.errors import ApiError, QuotaExceeded, Unprocessable

MAX_SUGGESTIONS = 12
CENT = Decimal("0.01")
FORMS: dict[str, type[MarketForm]] = {"session": SessionForm, "bot": BotForm}
# The bot behind "start a paper bot": a made market whose averages cross within a minute.
FIRST = {
    "name": "My first bot",
    "description": "Trades a made-up market. Nothing about profit can be learned from it.",
    "capital": 100_000,
    "strategy": "ma_crossover",
    "strategy_parameters": {"fast_window": 5, "slow_window": 20, "min_strength_threshold": 0.0},
    "symbols": ["SIM-ALPHA", "SIM-BETA"],
    "timeframe": "1s",
    "settings": {"stop_loss_pct": 0.3, "take_profit_pct": 0.6, "position_size_value": 20.0},
    "feed": "synthetic",
}


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "POST"])
def new_session(request: HttpRequest) -> HttpResponse:
    """GET: the form, filled in from ``?from=`` (an earlier session), ``?strategy=``, ``?saved=``, ``?custom=``,
    ``?symbol=`` or ``?account=`` (live there).

    POST: starts it and goes to its page; when it is refused, the form comes back with what was typed.
    """
    fresh = stepup.is_fresh(request)
    if request.method == "GET":
        blank = {"form": _prefilled(request), "key": uuid.uuid4().hex, "fresh": fresh}
        return render(request, "bots/start.html", blank)
    form = SessionForm.from_request(request.user, request.POST)
    drawn = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    confirmed = request.POST.get("confirm_cautions") == "true"
    shown: dict[str, Any] = {"form": form, "key": drawn, "confirmed": confirmed, "fresh": fresh}
    body = form.check()
    if form.errors or form.other_errors:
        return render(request, "bots/start.html", shown, status=400)
    try:
        real_money.confirm_on_page(request, body)
        key = form.key(drawn, body)
        sent = {**body, "confirm_cautions": confirmed, "passport_override": request.POST.get("passport_override")}
        session, _ = services.sessions.start(request.user, sent, key)
    except InputError as error:
        form.refuse(error.faults)
        return render(request, "bots/start.html", shown, status=400)
    except QuotaExceeded as refusal:
        return render(request, "bots/start.html", shown | _limit(request, refusal), status=refusal.status)
    except Unprocessable as refusal:
        # The cautions are in the form already; it asks for the confirmation.
        if refusal.code != "needs_confirmation":
            form.refuse(refusal.faults)
            shown["refusal"] = refusal.message
        return render(request, "bots/start.html", shown, status=refusal.status)
    except ApiError as refusal:
        return render(request, "bots/start.html", shown | {"refusal": refusal.message}, status=refusal.status)
    return redirect("bots:session", session_id=session.pk)


def _limit(request: HttpRequest, refusal: QuotaExceeded) -> dict[str, Any]:
    """The tier's limit in figures, with the sessions that count against it."""
    active = selectors.sessions(request.user, active=True)
    return {"refusal": refusal.message, "limit": refusal.extra, "active_sessions": active}


def _prefilled(request: HttpRequest) -> SessionForm:
    asked = request.GET
    if asked.get("from", "").isdecimal():
        return SessionForm.from_session(request.user, selectors.session(request.user, _id(asked["from"])))
    values: dict[str, Any] = {"symbols": [symbol.upper()[:24] for symbol in asked.getlist("symbol")[:50]]}
    if not values["symbols"]:
        values["symbols"] = list(SIMULATED[:1])
    elif not all(symbol.startswith("SIM-") for symbol in values["symbols"]):
        values["feed"] = "replay"
    if asked.get("account", "").isdecimal():
        values |= _at(account_selectors.broker_account(request.user, _id(asked["account"])))
    if asked.get("saved", "").isdecimal():
        values["strategy"] = f"{SAVED}{asked['saved']}"
    elif asked.get("custom", "").isdecimal():
        values["strategy"] = f"{CUSTOM}{asked['custom']}"
    elif asked.get("strategy"):
        values["strategy"] = asked["strategy"][:60]
    form = SessionForm(request.user, values)
    known = (
        form.saved
        or form.custom
        or values.get("strategy") in {None, *(choice["value"] for choice in form.strategy_choices)}
    )
    if not known:
        return SessionForm(request.user, {"symbols": values["symbols"]})
    line = form.account_line if form.is_live else None  # on paper no account is asked for
    if line is not None and line.free is not None and 0 < line.free < Decimal(form.values["initial_cash"]):
        form.values["initial_cash"] = f"{line.free.quantize(CENT, ROUND_DOWN).normalize():f}"  # what can be reserved
    return form


def _id(digits: str) -> int:
    """Digits of any length as an id; too many are nobody's, and more than Python reads."""
    return int(digits[:MOST_DIGITS])


def _at(account: BrokerAccount) -> dict[str, Any]:
    """What the form of a live session on this account begins with: the broker's prices, where it tells any, by the
    account's own keys."""
    values: dict[str, Any] = {"mode": Mode.LIVE.value, "broker_account_id": str(account.pk)}
    if account.kind in feeds.LIVE:
        values |= {"feed": account.kind, f"{OPTIONS}.account": str(account.pk)}
    if account.environment != BrokerAccount.Environment.PRACTICE:
        values["symbols"] = []  # what trades there is for the person to say
    return values


@login_required
@require_GET
def form_part(request: HttpRequest) -> HttpResponse:
    """What belongs to what was just picked: the strategy's parameters, the preset's settings, the feed's options, the
    accounts of a live session."""
    chosen = QueryDict(mutable=True)
    picked = ("strategy", "preset", "feed", "mode", "broker_account_id")
    chosen.update({key: request.GET[key] for key in picked if key in request.GET})
    form = SessionForm.from_request(request.user, chosen)
    part = request.GET.get("part")
    if part == "settings":
        return render(request, "strategies/parts/settings.html", {"form": form})
    if part == "mode":
        return render(request, "bots/parts/mode.html", {"form": form, "fresh": stepup.is_fresh(request)})
    if part == "feed":
        return render(request, "bots/parts/feed_options.html", {"form": form})
    own_settings = bool(form.saved and form.saved.settings)
    return render(request, "strategies/parts/parameters.html", {"form": form, "settings_too": own_settings})


@login_required
@require_POST
def check(request: HttpRequest, kind: str) -> HttpResponse:
    """The live check of a session's or a bot's form: every field's error as it is now, and the cautions."""
    form = FORMS[kind].from_request(request.user, request.POST)
    try:
        form.check(live=True)
    except ApiError as refusal:
        form.other_errors.append(refusal.message)
    confirmed = request.POST.get("confirm_cautions") == "true"
    return render(request, "strategies/parts/check.html", {"form": form, "confirmed": confirmed})


@login_required
@require_GET
def symbols(request: HttpRequest) -> JsonResponse:
    """Suggestions for the symbol field: watched ones first, then made markets, then instruments with stored prices."""
    words = request.GET.get("q", "").strip()[:60]
    made = [
        {"symbol": name, "name": "Made-up market, round the clock", "note": "synthetic feed", "source": ""}
        for name in SIMULATED
        if words.upper() in name
    ]
    stored = [
        {
            "symbol": item.symbol,
            "name": item.name,
            "note": ", ".join(f"{row.timeframe} {row.first_at:%Y}–{row.last_at:%Y}" for row in item.coverages.all()),
            "source": item.source,
        }
        for item in market.instruments(request.user, words)[: MAX_SUGGESTIONS - len(made)]
    ]
    watched = market.watched_symbols(request.user)
    return JsonResponse({"results": sorted(made + stored, key=lambda item: item["symbol"] not in watched)})


@login_required
@require_POST
def first(request: HttpRequest) -> HttpResponse:
    """The third step of a first visit: a bot on a made market, and its session. Pressed twice, it is one session."""
    try:
        made = selectors.bots(request.user).filter(name=FIRST["name"]).first()
        bot = made or services.bots.create(request.user, FIRST)
        session, _ = services.bots.start(request.user, bot.pk, {"mode": Mode.PAPER, "confirm_cautions": True})
    except ApiError as refusal:
        messages.error(request, refusal.message)
        return redirect("bots:sessions")
    return redirect("bots:session", session_id=session.pk)
