"""Pages of bot templates: the list, making a bot of one, and keeping a bot as one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bots import selectors, services
from bots.selectors import templates as reads
from bots.services.templates import WORDS
from bots.templates_of_bots import RISKS
from engine.errors import InputError
from tradingsite.lib.errors import ApiError, NotFound

PAGE_SIZE = 24
_TYPED = ("name", *WORDS, "risk")


@login_required
@require_GET
def template_list(request: HttpRequest) -> HttpResponse:
    """Ready-made bots, own templates, and those that others share; filtered by the address."""
    known = {"kind": dict(reads.kinds()), "risk": RISKS, "origin": reads.ORIGINS}
    asked = {name: request.GET.get(name, "") for name in known}
    asked = {name: value if value in known[name] else "" for name, value in asked.items()}
    asked["words"] = request.GET.get("q", "").strip().replace("\x00", "")[:60]
    page = Paginator(reads.templates(request.user, **asked), PAGE_SIZE).get_page(request.GET.get("page"))
    choices = {f"{name}s": list(words.items()) for name, words in known.items()}
    shown = {"page": page, "asked": asked, "is_set": any(asked.values()), **choices}
    return render(request, "bots/templates.html", shown)


@login_required
@require_POST
def use(request: HttpRequest, template: str) -> HttpResponse:
    """A bot made of a template, open for editing before it is started."""
    try:
        bot = services.templates.use(request.user, template)
    except NotFound:
        raise  # nothing to go back to
    except InputError as error:
        messages.error(request, f"This template cannot be used now: {error}")
        return redirect("bots:templates")
    except ApiError as refusal:
        messages.error(request, refusal.message)
        return redirect("bots:templates")
    messages.success(request, f"“{bot.name}” is yours. Change what you like, then start it.")
    return redirect("bots:edit", bot_id=bot.pk)


@login_required
@require_http_methods(["GET", "POST"])
def save(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Keep a bot as a template."""
    bot = selectors.bot(request.user, bot_id)
    if request.method == "GET":
        values: dict[str, Any] = {"name": bot.name, "does": bot.description, "risk": "medium"}
        return _form(request, values, bot=bot)
    values = _typed(request)
    try:
        row = services.templates.save(request.user, bot_id, values)
    except (InputError, ApiError) as refusal:
        return _refused(request, refusal, values, bot=bot)
    messages.success(request, f"“{row.name}” is a template now.")
    return redirect("bots:templates")


@login_required
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, template: str) -> HttpResponse:
    """Change the words of one of the user's own templates, and who sees it."""
    row = reads.own_template(request.user, template)
    if request.method == "GET":
        return _form(request, {name: getattr(row, name) for name in (*_TYPED, "is_shared")}, row=row)
    values = _typed(request)
    try:
        services.templates.update(request.user, template, values)
    except (InputError, ApiError) as refusal:
        return _refused(request, refusal, values, row=row)
    messages.success(request, "Saved.")
    return redirect("bots:templates")


@login_required
@require_POST
def delete(request: HttpRequest, template: str) -> HttpResponse:
    """Delete one of the user's own templates; bots that were made of it stay."""
    name = reads.own_template(request.user, template).name
    services.templates.remove(request.user, template)
    messages.success(request, f"Deleted “{name}”. Bots that were made of it stay.")
    return redirect("bots:templates")


def _typed(request: HttpRequest) -> dict[str, Any]:
    values: dict[str, Any] = {name: request.POST.get(name, "") for name in _TYPED}
    return values | {"is_shared": request.POST.get("is_shared") == "true"}


def _refused(
    request: HttpRequest, refusal: InputError | ApiError, values: dict[str, Any], **about: Any
) -> HttpResponse:
    errors = {fault.path: " ".join(filter(None, (fault.message, fault.hint))) for fault in refusal.faults}
    other = "" if errors else str(refusal)
    status = 400 if isinstance(refusal, InputError) else refusal.status
    return _form(request, values, status, errors=errors, refusal=other, **about)


def _form(request: HttpRequest, values: dict[str, Any], status: int = 200, **more: Any) -> HttpResponse:
    shown = {"values": values, "risks": list(RISKS.items()), **more}
    return render(request, "bots/template_form.html", shown, status=status)
