"""Accounts, sessions and what venues say, made by hand for tests that need no venue."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import BrokerAccount, User
from bots.brokers.base import BrokerOrder, BrokerPosition, Money
from bots.live.differences import Truth
from bots.models import Mode, Position, TradingSession
from tests.bots.factories import make_session


def truth(
    held: dict[str, str] | None = None,
    *orders: BrokerOrder,
    cash: str = "100000",
    at: datetime.datetime | None = None,
) -> Truth:
    """What a venue says: positions by symbol, all at an average of 100 and a mark of 101."""
    positions = tuple(BrokerPosition(s, Decimal(qty), Decimal(100), Decimal(101)) for s, qty in (held or {}).items())
    money = Money("1", "USD", Decimal(cash), Decimal(cash), Decimal(cash))
    return Truth(at or timezone.now(), money, positions, orders)


def live_session(owner: User, account: BrokerAccount, **columns: Any) -> TradingSession:
    """A LIVE session of that account with 10,000 in cash."""
    return make_session(owner, mode=Mode.LIVE, broker_account=account, **columns)


def hold(session: TradingSession, symbol: str, qty: str, px: str = "100") -> TradingSession:
    """Let it hold signed units, bought with its own cash."""
    units, price = Decimal(qty), Decimal(px)
    Position.objects.create(
        session=session, symbol=symbol, number=session.positions.filter(symbol=symbol).count() + 1,
        side="BUY" if units > 0 else "SELL", qty=abs(units), entered_qty=abs(units), entry_px=price, current_px=price,
        opened_at=timezone.now(),
    )  # fmt: skip
    session.cash -= units * price
    session.open_positions += 1
    session.save()
    return session
