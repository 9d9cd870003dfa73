"""Settings → Broker accounts: the list, adding one, one with its sessions, and what can be done with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import selectors as account_selectors
from accounts.forms import AccessibleForm
from accounts.models import BrokerAccount
from accounts.services import brokers, stepup
from accounts.views.confirm import ask_first
from bots import selectors
from bots.forms.brokers import KINDS, BrokerAccountForm, ChangeForm, PracticeForm, ReplaceKeysForm
from bots.live import reserve
from bots.models import TradingSession
from bots.presenters import heads
from bots.presenters.account_tabs import TABS as OWN_TABS
from bots.selectors.brokers import account_lines
from engine.errors import InputError
from tradingsite.lib.clients import client_ip
from tradingsite.lib.errors import ApiError, NotFound

SESSIONS_SHOWN = 20
# What the page of an account has beside its head; each is templates/brokers/tabs/<name>.html.
TABS = (("overview", "Overview"), ("sessions", "Sessions"), *((name, label) for name, (label, _) in OWN_TABS.items()))
SECRETS = ("api_key", "api_secret", "password")


@login_required
@require_GET
def account_list(request: HttpRequest) -> HttpResponse:
    """The user's accounts at brokers, and the ways to add one."""
    return _list(request, PracticeForm())


def _list(request: HttpRequest, practice: PracticeForm, status: int = 200) -> HttpResponse:
    shown = {
        "lines": account_lines(request.user),
        "closed": account_selectors.broker_accounts(request.user, closed=True),
        "practice": practice if settings.PRACTICE_VENUE else None,
        "kinds": [(kind, title, text) for kind, (title, text, _) in KINDS.items()],
        "real_money": settings.LIVE_TRADING,
    }
    return render(request, "brokers/list.html", shown, status=status)


@login_required
@require_POST
def practice(request: HttpRequest) -> HttpResponse:
    """Opens an account at the practice venue, in one step."""
    form = PracticeForm(request.POST)
    if form.is_valid():
        try:
            account = brokers.add_practice(request.user, form.cleaned_data["cash"], ip=client_ip(request))
        except (InputError, ApiError) as refusal:
            form.refuse(refusal)
            return _list(request, form, getattr(refusal, "status", 400))
        messages.success(request, f"“{account.name}” is open. Sessions on it trade play money.")
        return redirect(_page(account.pk))
    return _list(request, form, 400)


@sensitive_post_parameters(*SECRETS)
@login_required
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, broker_kind: str) -> HttpResponse:
    """The form of a new account of one kind. Its keys are tried before anything is kept."""
    if broker_kind not in KINDS:
        raise Http404
    fresh = stepup.is_fresh(request)
    given: dict[str, Any] = {"kind": broker_kind, "real_money": settings.LIVE_TRADING}
    if request.method == "GET":
        return ask_first(request) or _add_form(request, BrokerAccountForm(fresh=fresh, **given))
    form = BrokerAccountForm(request.POST, fresh=fresh, **given)

    def save() -> BrokerAccount:
        stepup.require(request, form.cleaned_data.get("password", ""), what="adding keys")
        return brokers.add(request.user, form.values(), ip=client_ip(request))

    account, status = _tried(form, save)
    if account is None:
        return _add_form(request, form, status)
    messages.success(request, f"“{account.name}” was added: the venue takes its keys.")
    return redirect(_page(account.pk))


def _add_form(request: HttpRequest, form: BrokerAccountForm, status: int = 200) -> HttpResponse:
    title, _, help_text = KINDS[form.kind]
    return render(request, "brokers/add.html", {"form": form, "title": title, "help": help_text}, status=status)


@login_required
@require_GET
def detail(request: HttpRequest, account_id: int) -> HttpResponse:
    """One account: its money, its keys' state, and what trades on it."""
    return _detail(request, account_id)


def _detail(request: HttpRequest, account_id: int, change: ChangeForm | None = None, status: int = 200) -> HttpResponse:
    account = account_selectors.broker_account(request.user, account_id)
    asked = request.GET.get("tab", "")
    tab = asked if asked in dict(TABS) else TABS[0][0]
    shown: dict[str, Any] = {
        "account": account,
        "tab": tab,
        "tabs": TABS,
        "free": reserve.free_cash(account),
        "using": brokers.sessions_of(account),
        "real_money": settings.LIVE_TRADING,
    }
    if tab == "overview":
        shown["change"] = change or ChangeForm.of(account)
    elif tab == "sessions":
        ran = selectors.sessions(request.user).filter(broker_account=account)
        page = Paginator(ran, SESSIONS_SHOWN).get_page(request.GET.get("page"))
        rows: list[TradingSession] = list(page.object_list)
        shown |= {"page": page, "heads": heads(rows)}
    else:
        shown |= OWN_TABS[tab][1](account, request.GET) | {"key": uuid.uuid4()}
    return render(request, "brokers/detail.html", shown, status=status)


@login_required
@require_POST
def change(request: HttpRequest, account_id: int) -> HttpResponse:
    """Renames it, and says what happens to opposite orders."""
    form = ChangeForm(request.POST)

    def save() -> BrokerAccount:
        brokers.rename(request.user, account_id, form.cleaned_data["name"])
        return brokers.set_opposite_orders(request.user, account_id, form.cleaned_data["opposite_orders"])

    account, status = _tried(form, save)
    if account is None:
        return _detail(request, account_id, form, status)
    messages.success(request, "Saved.")
    return redirect(_page(account_id))


@sensitive_post_parameters(*SECRETS)
@login_required
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest, account_id: int) -> HttpResponse:
    """Puts other keys of the same account in the place of those that are kept, once the venue takes them."""
    account = account_selectors.broker_account(request.user, account_id)
    fresh = stepup.is_fresh(request)
    form = ReplaceKeysForm(request.POST or None, fresh=fresh)
    status = 200
    if request.method == "GET":
        if asked := ask_first(request):
            return asked
    else:

        def save() -> BrokerAccount:
            stepup.require(request, form.cleaned_data.get("password", ""), what="replacing keys")
            sent = form.cleaned_data["api_key"], form.cleaned_data["api_secret"]
            return brokers.replace_keys(request.user, account_id, *sent, ip=client_ip(request))

        saved, status = _tried(form, save)
        if saved is not None:
            messages.success(request, "The venue takes the new keys; the old ones are forgotten.")
            return redirect(_page(account_id))
    return render(request, "brokers/keys.html", {"form": form, "account": account}, status=status)


@login_required
@require_POST
def check(request: HttpRequest, account_id: int) -> HttpResponse:
    """Tries its keys now."""
    try:
        account = brokers.check(request.user, account_id)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        if account.state == BrokerAccount.State.ACTIVE:
            messages.success(request, "The venue takes the keys.")
        else:
            messages.error(request, "The venue refuses the keys.")
    return redirect(_page(account_id))


@login_required
@require_POST
def close(request: HttpRequest, account_id: int) -> HttpResponse:
    """Forgets its keys; refused while sessions trade on it."""
    try:
        account = brokers.close(request.user, account_id)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
        return redirect(_page(account_id))
    messages.success(request, f"“{account.name}” is closed, and its keys are forgotten.")
    return redirect("brokers:list")


def _tried(form: AccessibleForm, save: Callable[[], BrokerAccount]) -> tuple[BrokerAccount | None, int]:
    """(what `save` made of a valid form, 200), or (None, the status of the refusal), with its words in the form."""
    if not form.is_valid():
        return None, 400
    try:
        return save(), 200
    except NotFound:
        raise  # nothing to come back to
    except InputError as refusal:
        form.refuse(refusal)
        return None, 400
    except ApiError as refusal:
        form.refuse(refusal)
        return None, refusal.status


def _page(account_id: int) -> str:
    return reverse("brokers:account", args=[account_id])
