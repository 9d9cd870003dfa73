"""The life of an order, as a table and one pure function: FIX's words, moved by events, never by a guess.

    INTENT → DENIED* | SUBMITTED | CANCELED*
    SUBMITTED → ACCEPTED | TRIGGERED | REJECTED* | UNKNOWN | PARTIALLY_FILLED | FILLED* | CANCELED* | EXPIRED*
    ACCEPTED → TRIGGERED | PARTIALLY_FILLED | FILLED* | PENDING_CANCEL | PENDING_REPLACE | CANCELED* | EXPIRED* | …

(* ends it.) A fill is an event with a quantity, never a state that somebody claims: PARTIALLY_FILLED and FILLED follow
from quantities. A fill that comes after the end is booked and flagged. Anything else that the table does not know is
illegal: the caller keeps the event and halts the session.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import models

from bots.states import IllegalMove


class OrderState(models.TextChoices):
    INTENT = "INTENT", "Intent"
    DENIED = "DENIED", "Denied by our risk check"
    SUBMITTED = "SUBMITTED", "Submitted"
    ACCEPTED = "ACCEPTED", "Accepted"
    TRIGGERED = "TRIGGERED", "Triggered"
    PARTIALLY_FILLED = "PARTIALLY_FILLED", "Partially filled"
    FILLED = "FILLED", "Filled"
    PENDING_CANCEL = "PENDING_CANCEL", "Cancel sent"
    PENDING_REPLACE = "PENDING_REPLACE", "Replace sent"
    CANCELED = "CANCELED", "Canceled"
    REPLACED = "REPLACED", "Replaced"
    EXPIRED = "EXPIRED", "Expired"
    REJECTED = "REJECTED", "Rejected by the venue"
    SUSPENDED = "SUSPENDED", "Held by the venue"
    UNKNOWN = "UNKNOWN", "Unknown, being asked for"

    @property
    def is_over(self) -> bool:
        return self in OVER

    @property
    def group(self) -> str:
        """pending (not known to be at the venue), active (working there) or closed."""
        if self in OVER:
            return "closed"
        return "pending" if self in (OrderState.INTENT, OrderState.SUBMITTED, OrderState.UNKNOWN) else "active"


_O = OrderState
OVER = (_O.DENIED, _O.FILLED, _O.CANCELED, _O.REPLACED, _O.EXPIRED, _O.REJECTED)
WORKING = tuple(state for state in _O if state not in OVER)
GROUPS = {group: tuple(state for state in _O if state.group == group) for group in ("pending", "active", "closed")}

_AT_VENUE = (_O.PARTIALLY_FILLED, _O.FILLED, _O.CANCELED, _O.EXPIRED, _O.REJECTED, _O.SUSPENDED)
MOVES: dict[OrderState, frozenset[OrderState]] = {
    state: frozenset(after)
    for state, after in {
        _O.INTENT: (_O.DENIED, _O.SUBMITTED, _O.CANCELED),
        _O.SUBMITTED: (_O.ACCEPTED, _O.TRIGGERED, _O.UNKNOWN, *_AT_VENUE),
        _O.UNKNOWN: (_O.SUBMITTED, _O.ACCEPTED, _O.TRIGGERED, _O.PENDING_CANCEL, _O.PENDING_REPLACE, _O.REPLACED,
                     *_AT_VENUE),
        _O.ACCEPTED: (_O.TRIGGERED, _O.PENDING_CANCEL, _O.PENDING_REPLACE, *_AT_VENUE),
        _O.TRIGGERED: (_O.PENDING_CANCEL, _O.PENDING_REPLACE, *_AT_VENUE),
        _O.PARTIALLY_FILLED: (_O.PARTIALLY_FILLED, _O.FILLED, _O.PENDING_CANCEL, _O.PENDING_REPLACE, _O.CANCELED,
                              _O.EXPIRED, _O.SUSPENDED),
        _O.PENDING_CANCEL: (_O.ACCEPTED, _O.PARTIALLY_FILLED, _O.FILLED, _O.CANCELED, _O.EXPIRED, _O.UNKNOWN),
        _O.PENDING_REPLACE: (_O.ACCEPTED, _O.PARTIALLY_FILLED, _O.FILLED, _O.CANCELED, _O.REPLACED, _O.EXPIRED,
                             _O.UNKNOWN),
        _O.SUSPENDED: (_O.ACCEPTED, _O.PARTIALLY_FILLED, _O.FILLED, _O.PENDING_CANCEL, _O.PENDING_REPLACE, _O.CANCELED,
                       _O.EXPIRED, _O.REJECTED),
        **dict.fromkeys(OVER, ()),
    }.items()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrderView:
    """What the table needs to know of an order. Quantities in units; `executions` are the ids booked so far."""

    state: OrderState
    qty: Decimal
    filled: Decimal = Decimal(0)
    avg_px: Decimal | None = None
    executions: frozenset[str] = frozenset()
    late_fill: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """The venue says: so much was executed. qty > 0 in units, px per unit."""

    execution_id: str
    qty: Decimal
    px: Decimal


@dataclass(frozen=True, slots=True)
class Moved:
    """The venue, or we, say: the order is now `state`."""

    state: OrderState


def apply(order: OrderView, event: Fill | Moved) -> OrderView:
    """The order after the event; the same object when the event says nothing new (a duplicate).

    Raises IllegalMove for what the table does not know, OverFill for more than was ordered.
    """
    return _filled(order, event) if isinstance(event, Fill) else _moved(order, event.state)


class OverFill(IllegalMove):
    """The venue reports more than was ordered."""


def _filled(order: OrderView, fill: Fill) -> OrderView:
    if fill.execution_id in order.executions:
        return order
    filled = order.filled + fill.qty
    if filled > order.qty:
        raise OverFill("order", f"{order.state} {order.filled}/{order.qty}", f"filled {filled}")
    paid = (order.avg_px or Decimal(0)) * order.filled + fill.px * fill.qty
    booked = replace(order, filled=filled, avg_px=paid / filled, executions=order.executions | {fill.execution_id})
    if order.state in (_O.CANCELED, _O.EXPIRED, _O.REPLACED, _O.REJECTED):
        return replace(booked, late_fill=True)
    after = _O.FILLED if filled == order.qty else _O.PARTIALLY_FILLED
    if order.state in (_O.PENDING_CANCEL, _O.PENDING_REPLACE) and after is _O.PARTIALLY_FILLED:
        return booked  # the answer to what was sent is still to come
    if after not in MOVES[order.state]:
        raise IllegalMove("order", order.state, after)
    return replace(booked, state=after)


def _moved(order: OrderView, after: OrderState) -> OrderView:
    if after == order.state:
        return order
    if after in (_O.PARTIALLY_FILLED, _O.FILLED):
        # Only quantities say so: the venue's word is right once its fills are here, and early until then.
        return order
    if order.filled > 0 and after in (_O.ACCEPTED, _O.TRIGGERED, _O.SUBMITTED):
        if order.state in (_O.PENDING_CANCEL, _O.PENDING_REPLACE, _O.SUSPENDED, _O.UNKNOWN):
            return replace(order, state=_O.PARTIALLY_FILLED)  # the request was refused, the order goes on
        return order  # news from before the fill
    if order.state in OVER:
        if after in (_O.SUBMITTED, _O.ACCEPTED, _O.TRIGGERED, _O.PENDING_CANCEL, _O.PENDING_REPLACE, _O.SUSPENDED):
            return order  # news from before the end
        raise IllegalMove("order", order.state, after)
    if after is _O.ACCEPTED and order.state is _O.TRIGGERED:
        return order  # news from before the trigger
    if after is _O.TRIGGERED and order.state in (_O.PENDING_CANCEL, _O.PENDING_REPLACE):
        return order  # the answer to what was sent is still to come
    if after not in MOVES[order.state]:
        raise IllegalMove("order", order.state, after)
    return replace(order, state=after)
