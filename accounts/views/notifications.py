"""The list of notifications, and the settings of the channels outside the site."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import View

from accounts import selectors
from accounts.forms import ChannelForm, PreferencesForm
from accounts.reporters import KINDS
from accounts.services import notifications
from accounts.views.account import Settings
from engine.errors import InputError
from tradingsite.lib.errors import ApiError

PAGE_SIZE = 25


@login_required
@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """What the user was told, newest first; ``?show=unread`` leaves out what was read."""
    only_unread = request.GET.get("show") == "unread"
    rows = selectors.notifications(request.user, unread=True if only_unread else None)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    shown = {"page": page, "only_unread": only_unread, "unread": selectors.unread_count(request.user)}
    return render(request, "notifications/list.html", shown)


@login_required
@require_POST
def read(request: HttpRequest, notification_id: int) -> HttpResponse:
    """Marks one as read and shows the list again, as it was filtered."""
    notifications.mark_read(request.user, notification_id)
    return redirect(_list(request))


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Marks all as read."""
    marked = notifications.mark_all_read(request.user)
    messages.success(request, f"{marked} marked as read." if marked else "Nothing was unread.")
    return redirect(_list(request))


class SaveChannel(Settings):
    """Sets up one channel; the settings page again, with what was typed, when it is refused."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        kind = _kind(kwargs["kind"])
        form = ChannelForm(request.POST, kind=kind)
        if form.is_valid():
            try:
                notifications.set_channel(request.user, kind.name, **form.cleaned_data)
            except (InputError, ApiError) as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, f"{kind.label} saved. Send a test to see whether it arrives.")
                return redirect(_section())
        self.sent_channel = form
        return self.render_to_response(self.get_context_data(form=PreferencesForm(initial=self.get_initial())))


class TryChannel(LoginRequiredMixin, View):
    """Sends a test message; the log below the channels says what became of it."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, kind: str) -> HttpResponse:
        notifications.try_channel(request.user, _kind(kind).name)
        messages.success(request, "A test message is on its way. Reload in a moment to see what became of it.")
        return redirect(_section())


class RemoveChannel(LoginRequiredMixin, View):
    """Forgets a channel and its secret."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, kind: str) -> HttpResponse:
        notifications.remove_channel(request.user, _kind(kind).name)
        messages.success(request, f"{KINDS[kind].label} removed.")
        return redirect(_section())


def _kind(name: str) -> Any:
    if name not in KINDS:
        raise Http404
    return KINDS[name]


def _section() -> str:
    return reverse("accounts:settings") + "#notifications"


def _list(request: HttpRequest) -> str:
    query = "?show=unread" if request.POST.get("show") == "unread" else ""
    return reverse("notifications:list") + query
