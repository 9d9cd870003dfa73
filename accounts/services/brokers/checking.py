"""Trying keys at the venue, and what about them is not taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from accounts import guard
from accounts.models import BrokerAccount, User
from tradingsite.lib.errors import NotAllowed, TooMany, Unavailable, Unprocessable
from tradingsite.lib.text import printable

Environment, Kind = BrokerAccount.Environment, BrokerAccount.Kind
MAX_WORDS = 240
SHORTEST = 8  # no venue's key is shorter; what is may be a word of any sentence


@dataclass(frozen=True, slots=True)
class Checked:
    """What the venue said of a pair of keys. may_withdraw: None where it does not say. Money in `currency`."""

    account_number: str
    currency: str
    is_real_money: bool
    may_trade: bool
    may_withdraw: bool | None
    may_short: bool
    cash: Decimal | None = None
    equity: Decimal | None = None
    buying_power: Decimal | None = None


class KeysRefused(Exception):
    """The venue does not take these keys: wrong, revoked, for another environment. Its words."""


class VenueSilent(Exception):
    """The venue does not answer: nothing is known about the keys. Its words, or the network's."""


class NotOffered(VenueSilent):
    """This installation cannot speak to that venue, whatever the keys: why, and what to do."""


class VenueTooBusy(Exception):
    """The venue takes no request for `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


Checker = Callable[[str, str, str, str, Mapping[str, Any]], Checked]
_checkers: list[Checker] = []


def register_checker(checker: Checker) -> None:
    """What asks a venue about keys: checker(kind, environment, key, secret, options) -> Checked.

    It raises KeysRefused, VenueSilent, NotOffered or VenueTooBusy. Call in AppConfig.ready; the last one counts.
    """
    _checkers[:] = [checker]


def ask(kind: str, environment: str, key: str, secret: str, options: Mapping[str, Any]) -> Checked:
    """What the venue says of the keys; whatever it raises has words without them. Not inside a transaction: it waits
    for another server. Raises KeysRefused, VenueSilent, VenueTooBusy.
    """
    if not _checkers:
        raise VenueSilent("No broker is connected to this installation.")
    try:
        return _checkers[0](kind, environment, key, secret, options)
    except KeysRefused as said:
        raise KeysRefused(without(str(said), key, secret)) from None
    except VenueTooBusy as said:
        raise VenueTooBusy(without(str(said), key, secret), said.retry_after_s) from None
    except VenueSilent as said:
        raise type(said)(without(str(said), key, secret)) from None


def try_new(
    user: User, kind: str, environment: str, key: str, secret: str, options: Mapping[str, Any], ip: str
) -> Checked:
    """Try keys that a person has typed; what the venue said, once all about them may be taken.

    Raises NotAllowed (real money is off here, nobody rehearses here), Unprocessable (the venue refuses them, they may
    withdraw, may not trade, are for other money than said, the exchange is not supported), Unavailable (it does not
    answer), TooMany (five refused tries in five minutes, or the venue's own limit).
    """
    refuse_environment(environment)
    found: Checked | Exception
    try:
        with guard.tried("broker keys", account=str(user.pk), ip=ip):
            try:
                found = ask(kind, environment, key, secret, options)
            except KeysRefused as said:
                raise guard.BadTry(str(said)) from None
            except (VenueSilent, VenueTooBusy) as said:
                found = said  # no try that counts: nothing was learned about the keys
    except guard.BadTry as said:
        raise Unprocessable(f"The venue refuses these keys. {said}", code="keys_refused") from None
    if isinstance(found, VenueTooBusy):
        raise TooMany(f"The venue asks us to wait: {found}", retry_after=max(1, round(found.retry_after_s)))
    if isinstance(found, NotOffered):
        raise Unprocessable(str(found), code="not_offered")
    if isinstance(found, Exception):
        raise Unavailable(f"The venue does not answer ({found}). Nothing was saved; try again.")
    refuse_unfit(environment, found)
    return found


def refuse_environment(environment: str) -> None:
    """Raises NotAllowed where this installation has no such accounts."""
    if environment == Environment.LIVE and not settings.LIVE_TRADING:
        text = "Real money is switched off on this installation. Its operator sets LIVE_TRADING=true to allow it."
        raise NotAllowed(text, code="live_trading_off")
    if environment == Environment.PRACTICE and not settings.PRACTICE_VENUE:
        text = "The practice venue is switched off on this installation. Its operator sets PRACTICE_VENUE=true."
        raise NotAllowed(text, code="practice_venue_off")


def refuse_unfit(environment: str, found: Checked) -> None:
    """Raises Unprocessable for keys that work and are not taken all the same."""
    if found.may_withdraw:
        text = (
            "These keys may withdraw money, and trading never needs that. Make keys at the venue without the right "
            "to withdraw or transfer, and add those."
        )
        raise Unprocessable(text, code="keys_may_withdraw")
    if not found.may_trade:
        text = "These keys may read, but not trade. Allow trading for them at the venue, or make others."
        raise Unprocessable(text, code="keys_may_not_trade")
    if found.is_real_money != (environment == Environment.LIVE):
        said = "real money" if found.is_real_money else "no real money"
        text = f"These keys are for {said}, and you have chosen “{Environment(environment).label}”. Choose the other."
        raise Unprocessable(text, code="wrong_environment")


def without(text: str, *secrets: str) -> str:
    """A venue's words made safe to show and to store: without keys that it repeats, and not endless."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, "•••")
    return printable(text, MAX_WORDS)
