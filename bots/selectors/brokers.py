"""Reads: a user's accounts at brokers, with the sessions that trade on them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count

from accounts import selectors as account_selectors
from accounts.models import BrokerAccount, User
from bots.live import reserve
from bots.models import Mode, TradingSession
from bots.states import OVER


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account as lists show it. sessions: those on it that are not over. free: cash of no session; None: unknown."""

    account: BrokerAccount
    sessions: int
    free: Decimal | None


def account_lines(user: User) -> list[AccountLine]:
    """The user's accounts that are not closed, by name."""
    accounts = list(account_selectors.broker_accounts(user))
    going = TradingSession.objects.filter(broker_account__in=accounts).exclude(state__in=OVER)
    counted = going.values("broker_account").annotate(count=Count("pk"))
    sessions = {row["broker_account"]: row["count"] for row in counted}
    return [AccountLine(account, sessions.get(account.pk, 0), reserve.free_cash(account)) for account in accounts]


def environments_of_live(user: User) -> set[str]:
    """On which kinds of accounts the user's LIVE sessions trade that are not over; empty: none does."""
    live = TradingSession.objects.filter(owner=user, mode=Mode.LIVE).exclude(state__in=OVER)
    return set(live.values_list("broker_account__environment", flat=True).distinct())
