"""A broker behind an account's lease: what changes something is sent only while the lease is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bots import failpoints
from bots.brokers.base import Broker, BrokerOrder, OrderRequest, Refused


class Leased:
    """See `bots.brokers.base.Broker`. may_send: asked right before each order, change or cancel leaves."""

    def __init__(self, broker: Broker, may_send: Callable[[], bool]) -> None:
        self._broker, self._may_send = broker, may_send

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Raises Refused (not_placed) where another host has the account by now."""
        self._refuse_without_lease()
        order = self._broker.submit(request)
        failpoints.pass_by("after_send")
        return order

    def cancel(self, order: BrokerOrder) -> None:
        self._refuse_without_lease()
        self._broker.cancel(order)
        failpoints.pass_by("after_cancel")

    def replace(self, order: BrokerOrder, client_order_id: str, **changes: Any) -> BrokerOrder:
        self._refuse_without_lease()
        new = self._broker.replace(order, client_order_id, **changes)
        failpoints.pass_by("after_replace")
        return new

    def _refuse_without_lease(self) -> None:
        if not self._may_send():
            raise Refused("not_placed", "Another host has this account by now.")
