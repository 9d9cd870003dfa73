"""What a person does with a session from a page: pause, resume, stop, close a position, stop everything, compare."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from bots import services
from bots.models import TradingSession
from bots.presenters.session_tabs import TABS
from engine.errors import InputError
from tradingsite.lib.errors import ApiError, NotFound

LEVELS = {"pause": "pause_entries", "keep": "stop_keep", "flatten": "flatten"}


@login_required
@require_POST
def pause(request: HttpRequest, session_id: int) -> HttpResponse:
    """No new entries; exits go on."""
    return _done(request, session_id, lambda: services.sessions.pause(request.user, session_id))


@login_required
@require_POST
def resume(request: HttpRequest, session_id: int) -> HttpResponse:
    """Entries again."""
    return _done(request, session_id, lambda: services.sessions.resume(request.user, session_id))


@login_required
@require_POST
def stop(request: HttpRequest, session_id: int) -> HttpResponse:
    """End it: ``policy`` keep or flatten."""
    policy = request.POST.get("policy", TradingSession.StopPolicy.KEEP)
    return _done(request, session_id, lambda: services.sessions.stop(request.user, session_id, policy))


@login_required
@require_POST
def close_position(request: HttpRequest, session_id: int, symbol: str) -> HttpResponse:
    """Close one position at the next bar."""
    return _done(request, session_id, lambda: services.sessions.close_symbol(request.user, session_id, symbol))


@login_required
@require_POST
def give_back(request: HttpRequest, session_id: int, symbol: str) -> HttpResponse:
    """Leave one position to its owner."""
    return _done(request, session_id, lambda: services.inbox.give_back(request.user, session_id, symbol))


@login_required
@require_POST
def compare(request: HttpRequest, session_id: int) -> HttpResponse:
    """Compare it with the backtester: a worker makes the report, and the page shows it when it is there."""
    try:
        services.parity.ask(request.user, session_id)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.info(request, "Comparing. The report appears here when it is made.")
    return redirect(reverse("bots:session", args=[session_id]) + "?tab=parity")


@login_required
@require_POST
def stop_everything(request: HttpRequest) -> HttpResponse:
    """All of the user's sessions: pause entries, stop, or close everything; the dashboard shows how far they are."""
    level = LEVELS.get(request.POST.get("level", ""), "pause_entries")
    reached = services.emergency.stop_everything(request.user, "user", level)
    if reached:
        many = f"{len(reached)} session{'' if len(reached) == 1 else 's'}"
        messages.warning(request, f"Asked {many}. Each card shows how far it is.")
    else:
        messages.info(request, "Nothing runs, so there was nothing to stop.")
    return redirect("home")


def _done(request: HttpRequest, session_id: int, act: Callable[[], object]) -> HttpResponse:
    """Does it, says why where it is refused, and goes back to where the button was."""
    try:
        act()
    except NotFound:
        raise  # nothing to go back to
    except InputError as error:
        messages.error(request, error.faults[0].message)
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect(_back(request, session_id))


def _back(request: HttpRequest, session_id: int) -> str:
    """The page that the button was on: the dashboard, a list, or a tab of the session."""
    origin = request.POST.get("back", "")
    if origin in ("home", "bots:list", "bots:sessions"):
        return reverse(origin)
    tab = request.GET.get("tab", "")
    address = reverse("bots:session", args=[session_id])
    return f"{address}?tab={tab}" if tab in dict(TABS) else address
