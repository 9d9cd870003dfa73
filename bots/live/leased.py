"""A broker behind an account's lease: what changes something is sent only while the lease is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bots import failpoints
from bots.brokers.base import Banned, Broker, BrokerOrder, OrderRequest, Refused


class Leased:
    """See `bots.brokers.base.Broker`. may_send: asked right before each order, change or cancel leaves. on_ban: called
    where the venue has banned the account, so that it is known at once and not by the next sweep."""

    def __init__(self, broker: Broker, may_send: Callable[[], bool], on_ban: Callable[[], None]) -> None:
        self._broker, self._may_send, self._on_ban = broker, may_send, on_ban

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Raises Refused (not_placed) where another host has the account by now."""
        order: BrokerOrder = self._send(self._broker.submit, request)
        failpoints.pass_by("after_send")
        return order

    def cancel(self, order: BrokerOrder) -> None:
        self._send(self._broker.cancel, order)

    def replace(self, order: BrokerOrder, client_order_id: str, **changes: Any) -> BrokerOrder:
        new: BrokerOrder = self._send(self._broker.replace, order, client_order_id, **changes)
        return new

    def _send(self, call: Callable[..., Any], *what: Any, **changes: Any) -> Any:
        self._refuse_without_lease()
        try:
            return call(*what, **changes)
        except Banned:
            self._on_ban()
            raise

    def _refuse_without_lease(self) -> None:
        if not self._may_send():
            raise Refused("not_placed", "Another host has this account by now.")
