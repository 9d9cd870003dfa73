"""The reconciliation inbox: what venues and our books differ in, and the buttons that decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts import selectors as account_selectors
from accounts.models import BrokerAccount
from bots.models import Discrepancy, TradingSession
from bots.selectors import inbox as rows
from bots.services import inbox
from engine.errors import Fault, InputError
from tradingsite.lib.errors import ApiError, NotFound

PAGE_SIZE = 20
_Kind, _State = Discrepancy.Kind, Discrepancy.State


@dataclass(frozen=True, slots=True)
class Line:
    """A row as the page shows it. adopters: sessions that may take it over. halted: those that it has halted."""

    row: Discrepancy
    adopters: list[TradingSession]
    halted: list[TradingSession]

    @property
    def gap(self) -> Decimal:
        return self.row.theirs - self.row.ours

    @property
    def size(self) -> Decimal:
        return abs(self.gap)

    @property
    def is_open(self) -> bool:
        return self.row.state == _State.OPEN

    @property
    def may_close(self) -> bool:
        """Whether the venue can undo it."""
        return self.row.kind == _Kind.POSITION or (self.row.kind == _Kind.ORDER and self.row.theirs != 0)


@login_required
@require_GET
def inbox_list(request: HttpRequest) -> HttpResponse:
    """What waits for a decision or is being done; with ``show=all`` what was, too; with ``account`` of one account."""
    accounts = list(account_selectors.broker_accounts(request.user))
    account = _account(accounts, request.GET.get("account", ""))
    everything = request.GET.get("show") == "all"
    found = rows.discrepancies(request.user, account=account, waiting=not everything)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    shown = {
        "page": page,
        "lines": _lines(page.object_list),
        "accounts": accounts,
        "account": account,
        "everything": everything,
        "compared": [each for each in accounts if account is None or each == account],
        "query": request.GET.urlencode(),
        "open_url": _url(account),
        "all_url": _url(account, show="all"),
    }
    return render(request, "brokers/inbox.html", shown)


@login_required
@require_GET
def waiting(request: HttpRequest) -> JsonResponse:
    """How many rows wait for a decision: what a page asks for that may have missed an event."""
    return JsonResponse({"waiting": rows.waiting_in_inbox(request.user) or 0}, headers={"Cache-Control": "no-store"})


@login_required
@require_POST
def adopt(request: HttpRequest, discrepancy_id: int) -> HttpResponse:
    """A session takes the units over."""

    row = rows.discrepancy(request.user, discrepancy_id)

    def act() -> Discrepancy:
        try:
            return inbox.adopt(request.user, row.pk, _session(request), theirs=_theirs(request))
        except NotFound:
            raise InputError(Fault("session", "not_found", "Choose one of the sessions that can adopt it.")) from None

    return _decided(request, act, "It is being adopted; the session’s host books it within a moment.")


@login_required
@require_POST
def leave(request: HttpRequest, discrepancy_id: int) -> HttpResponse:
    """It stays as it is."""

    def act() -> Discrepancy:
        return inbox.leave(request.user, discrepancy_id, theirs=_theirs(request))

    return _decided(request, act, "Left as it is.")


@login_required
@require_POST
def close(request: HttpRequest, discrepancy_id: int) -> HttpResponse:
    """The venue undoes it."""

    def act() -> Discrepancy:
        return inbox.close(request.user, discrepancy_id, theirs=_theirs(request))

    return _decided(request, act, "The venue is being asked to undo it.")


@login_required
@require_POST
def look(request: HttpRequest, account_id: int) -> HttpResponse:
    """Compares the account with its venue now."""
    try:
        account = inbox.look_now(request.user, account_id)
    except NotFound:
        raise  # nothing to go back to
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.info(request, f"“{account.name}” is being compared with its venue.")
    return redirect(_back(request))


@login_required
@require_POST
def move_cash(request: HttpRequest, account_id: int) -> HttpResponse:
    """Moves money between the account's free cash and one of its sessions; a form that is sent twice moves it once."""
    account = account_selectors.broker_account(request.user, account_id)

    def act() -> None:
        inbox.move_cash(
            request.user, _session(request), _number(request, "amount"), key=request.POST.get("key", "")[:64]
        )

    return _moved(account, request, act, "It is being moved; the session’s host books it within a moment.")


@login_required
@require_POST
def hand_over(request: HttpRequest, account_id: int) -> HttpResponse:
    """A session takes over units that were left external."""
    account = account_selectors.broker_account(request.user, account_id)

    def act() -> None:
        symbol = request.POST.get("symbol", "")[:24]
        inbox.hand_over(request.user, account, symbol, _number(request, "qty"), _session(request))

    return _moved(account, request, act, "They are being handed over; the session’s host books it within a moment.")


@login_required
@require_POST
def give_back(request: HttpRequest, account_id: int) -> HttpResponse:
    """A session leaves units to the account's owner."""
    account = account_selectors.broker_account(request.user, account_id)

    def act() -> None:
        symbol = request.POST.get("symbol", "")[:24]
        inbox.give_back(request.user, _session(request), symbol, _number(request, "qty"))

    done = "Its orders at the venue let go of them first; then the session’s host books it, within a moment."
    return _moved(account, request, act, done)


def _moved(account: BrokerAccount, request: HttpRequest, act: Callable[[], None], done: str) -> HttpResponse:
    try:
        act()
    except NotFound:
        messages.error(request, "Choose one of the sessions that run on this account.")
    except InputError as error:
        messages.error(request, error.faults[0].message)
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return redirect(reverse("brokers:account", args=[account.pk]) + "?tab=parts")


def _session(request: HttpRequest) -> int:
    """The session that was chosen; 0, which none has, for what is no id."""
    sent = request.POST.get("session", "")
    return int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 19 else 0


def _number(request: HttpRequest, name: str) -> Decimal:
    """A figure as people type it. Raises InputError."""
    text = request.POST.get(name, "").strip().replace(",", "").replace("−", "-")
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or len(text) > 32:
        raise InputError(Fault(name, "not_a_number", f"{text[:20] or 'Nothing'} is no figure. Type one such as 12.5."))
    return number


def _lines(found: list[Discrepancy]) -> list[Line]:
    ids = {pk for row in found for pk in row.detail.get("breaks", [])}
    halted = {each.pk: each for each in TradingSession.objects.filter(pk__in=ids).select_related("bot")}
    return [
        Line(
            row,
            rows.adopters(row) if row.state == _State.OPEN else [],
            [halted[pk] for pk in row.detail.get("breaks", []) if pk in halted],
        )
        for row in found
    ]


def _decided(request: HttpRequest, act: Callable[[], Discrepancy], done: str) -> HttpResponse:
    try:
        act()
    except NotFound:
        raise  # nothing to go back to
    except InputError as error:
        messages.error(request, error.faults[0].message)
    except ApiError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return redirect(_back(request))


def _theirs(request: HttpRequest) -> Decimal | None:
    """What the venue had when the page was drawn."""
    try:
        return Decimal(request.POST["theirs"]) if request.POST.get("theirs") else None
    except InvalidOperation:
        return None


def _account(accounts: list[BrokerAccount], asked: str) -> BrokerAccount | None:
    return next((account for account in accounts if str(account.pk) == asked), None)


def _url(account: BrokerAccount | None, **more: str) -> str:
    chosen = ({"account": str(account.pk)} if account else {}) | more
    return reverse("inbox") + (f"?{urlencode(chosen)}" if chosen else "")


def _back(request: HttpRequest) -> str:
    query = request.POST.get("query", "")[:500]
    return reverse("inbox") + (f"?{query}" if query else "")
