"""What a session's host asks of a venue, whether simulated or a broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from bots.brokers.base import VenueDown
from bots.models import Order
from bots.orders import OrderState

__all__ = ["Venue", "VenueDown", "VenueOrder"]


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """What a venue says of one order. filled in units."""

    client_order_id: str
    broker_order_id: str
    state: OrderState
    filled: Decimal = Decimal(0)
    reason: str = ""  # why it was rejected, in the venue's words


class Venue(Protocol):
    """One account at one venue. Every call may raise VenueDown; then nothing is known, and recovery asks again."""

    def submit(self, orders: Sequence[Order]) -> list[VenueOrder]:
        """Send orders whose rows are committed. Sent twice with the same id, an order exists once."""

    def close(self, client_order_ids: Iterable[str]) -> None:
        """Make sure that these work no more: what is over, and what no order of ours asks for. Ids that do not work
        are no error."""

    def find(self, client_order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        """What the venue knows of these ids; those it never saw are left out."""

    def working(self, session_id: int) -> list[VenueOrder]:
        """The session's orders that can still be filled."""
