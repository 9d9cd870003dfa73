"""Bots: the list, one bot with its sessions, its form, and what can be done with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.services import stepup
from bots import selectors, services
from bots.forms import BotForm
from bots.forms.secrets import SecretsForm
from bots.models import Bot, TradingSession
from bots.presenters import cards, heads
from bots.presenters.bots import BotCard, bot_cards
from bots.selectors import pages
from bots.services import real_money
from engine.errors import Fault, InputError
from strategies.run_form import CUSTOM, SAVED
from tradingsite.lib.errors import ApiError, NotFound, QuotaExceeded, Unprocessable

PAGE_SIZE = 24
SESSIONS_SHOWN = 20
_ASKED = {"confirm_account", "password", "passport_override"}  # what the page before real money asks for


@login_required
@require_GET
def bot_list(request: HttpRequest) -> HttpResponse:
    """The user's bots, each with the session that it runs."""
    words = request.GET.get("q", "").strip().replace("\x00", "")[:60]
    page = Paginator(selectors.bots(request.user, search=words), PAGE_SIZE).get_page(request.GET.get("page"))
    shown = {"page": page, "cards": bot_cards(request.user, list(page.object_list)), "q": words}
    return render(request, "bots/list.html", shown)


@login_required
@require_GET
def detail(request: HttpRequest, bot_id: int) -> HttpResponse:
    """What a bot is, the session that it runs, and those it ran, with their totals."""
    return page_of(request, bot_id)


def page_of(request: HttpRequest, bot_id: int, secrets: SecretsForm | None = None, status: int = 200) -> HttpResponse:
    """A bot's page; `secrets` is the form that was refused, if one was."""
    bot = selectors.bot(request.user, bot_id)
    kept = selectors.secrets_of(bot)
    ran = pages.with_sign(selectors.sessions(request.user, bot_id=bot.pk))
    page = Paginator(ran, SESSIONS_SHOWN).get_page(request.GET.get("page"))
    running = [session for session in page.object_list if session.is_active]
    shown = {
        "bot": bot,
        "page": page,
        "heads": heads(list(page.object_list)),
        "running": cards(running)[0] if running else None,
        "totals": pages.bot_totals(bot),
        "about": BotCard(bot, None),
        "secrets": kept,
        "secrets_form": secrets or SecretsForm.of(kept),
    }
    return render(request, "bots/bot.html", shown, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def new_bot(request: HttpRequest) -> HttpResponse:
    """The form of a new bot; ``?custom=`` or ``?saved=`` chooses a strategy. What is refused comes back as typed."""
    if request.method == "GET":
        values: dict[str, Any] = {"symbols": ["SIM-ALPHA"]}
        for prefix, name in ((CUSTOM, "custom"), (SAVED, "saved")):
            if request.GET.get(name, "").isdecimal():
                values["strategy"] = f"{prefix}{request.GET[name]}"
        return _form(request, BotForm(request.user, values))
    return _save(request, None, lambda body: services.bots.create(request.user, body))


@login_required
@require_http_methods(["GET", "POST"])
def edit_bot(request: HttpRequest, bot_id: int) -> HttpResponse:
    """The form of a bot as it is. A session that runs keeps what it started with, unless its settings are to follow."""
    bot = selectors.bot(request.user, bot_id)
    if request.method == "GET":
        return _form(request, BotForm.from_bot(request.user, bot), bot)
    apply = request.POST.get("apply") == "true"
    return _save(request, bot, lambda body: services.bots.update(request.user, bot_id, body, apply=apply))


def _save(request: HttpRequest, bot: Bot | None, save: Callable[[dict[str, Any]], Bot]) -> HttpResponse:
    form = BotForm.from_request(request.user, request.POST)
    confirmed = request.POST.get("confirm_cautions") == "true"
    try:
        body = form.check()
        if form.errors or form.other_errors:
            return _form(request, form, bot, status=400, confirmed=confirmed)
        if form.cautions and not confirmed:
            return _form(request, form, bot, status=422, refusal="Not saved yet: please confirm below.")
        saved = save(body)
    except InputError as error:
        form.refuse(error.faults)
        return _form(request, form, bot, status=400, confirmed=confirmed)
    except Unprocessable as refusal:
        form.refuse(refusal.faults)
        return _form(request, form, bot, status=refusal.status, refusal=refusal.message, confirmed=confirmed)
    except NotFound:
        raise  # nothing to come back to
    except ApiError as refusal:
        return _form(request, form, bot, status=refusal.status, refusal=refusal.message, confirmed=confirmed)
    messages.success(request, f"Saved “{saved.name}”.")
    return redirect("bots:bot", bot_id=saved.pk)


def _form(
    request: HttpRequest, form: BotForm, bot: Bot | None = None, *, status: int = 200, **more: Any
) -> HttpResponse:
    running = bot and selectors.active_of_bot(bot)
    return render(request, "bots/form.html", {"form": form, "bot": bot, "running": running, **more}, status=status)


@login_required
@require_POST
def clone(request: HttpRequest, bot_id: int) -> HttpResponse:
    """A copy under a name of its own, open for editing."""
    return _act(request, bot_id, lambda: services.bots.clone(request.user, bot_id), then="bots:edit")


@login_required
@require_POST
def delete(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Delete it; its sessions stay."""
    try:
        services.bots.remove(request.user, bot_id)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
        return redirect("bots:bot", bot_id=bot_id)
    messages.success(request, "The bot was deleted. Its sessions stay.")
    return redirect("bots:list")


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest, bot_id: int) -> HttpResponse:
    """A session of this bot; the one it has, where one is active. Cautions were confirmed when the bot was saved. GET:
    asks what real money asks for."""
    bot = selectors.bot(request.user, bot_id)
    key = request.POST.get("key", "")[:64] or uuid.uuid4().hex
    begin = {"confirm_cautions": True}
    if bot.broker_account is not None and bot.broker_account.is_real_money:
        return _start_real(request, bot, key, begin)
    if request.method == "GET":
        return redirect("bots:bot", bot_id=bot_id)
    return _act(request, bot_id, lambda: services.bots.start(request.user, bot_id, begin, f"bot-{bot_id}-{key}")[0])


def _start_real(request: HttpRequest, bot: Bot, key: str, begin: dict[str, Any]) -> HttpResponse:
    """The page that asks for the account's name and the password, and what comes of it."""
    override, typed = request.POST.get("passport_override", ""), request.POST.get("confirm_account", "")
    shown = {"bot": bot, "account": bot.broker_account, "key": key, "override": override, "typed": typed}
    status, errors = 200, {}
    if request.method == "POST":
        try:
            real_money.confirm_on_page(request, {"bot_id": bot.pk})
            sent = {**begin, "passport_override": override or None}
            session, _ = services.bots.start(request.user, bot.pk, sent, f"bot-{bot.pk}-{key}")
            return redirect("bots:session", session_id=session.pk)
        except InputError as error:
            status, errors = 400, _at_fields(error.faults)
        except ApiError as error:
            status, errors = error.status, _at_fields(error.faults) or {"": error.message}
    shown |= {"fresh": stepup.is_fresh(request), "errors": errors, "refusal": errors.get("")}
    return render(request, "bots/start_real.html", shown, status=status)


def _at_fields(faults: Iterable[Fault]) -> dict[str, str]:
    """What is wrong by the field of the page that it is wrong in; "": in none of them."""
    place = {"confirm_account": "confirm_account", "wrong_password": "password"}
    named = {place.get(fault.code, fault.path): fault.message for fault in faults}
    return {name if name in _ASKED else "": message for name, message in named.items()}


def _act(request: HttpRequest, bot_id: int, act: Callable[[], Any], then: str = "") -> HttpResponse:
    """Does it and goes to what came of it; says why where it is refused."""
    try:
        found = act()
    except NotFound:
        raise  # nothing to go back to
    except InputError as error:
        messages.error(request, f"{error.faults[0].message} Edit the bot first.")
    except QuotaExceeded as refusal:
        messages.error(request, f"{refusal.message} Stop one of the sessions below first.")
        return redirect("bots:sessions")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        if isinstance(found, TradingSession):
            return redirect("bots:session", session_id=found.pk)
        return redirect(then, bot_id=found.pk)
    return redirect("bots:bot", bot_id=bot_id)
