"""What is asked of a broker, once its row is committed, and what came of it; rows as requests, and the other way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from bots.brokers.base import BrokerOrder, InstrumentRules, OrderRequest, Refused
from bots.models import Order
from bots.orders import OrderState

_SINGLE = {"day", "gtc"}


@dataclass(frozen=True, slots=True)
class Ask:
    """order: its committed row; of a replacement the new one, whose `replaces` is the old.

    request: of a submission. changes: of a replacement, by name (qty, limit_px, stop_px). is_urgent: goes before
    entries, and may use the share of the budget that is kept back.
    """

    do: Literal["submit", "cancel", "replace"]
    order: Order
    is_urgent: bool
    request: OrderRequest | None = None
    changes: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an ask. order: what the venue says, where it placed one. refusal: why nothing has happened.

    tries: how often it was sent; took_s: the last round trip. kind: unknown where nobody can say yet.
    """

    ask: Ask
    order: BrokerOrder | None = None
    refusal: Refused | None = None
    tries: int = 1
    took_s: float = 0.0
    kind: Literal["placed", "refused", "unknown"] = "placed"


def as_request(order: Order, rules: InstrumentRules | None) -> OrderRequest:
    """The order as it leaves, at the venue's steps: never larger, prices to the side that risks less. What is filled
    before it leaves was settled with another session (`bots.live.opposite`)."""
    qty, tif = order.qty - order.filled_qty, order.time_in_force
    if rules is not None:
        qty = qty // step_of(rules) * step_of(rules)
        if not rules.base and qty % rules.lot and tif in _SINGLE:
            tif = "day"  # fractions of shares are good for the day only
        elif tif in _SINGLE and tif not in rules.tifs:
            tif = "gtc"  # a market that never closes has no day
    limits, stops = order.kind in ("limit", "stop_limit"), order.kind in ("stop", "stop_limit")
    return OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side="BUY" if order.side == "BUY" else "SELL",
        kind=order.kind,
        time_in_force=tif,
        qty=qty.normalize() + 0,
        limit_px=_stepped(order.limit_px, rules, up=order.side == "SELL") if limits else None,
        # Of a market or a limit order, the row's stop is that of the position.
        stop_px=_stepped(order.stop_px, rules, up=order.side == ("BUY" if order.is_entry else "SELL"))
        if stops
        else None,
    )


def step_of(rules: InstrumentRules) -> Decimal:
    """The least step of a quantity there."""
    return rules.fraction_step if rules.fractionable else rules.lot


def is_dust(qty: Decimal, px: Decimal, rules: InstrumentRules) -> bool:
    """Whether so few units are held that the venue takes no order for them."""
    return qty < max(step_of(rules), rules.min_qty) or qty * px < rules.min_notional


def as_broker_order(order: Order) -> BrokerOrder:
    """What a call needs to know of an order that the venue has."""
    return BrokerOrder(
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        side="BUY" if order.side == "BUY" else "SELL",
        kind=order.kind,
        state=OrderState(order.state),
        qty=order.qty,
        filled=order.filled_qty,
        limit_px=order.limit_px,
        stop_px=order.stop_px,
    )


def _stepped(px: Decimal | None, rules: InstrumentRules | None, *, up: bool) -> Decimal | None:
    if px is None or rules is None:
        return px
    step = rules.price_step(px)
    return (px / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step
