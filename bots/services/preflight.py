"""Whether a broker would take an order, asked for by its owner before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from accounts import selectors
from accounts.models import BrokerAccount, User
from bots.brokers import preflight
from bots.brokers.base import OrderRequest
from bots.services import at_broker
from marketdata.feeds import spans
from tradingsite.lib.errors import Conflict


def ask(user: User, account_id: int, order: Mapping[str, Any]) -> dict[str, Any]:
    """What the venue would say, from its rules and the account as it is now; nothing is sent.

    order: fields of `OrderRequest`, without an id. Raises NotFound, Conflict (not in use; keys refused), Unavailable.
    """
    account = selectors.broker_account(user, account_id)
    if account.state != BrokerAccount.State.ACTIVE:
        word = account.state_reason or account.get_state_display().lower()
        raise Conflict(f"“{account.name}” is not in use: {word}", code="not_active")
    request = OrderRequest("", **order)
    with at_broker.asked(account, f"to look at an order of {request.symbol} beforehand") as broker:
        rules = broker.rules([request.symbol]).get(request.symbol)
        held = {position.symbol: position.qty for position in broker.positions()}
        known = preflight.Known(
            rules,
            broker.capabilities,
            money=broker.money(),
            held=held.get(request.symbol, Decimal(0)),
            open_orders=broker.open_orders(),
            last=broker.last_prices([request.symbol]).get(request.symbol) if rules is not None else None,
            is_open=rules is None or spans.is_open(rules.calendar, time.time_ns()),
        )
    problems = preflight.check(request, known)
    return {"accepted": not any(problem.blocks for problem in problems), "problems": problems, "last_px": known.last}
