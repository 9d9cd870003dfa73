"""Alpaca's JSON as the contract's rows, and orders as Alpaca's JSON. Figures are exact both ways.

What is missing or unreadable raises VenueDown: it is known then that nothing is known. A word that is not known here
(Alpaca adds statuses and events) never loses a message.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bots.brokers.base import BrokerOrder, BrokerPosition, Execution, InstrumentRules, OrderRequest, Side, VenueDown
from bots.orders import OrderState

log = logging.getLogger(__name__)

Raw = Mapping[str, Any]
CURRENCIES = ("USDT", "USDC", "USD", "BTC")  # what coins are quoted in
ZERO = Decimal(0)

_O = OrderState
STATES: dict[str, OrderState] = {
    # Taken, though not yet at an exchange: it can be cancelled, and rejected later, as any that works.
    "accepted": _O.ACCEPTED, "pending_new": _O.ACCEPTED, "accepted_for_bidding": _O.ACCEPTED,
    "pending_review": _O.ACCEPTED, "new": _O.ACCEPTED, "stopped": _O.ACCEPTED,
    # Over for the day, or being counted up: what it ends as is told later.
    "done_for_day": _O.ACCEPTED, "calculated": _O.ACCEPTED,
    "held": _O.SUSPENDED, "suspended": _O.SUSPENDED, "pending_cancel": _O.PENDING_CANCEL,
    "pending_replace": _O.PENDING_REPLACE, "partially_filled": _O.PARTIALLY_FILLED, "filled": _O.FILLED,
    "canceled": _O.CANCELED, "expired": _O.EXPIRED, "rejected": _O.REJECTED, "replaced": _O.REPLACED,
}  # fmt: skip
STOCK_KINDS = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
STOCK_TIFS = frozenset({"day", "gtc", "ioc", "fok", "opg", "cls"})
STOCK_CLASSES = frozenset({"simple", "bracket", "oco", "oto"})
GROUPS = STOCK_CLASSES - {"simple"}
COIN_KINDS, COIN_TIFS = frozenset({"market", "limit", "stop_limit"}), frozenset({"gtc", "ioc"})
STOCK_STEPS = ((ZERO, Decimal("0.0001")), (Decimal(1), Decimal("0.01")))
FRACTION = Decimal("1E-9")
LEAST_VALUE = Decimal(1)  # dollars, of an order for a fraction


def plain(value: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(raw: Raw, name: str) -> Decimal | None:
    """A figure, whether Alpaca wrote it in quotes or not; None where there is none. Raises VenueDown."""
    value = raw.get(name)
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise VenueDown(f"Alpaca's answer cannot be read: {name} is not a number.") from None
    if not found.is_finite():
        raise VenueDown(f"Alpaca's answer cannot be read: {name} is not a number.")
    return found


def figure(raw: Raw, name: str) -> Decimal:
    """A figure that must be there. Raises VenueDown."""
    found = number(raw, name)
    if found is None:
        raise VenueDown(f"Alpaca's answer cannot be read: {name} is missing.")
    return found


def text(raw: Raw, name: str) -> str:
    value = raw.get(name)
    return "" if value is None else str(value)


def moment(value: Any) -> datetime.datetime | None:
    """RFC 3339 with up to nine digits of a second, or a date, as aware UTC; None where there is none or it is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        at = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)


def symbol(name: str, asset_class: str = "") -> str:
    """Ours. Alpaca writes coins with a slash in orders and without one in positions."""
    is_coin = asset_class == "crypto" or (not asset_class and re.fullmatch(r"[A-Z]{6,}", name) is not None)
    if "/" in name or not is_coin:
        return name
    for quote in CURRENCIES:
        if name.endswith(quote) and name != quote:
            return f"{name.removesuffix(quote)}/{quote}"
    return name


def side(raw: Raw) -> Side:
    return "SELL" if text(raw, "side").startswith("sell") else "BUY"


def rows(answer: Any) -> list[Raw]:
    """An answer that must be a list of objects. Raises VenueDown."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise VenueDown("Alpaca's answer cannot be read: it is not a list.")
    return answer


def row(answer: Any) -> Raw:
    """An answer that must be an object. Raises VenueDown."""
    if not isinstance(answer, dict):
        raise VenueDown("Alpaca's answer cannot be read: it is not an object.")
    return answer


def order(raw: Raw, reason: str = "") -> BrokerOrder:
    """An order and its legs. Raises VenueDown."""
    if not raw.get("id") or not raw.get("symbol"):
        raise VenueDown("Alpaca's answer cannot be read: it is no order.")
    filled, status = number(raw, "filled_qty") or ZERO, text(raw, "status")
    legs = raw.get("legs")
    return BrokerOrder(
        client_order_id=text(raw, "client_order_id"),
        broker_order_id=text(raw, "id"),
        symbol=symbol(text(raw, "symbol"), text(raw, "asset_class")),
        side=side(raw),
        kind=text(raw, "type") or text(raw, "order_type"),
        state=_state(status, filled),
        qty=number(raw, "qty") or filled,  # by notional: what it comes to is known when it has filled
        filled=filled,
        avg_px=number(raw, "filled_avg_price"),
        limit_px=number(raw, "limit_price"),
        stop_px=number(raw, "stop_price"),
        status=status,
        reason=reason or text(raw, "reject_reason"),
        replaces=text(raw, "replaces"),
        replaced_by=text(raw, "replaced_by"),
        updated_at=moment(raw.get("updated_at")),
        legs=tuple(order(leg) for leg in legs) if isinstance(legs, list) else (),
    )


def _state(status: str, filled: Decimal) -> OrderState:
    known = STATES.get(status)
    if known is None:
        log.warning("Alpaca says of an order that it is %r, which is not known: it is taken to be open", status[:40])
    state = known or _O.ACCEPTED
    return _O.PARTIALLY_FILLED if state is _O.ACCEPTED and filled else state


def execution(
    order_id: str, client_id: str, name: str, way: Side, *, qty: Decimal, px: Decimal, filled: Decimal,
    at: datetime.datetime, coin_fee: Decimal,
) -> Execution:  # fmt: skip
    """One fill. filled: of the order, this fill included. The stream and the list of activities name a fill
    differently, but both tell that sum, and no two fills of an order have the same: it is the id.

    coin_fee: ratio; taken from what is received. Alpaca lists it only at the end of the day.
    """
    base, slash, quote = name.partition("/")
    fee = (qty if way == "BUY" else qty * px) * coin_fee if slash else ZERO
    return Execution(
        f"{order_id}:{plain(filled)}", order_id, client_id, name, way, qty, px, at,
        fee, (base if way == "BUY" else quote) if fee else "",
    )  # fmt: skip


def body(request: OrderRequest) -> dict[str, Any]:
    """An order as Alpaca takes it. All figures are strings, so that none passes through a float."""
    made: dict[str, Any] = {
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side.lower(),
        "type": request.kind,
        "time_in_force": request.time_in_force,
        "qty": plain(request.qty),
    }
    optional = {
        "limit_price": request.limit_px,
        "stop_price": request.stop_px,
        "trail_price": request.trail_px,
        "trail_percent": request.trail_pct,
    }
    made |= {name: plain(value) for name, value in optional.items() if value is not None}
    if request.extended_hours:
        made["extended_hours"] = True
    if request.order_class != "simple":
        made["order_class"] = request.order_class
    if request.take_profit is not None:
        made["take_profit"] = {"limit_price": plain(request.take_profit)}
    if request.stop_loss is not None:
        made["stop_loss"] = {"stop_price": plain(request.stop_loss)}
        if request.stop_loss_limit is not None:
            made["stop_loss"]["limit_price"] = plain(request.stop_loss_limit)
    return made


def position(raw: Raw) -> BrokerPosition:
    qty = figure(raw, "qty")
    if text(raw, "side") == "short":
        qty = -abs(qty)
    name = symbol(text(raw, "symbol"), text(raw, "asset_class"))
    return BrokerPosition(name, qty, number(raw, "avg_entry_price"), number(raw, "current_price"))


def rules(raw: Raw) -> InstrumentRules:
    """Of an asset."""
    name = text(raw, "symbol")
    tradable = raw.get("tradable") is True and text(raw, "status") in ("", "active")
    if text(raw, "class") == "crypto":
        base, _, quote = name.partition("/")
        step = number(raw, "min_trade_increment") or FRACTION
        return InstrumentRules(
            name, tradable, ((ZERO, number(raw, "price_increment") or FRACTION),), step,
            min_qty=number(raw, "min_order_size") or ZERO, fractionable=False, calendar="24/7", base=base, quote=quote,
            kinds=COIN_KINDS, tifs=COIN_TIFS,
        )  # fmt: skip
    fractionable = raw.get("fractionable") is True
    return InstrumentRules(
        name, tradable, STOCK_STEPS, Decimal(1),
        fractionable=fractionable, fraction_step=FRACTION,
        shortable=raw.get("shortable") is True and raw.get("easy_to_borrow") is True, extended_hours=True,
        kinds=STOCK_KINDS, tifs=STOCK_TIFS, classes=STOCK_CLASSES,
        notes={"fractions": "DAY and simple", "fraction_min_notional": plain(LEAST_VALUE)} if fractionable else {},
    )  # fmt: skip
