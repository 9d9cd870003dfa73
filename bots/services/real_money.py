"""What stands between a request and real money: the password once more, and on pages the account's name, typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import BrokerAccount, User
from accounts.services import stepup
from bots.models import Bot, Mode
from bots.services import at_broker
from engine.errors import Fault, InputError

MAX_ID = 2**63 - 1


def account_of(user: User, payload: Any) -> BrokerAccount | None:
    """The account of real money on which this request would start a session; None: it reaches no real money."""
    if not isinstance(payload, Mapping):
        return None
    bot = _bot_of(user, payload.get("bot_id"))
    if bot is not None:
        payload = at_broker.at_place_of(bot, payload)
    if payload.get("mode") != Mode.LIVE:
        return None
    named = payload.get("broker_account_id")
    if not _is_id(named):
        return None
    live = BrokerAccount.Environment.LIVE
    return BrokerAccount.objects.filter(owner=user, pk=named, environment=live).first()


def _bot_of(user: User, named: Any) -> Bot | None:
    return Bot.objects.filter(owner=user, pk=named).first() if _is_id(named) else None


def _is_id(named: Any) -> bool:
    return not isinstance(named, bool) and isinstance(named, int) and 0 < named <= MAX_ID


def ask_password(request: Request, payload: Any) -> Any:
    """The payload without its `password`, which is asked for where it reaches real money.

    Raises StepUpNeeded, InputError for a wrong one, TooMany after five of them in five minutes.
    """
    if not isinstance(payload, Mapping):
        return payload
    plain = {name: value for name, value in payload.items() if name != "password"}
    if account_of(request.user, plain) is not None:
        given = payload.get("password")
        stepup.require(request, given if isinstance(given, str) else "", what="starting with real money")
    return plain


def confirm_on_page(request: HttpRequest, payload: Mapping[str, Any]) -> None:
    """As `ask_password` for the form of a page, which has the account's name typed, too (`confirm_account`)."""
    account = account_of(request.user, payload)
    if account is None:
        return
    typed = " ".join(request.POST.get("confirm_account", "").split())
    if typed.casefold() != " ".join(account.name.split()).casefold():
        text = f"This session would trade real money. To start it, type the account’s name: {account.name}"
        raise InputError(Fault("", "confirm_account", text))
    try:
        stepup.require(request, request.POST.get("password", ""), what="starting with real money")
    except InputError as wrong:
        raise InputError(Fault("", fault.code, fault.message) for fault in wrong.faults) from None
