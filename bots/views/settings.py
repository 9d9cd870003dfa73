"""The settings of a session that runs: changed on its page, taken up at the next bar."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from bots import selectors, services
from bots.forms import SettingsForm
from bots.presenters import heads
from bots.presenters.session_tabs import TABS, content
from bots.selectors import pages
from engine.errors import InputError
from tradingsite.lib.errors import ApiError, NotFound, Unprocessable


@login_required
@require_POST
def change(request: HttpRequest, session_id: int) -> HttpResponse:
    """A new version with what was typed; when it is refused, the form comes back with it."""
    session = selectors.session(request.user, session_id)
    form = SettingsForm.from_request(session.settings, request.POST)
    confirmed = request.POST.get("confirm_cautions") == "true"
    shown: dict[str, Any] = {"form": form, "confirmed": confirmed}
    status = 400
    try:
        before = session.settings.version
        row = services.settings.change(request.user, session_id, form.changes(), confirmed=confirmed)
    except InputError as error:
        form.refuse(error.faults)
    except Unprocessable as refusal:
        if refusal.code == "needs_confirmation":
            form.cautions = list(refusal.faults)
        else:
            form.refuse(refusal.faults)
        shown["refusal"], status = "Not changed yet: please confirm below.", refusal.status
    except NotFound:
        raise  # nothing to come back to
    except ApiError as refusal:
        shown["refusal"], status = refusal.message, refusal.status
    else:
        if row.version == before:
            messages.info(request, "Nothing differs from the version in force.")
        else:
            messages.success(request, f"Saved as version {row.version}. It is taken up at the next bar.")
        return redirect(reverse("bots:session", args=[session_id]) + "?tab=settings")
    fresh = pages.get(request.user, session_id)
    page = {"session": fresh, "head": heads([fresh])[0], "tab": "settings", "tabs": TABS}
    page["head_url"] = reverse("bots:session", args=[session_id]) + "?tab=settings&part=head"
    return render(request, "bots/session.html", page | content(fresh, "settings", request.GET) | shown, status=status)


@login_required
@require_POST
def rollback(request: HttpRequest, session_id: int, version: int) -> HttpResponse:
    """A new version that equals an earlier one."""
    try:
        row = services.settings.rollback(request.user, session_id, version)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"Back to the settings of version {version}, as version {row.version}.")
    return redirect(reverse("bots:session", args=[session_id]) + "?tab=settings")
