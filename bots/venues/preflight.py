"""The last look at an entry before it leaves: what no venue would take, or nobody can have meant, is not sent.

The engine rounds and limits already; this catches what it and we might have wrong. Exits are never held back here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from bots.models import Order


@dataclass(frozen=True, slots=True)
class Listing:
    """How a symbol trades at the venue. tick_size: money; None: any price, as on paper, where the engine's own prices
    are matched. lot_size: units; None: any fraction. sized_later: 0 units mean a size set at the fill.
    """

    tick_size: Decimal | None
    lot_size: Decimal | None
    sized_later: bool = False


def refusal(order: Order, listing: Listing | None) -> str:
    """Why this entry must not be sent, in words; empty: it may."""
    if listing is None:
        return f"The session does not trade {order.symbol}."
    if order.qty < 0 or (order.qty == 0 and not listing.sized_later):
        return f"{order.qty.normalize():f} units are no order."
    if listing.lot_size is not None and order.qty % listing.lot_size:
        return f"{order.qty.normalize():f} units are no multiple of the lot, {listing.lot_size.normalize():f}."
    for name, px in (("limit", order.limit_px), ("stop", order.stop_px)):
        if px is None:
            continue
        if px <= 0:
            return f"A {name} price of {px.normalize():f} is none."
        if listing.tick_size is not None and px % listing.tick_size:
            return f"The {name} price {px.normalize():f} is no multiple of the tick, {listing.tick_size.normalize():f}."
        if order.decision_px and abs(px / order.decision_px - 1) * 100 > settings.ORDER_COLLAR_PCT:
            away = abs(px / order.decision_px - 1) * 100
            return f"The {name} price is {away:.1f}% from the close, more than {settings.ORDER_COLLAR_PCT}%."
    return ""
