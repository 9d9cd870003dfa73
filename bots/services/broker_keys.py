"""What `accounts.services.brokers` cannot know: whether a venue takes keys, and how many sessions use an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.models import BrokerAccount
from accounts.services.brokers import Checked, KeysRefused, NotOffered, VenueSilent, VenueTooBusy
from bots.brokers.base import RateLimited, Refused, Unauthorised, VenueDown
from bots.models import TradingSession
from bots.states import OVER


def check(kind: str, environment: str, key: str, secret: str, options: Mapping[str, Any]) -> Checked:
    """Open the venue with these keys and ask what they are good for, and for its money.

    Raises KeysRefused, VenueSilent, NotOffered, VenueTooBusy (`accounts.services.brokers.register_checker`).
    """
    from bots.brokers.registry import open_broker  # here: it brings a broker's library with it

    try:
        broker = open_broker(kind, environment, key, secret, dict(options))
    except ValueError as said:
        raise NotOffered(str(said)) from said
    try:
        try:
            facts, money = broker.check_keys(), broker.money()
        finally:
            broker.close()
    except (Unauthorised, Refused) as said:
        raise KeysRefused(str(said)) from said
    except RateLimited as said:
        raise VenueTooBusy(str(said), said.retry_after_s) from said
    except VenueDown as said:
        raise VenueSilent(str(said)) from said
    return Checked(
        account_number=facts.account_number,
        currency=money.currency or facts.currency,
        is_real_money=facts.is_real_money,
        may_trade=facts.may_trade and not money.is_blocked,
        may_withdraw=facts.may_withdraw,
        may_short=facts.may_short,
        cash=money.cash,
        equity=money.equity,
        buying_power=money.buying_power,
    )


def sessions_of(account: BrokerAccount) -> int:
    """How many sessions that are not over trade on it."""
    return TradingSession.objects.filter(broker_account=account).exclude(state__in=OVER).count()
