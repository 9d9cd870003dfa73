"""News of a broker in pieces, as they are booked: what each tells of, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bots import ids
from bots.brokers.base import BrokerEvent
from bots.live.asks import Answer
from bots.orders import OrderState

if TYPE_CHECKING:
    from bots.live.connection import Connection

_AT_WORK = (OrderState.SUBMITTED, OrderState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of news and the session that it is of; 0: nobody's."""

    session_id: int
    news: Answer | BrokerEvent
    connection: Connection


def session_of(event: BrokerEvent) -> int | None:
    """The session whose order it names; None: it names none of ours."""
    names = []
    if event.order is not None:
        names.append(event.order.client_order_id)
    if event.execution is not None:
        names.append(event.execution.client_order_id)
    return next((found for name in names if (found := ids.session_of(name)) is not None), None)


def is_placed(news: Answer | BrokerEvent) -> bool:
    """Whether it is the answer to an order that the venue has taken."""
    return isinstance(news, Answer) and news.ask.do == "submit" and news.order is not None


def is_working(event: BrokerEvent) -> bool:
    """Whether all that it says is that an order works."""
    return event.kind == "order" and event.order is not None and event.order.state in _AT_WORK


def order_of(news: Answer | BrokerEvent) -> str:
    """The client id of the order that it tells of; empty: it names none."""
    if isinstance(news, Answer):
        return news.ask.order.client_order_id
    told = news.execution or news.order
    return "" if told is None else told.client_order_id


def broker_id(event: BrokerEvent) -> str:
    """The venue's id of the order that it tells of; empty: it has none."""
    if event.execution is not None:
        return event.execution.broker_order_id
    return event.order.broker_order_id if event.order is not None else ""
