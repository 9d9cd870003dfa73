"""Orders that the venue has in one group (an OCO, a bracket), as rows: their names, and the request that made them.

A group is named after the order that it was sent with. Its other members have ids made from that name; what the venue
calls them is learned from its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bots.brokers.base import BrokerOrder, InstrumentRules, OrderRequest
from bots.live import asks
from bots.models import Order, OrderRole

SUFFIXES = {OrderRole.STOP.value: "-s", OrderRole.TARGET.value: "-t"}


def group_of(order: Order) -> str:
    """The same for the members of a group, and for an order and what takes its place."""
    return order.sent_with or order.client_order_id


def leg_id(first: str, role: str) -> str:
    """The id of a member that goes with the order `first`."""
    return f"{first}{SUFFIXES[role]}"


def members(first: Order | BrokerOrder, rows: Iterable[Order]) -> list[Order]:
    """Those that were sent with it, among these."""
    names = {leg_id(first.client_order_id, role) for role in SUFFIXES}
    return [row for row in rows if row.client_order_id in names]


def request_of(first: Order, rows: Iterable[Order], rules: InstrumentRules | None) -> OrderRequest:
    """The request that sends an order together with its group. rows: where its members are."""
    request = asks.as_request(first, rules)
    legs = {leg.role: leg for leg in members(first, rows)}
    stop, target = legs.get(OrderRole.STOP), legs.get(OrderRole.TARGET)
    if stop is None and target is None:
        return request
    if first.role == OrderRole.TARGET and stop is not None:
        return replace(request, limit_px=None, order_class="oco", take_profit=request.limit_px,
                       stop_loss=stop.stop_px, stop_loss_limit=stop.limit_px)  # fmt: skip
    return replace(
        request,
        order_class="bracket" if stop is not None and target is not None else "oto",
        take_profit=None if target is None else target.limit_px,
        stop_loss=None if stop is None else stop.stop_px,
    )


def as_leg(member: Order, told: BrokerOrder) -> BrokerOrder | None:
    """What the venue says of a member, in what it says of the order that it was sent with. None: nothing, or of the one
    that has taken its place there."""
    kinds = ("limit",) if member.role == OrderRole.TARGET else ("stop", "stop_limit")
    leg = next((leg for leg in told.legs if leg.kind in kinds), None)
    is_another = leg is not None and bool(member.broker_order_id) and leg.broker_order_id != member.broker_order_id
    return None if is_another else leg


def pairs(first: Order | BrokerOrder, told: BrokerOrder, rows: Iterable[Order]) -> list[tuple[Order, BrokerOrder]]:
    """Each member with what the venue says of it."""
    found = [(member, as_leg(member, told)) for member in members(first, rows)]
    return [(member, leg) for member, leg in found if leg is not None]
