"""An account at the practice venue, in one step."""

from __future__ import annotations

import secrets
from decimal import Decimal

from django.conf import settings

from accounts import selectors
from accounts.models import BrokerAccount, User
from accounts.services.brokers import checking, cleaning
from accounts.services.brokers.checking import Environment, Kind
from accounts.services.brokers.managing import add, room
from engine.errors import Fault, InputError
from tradingsite.lib.errors import NotAllowed, Unavailable

MIN_CASH, MAX_CASH = Decimal(100), Decimal(10_000_000)


def add_practice(
    user: User, cash: Decimal = Decimal(100_000), *, name: str = "", kind: str = Kind.ALPACA, ip: str = ""
) -> BrokerAccount:
    """Open an account with play money at the practice venue, with keys of our own making, and keep it.

    cash: from 100 to 10 million. name: by default "Practice", or "Practice 2" and so on. Raises InputError, NotAllowed
    (nobody rehearses here), Unavailable (the venue does not run), Conflict (too many accounts).
    """
    checking.refuse_environment(Environment.PRACTICE)
    faults = []
    if not (cash.is_finite() and MIN_CASH <= cash <= MAX_CASH):
        faults.append(Fault("cash", "out_of_range", f"Must be money from {MIN_CASH:,} to {MAX_CASH:,}."))
    if kind not in cleaning.ENVIRONMENTS or Environment.PRACTICE not in cleaning.ENVIRONMENTS[kind]:
        faults.append(Fault("kind", "unknown_choice", "The practice venue speaks: alpaca, binance."))
    if faults:
        raise InputError(faults)
    name = name or _free_name(user)
    key, secret = f"PK{secrets.token_hex(9).upper()}", secrets.token_hex(20)
    values = {"name": name, "kind": kind, "environment": Environment.PRACTICE, "api_key": key, "api_secret": secret}
    room(user, cleaning.read(values)["name"])
    _open_at_practice_venue(key, secret, cash)
    return add(user, values, ip=ip, is_new=True)


def _free_name(user: User) -> str:
    taken = set(selectors.broker_accounts(user).values_list("name", flat=True))
    numbered = (f"Practice {number}" for number in range(2, len(taken) + 3))
    return next(name for name in ("Practice", *numbered) if name not in taken)


def _open_at_practice_venue(key: str, secret: str, cash: Decimal) -> None:
    import httpx  # here: pages that open no account do without it

    url = settings.PRACTICE_VENUE_URL.rstrip("/")
    timeout = httpx.Timeout(settings.BROKER_READ_TIMEOUT, connect=settings.BROKER_CONNECT_TIMEOUT)
    body = {"key": key, "secret": secret, "cash": str(cash)}
    try:
        answer = httpx.post(f"{url}/practice/accounts", json=body, timeout=timeout, trust_env=False)
    except httpx.HTTPError as error:
        text = f"The practice venue does not answer at {url} ({type(error).__name__}). /health says whether it runs."
        raise Unavailable(text) from None
    if answer.status_code in (401, 403, 404):
        raise NotAllowed(f"What answers at {url} is no practice venue.", code="practice_venue_off")
    if answer.status_code != 200:
        text = checking.without(answer.text, key, secret)
        raise Unavailable(f"The practice venue did not open an account ({answer.status_code}: {text}).")
