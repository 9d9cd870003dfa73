"""Brings committed orders to the venue: a batch in one call, and again with the same ids where it does not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from django.db.models import F

from bots import failpoints
from bots.host import ledger
from bots.models import Order
from bots.orders import OrderState
from bots.venues.base import Venue, VenueDown, VenueOrder

log = logging.getLogger(__name__)

WAITS_S = (0.2, 0.5, 1.0)  # after the first, second and third try; then the order's state is unknown


def send(venue: Venue, orders: Sequence[Order], *, waits: Sequence[float] = WAITS_S) -> dict[int, VenueOrder]:
    """What the venue says of these orders, by id of their rows; empty where it does not answer.

    Its word is written into the rows, but for a rejection, which is the caller's to book. How often it was tried and
    how long the venue took stands in the rows, too.
    """
    failpoints.pass_by("after_intent")
    ids = [order.pk for order in orders]
    began = time.perf_counter()
    answers, tries = _submit(venue, orders, waits)
    Order.objects.filter(pk__in=ids).update(attempts=F("attempts") + tries)
    if answers is None:
        Order.objects.filter(pk__in=ids).update(state=OrderState.UNKNOWN)
        return {}
    failpoints.pass_by("after_ack")
    taken = [answer for answer in answers if answer.state != OrderState.REJECTED]
    ledger.acknowledge(taken, ack_ms=(time.perf_counter() - began) * 1e3)
    rows = {order.client_order_id: order.pk for order in orders}
    return {rows[answer.client_order_id]: answer for answer in answers}


def _submit(venue: Venue, orders: Sequence[Order], waits: Sequence[float]) -> tuple[list[VenueOrder] | None, int]:
    for tries, wait in enumerate((*waits, None), 1):
        try:
            return venue.submit(orders), tries
        except VenueDown as error:
            log.warning("try %d: %d orders may or may not have reached the venue: %s", tries, len(orders), error)
            if wait is not None:
                time.sleep(wait)
    return None, tries
