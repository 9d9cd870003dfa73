"""Names of coins: BTC-USD in sessions, stores and addresses of pages, BTC/USD at brokers. Here one becomes the other.

A made-up name such as SIM-ALPHA has a dash, too, and is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from bots.brokers.base import (
    Broker,
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    CashActivity,
    Execution,
    InstrumentRules,
    OrderRequest,
    Stream,
)
from marketdata.symbols import is_made


def pair_of(symbol: str) -> tuple[str, str] | None:
    """(base, quote) of a coin, by either name; None for what is no coin."""
    base, _, quote = at_broker(symbol).partition("/")
    return (base, quote) if quote else None


def at_broker(symbol: str) -> str:
    """BTC-USD → BTC/USD."""
    return symbol if is_made(symbol) else symbol.replace("-", "/")


def ours(symbol: str) -> str:
    """BTC/USD → BTC-USD."""
    return symbol.replace("/", "-")


class Named:
    """A broker whose coins have our names. See `bots.brokers.base.Broker`; what names no symbol is the broker's own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def positions(self) -> list[BrokerPosition]:
        return [replace(each, symbol=ours(each.symbol)) for each in self._broker.positions()]

    def rules(self, symbols: Collection[str]) -> dict[str, InstrumentRules]:
        found = self._broker.rules([at_broker(symbol) for symbol in symbols])
        return {ours(symbol): replace(each, symbol=ours(symbol)) for symbol, each in found.items()}

    def submit(self, request: OrderRequest) -> BrokerOrder:
        return _order(self._broker.submit(replace(request, symbol=at_broker(request.symbol))))

    def cancel(self, order: BrokerOrder) -> None:
        self._broker.cancel(_theirs(order))

    def replace(self, order: BrokerOrder, client_order_id: str, **changes: Any) -> BrokerOrder:
        return _order(self._broker.replace(_theirs(order), client_order_id, **changes))

    def find(self, client_order_id: str, symbol: str) -> BrokerOrder | None:
        return _maybe(self._broker.find(client_order_id, at_broker(symbol)))

    def order(self, broker_order_id: str, symbol: str) -> BrokerOrder | None:
        return _maybe(self._broker.order(broker_order_id, at_broker(symbol)))

    def open_orders(self) -> list[BrokerOrder]:
        return [_order(each) for each in self._broker.open_orders()]

    def executions(self, since: datetime, symbols: Collection[str]) -> list[Execution]:
        found = self._broker.executions(since, [at_broker(symbol) for symbol in symbols])
        return [replace(each, symbol=ours(each.symbol)) for each in found]

    def activities(self, since: datetime) -> list[CashActivity]:
        return [replace(each, symbol=ours(each.symbol)) for each in self._broker.activities(since)]

    def last_prices(self, symbols: Collection[str]) -> dict[str, Any]:
        found = self._broker.last_prices([at_broker(symbol) for symbol in symbols])
        return {ours(symbol): px for symbol, px in found.items()}

    def stream(
        self, on_event: Callable[[BrokerEvent], None], on_up: Callable[[], None], on_down: Callable[[str], None]
    ) -> Stream:
        return self._broker.stream(lambda event: on_event(_event(event)), on_up, on_down)


def _order(order: BrokerOrder) -> BrokerOrder:
    return replace(order, symbol=ours(order.symbol), legs=tuple(_order(leg) for leg in order.legs))


def _maybe(order: BrokerOrder | None) -> BrokerOrder | None:
    return None if order is None else _order(order)


def _theirs(order: BrokerOrder) -> BrokerOrder:
    return replace(order, symbol=at_broker(order.symbol), legs=tuple(_theirs(leg) for leg in order.legs))


def _event(event: BrokerEvent) -> BrokerEvent:
    return replace(
        event,
        order=_maybe(event.order),
        execution=event.execution and replace(event.execution, symbol=ours(event.execution.symbol)),
        activity=event.activity and replace(event.activity, symbol=ours(event.activity.symbol)),
    )
