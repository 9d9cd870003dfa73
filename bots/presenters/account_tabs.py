"""What the tabs of a broker account's page show: whose it is, what was executed there, what money moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.paginator import Paginator
from django.http import QueryDict

from accounts.models import BrokerAccount
from bots.live import reserve
from bots.models import CashFlow
from bots.selectors import inbox, returns

PAGE_SIZE = 50


def parts(account: BrokerAccount, asked: QueryDict) -> dict[str, Any]:
    """The account as the sum of its sessions, of what is external, and of what is free."""
    found = reserve.sums(account)
    active = [share.session for share in found.shares if share.session.is_active]
    return {
        "sums": found,
        "active": active,
        "takers": {row.symbol: [s for s in active if row.symbol in s.symbols] for row in found.symbols if row.external},
        "givers": {
            row.symbol: [share for share in found.shares if share.session in active and row.symbol in share.units]
            for row in found.symbols
        },
        "returns": returns.of_account(account),
    }


def executions(account: BrokerAccount, asked: QueryDict) -> dict[str, Any]:
    """Every execution that the venue told of; with ``external=1`` only those that no session ordered."""
    external = asked.get("external") == "1"
    rows = inbox.executions(account, external=True if external else None)
    return {"page": Paginator(rows, PAGE_SIZE).get_page(asked.get("page")), "external": external}


def flows(account: BrokerAccount, asked: QueryDict) -> dict[str, Any]:
    """Money that moved by another way than trades, of one kind or of all."""
    kind = asked.get("kind", "")
    kind = kind if kind in CashFlow.Kind.values else ""
    page = Paginator(inbox.cash_flows(account, kind=kind), PAGE_SIZE).get_page(asked.get("page"))
    return {"page": page, "kind": kind, "kinds": CashFlow.Kind.choices, "returns": returns.of_account(account)}


TABS: dict[str, tuple[str, Callable[[BrokerAccount, QueryDict], dict[str, Any]]]] = {
    "parts": ("Sub-accounts", parts),
    "executions": ("Executions", executions),
    "flows": ("Money", flows),
}
