"""The simulated venue's book of orders. Whether and at what price they fill is the engine's `match`, bar by bar.

It keeps its own rows and commits them itself, as a broker would: the ledger can be behind it after a crash, and
recovery finds out by asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils import timezone

from bots import failpoints
from bots.models import Order, PaperOrder
from bots.orders import OrderState
from bots.venues.base import VenueOrder


class PaperVenue:
    """See `bots.venues.base.Venue`."""

    def submit(self, orders: Sequence[Order]) -> list[VenueOrder]:
        now = timezone.now()
        rows = [
            PaperOrder(
                client_order_id=order.client_order_id,
                session_id=order.session_id,
                symbol=order.symbol,
                side=order.side,
                qty=order.qty,
                kind=order.kind,
                accepted_at=now,
            )
            for order in orders
        ]
        PaperOrder.objects.bulk_create(rows, ignore_conflicts=True)
        failpoints.pass_by("after_send")
        return [_accepted(row) for row in rows]

    def close(self, client_order_ids: Iterable[str]) -> None:
        PaperOrder.objects.filter(client_order_id__in=list(client_order_ids)).update(is_working=False)

    def find(self, client_order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        rows = PaperOrder.objects.filter(client_order_id__in=list(client_order_ids))
        return {row.client_order_id: _accepted(row) for row in rows}

    def working(self, session_id: int) -> list[VenueOrder]:
        return [_accepted(row) for row in PaperOrder.objects.filter(session_id=session_id, is_working=True)]


def _accepted(row: PaperOrder) -> VenueOrder:
    state = OrderState.ACCEPTED if row.is_working else OrderState.CANCELED
    return VenueOrder(row.client_order_id, f"paper-{row.client_order_id}", state)
