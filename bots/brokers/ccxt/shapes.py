"""ccxt's unified rows as the contract's. The client is told to keep figures as text, so that they stay exact."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bots.brokers.base import BrokerOrder, Execution, InstrumentRules, VenueDown
from bots.orders import OrderState

Raw = Mapping[str, Any]
ZERO = Decimal(0)
TICK_SIZE = 4  # ccxt's mode in which a precision is a step, not a number of digits
TIFS = frozenset({"gtc", "ioc", "fok"})

_O = OrderState
STATES = {
    "open": _O.ACCEPTED, "closed": _O.FILLED, "canceled": _O.CANCELED, "canceling": _O.PENDING_CANCEL,
    "expired": _O.EXPIRED, "rejected": _O.REJECTED,
}  # fmt: skip


def number(raw: Raw, name: str) -> Decimal | None:
    """None where there is none. Raises VenueDown for what is no figure."""
    value = raw.get(name)
    if value in (None, ""):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise VenueDown(f"The venue's answer cannot be read: {name} is no number.") from None
    return found if found.is_finite() else None


def moment(value: Any) -> datetime.datetime | None:
    """Milliseconds since 1970 as aware UTC."""
    if not isinstance(value, int | float) or value <= 0:
        return None
    return datetime.datetime.fromtimestamp(value / 1_000, datetime.UTC)


def order(raw: Any) -> BrokerOrder:
    """Raises VenueDown for what is none."""
    if not isinstance(raw, dict) or not raw.get("id") or not raw.get("symbol"):
        raise VenueDown("The venue's answer cannot be read: it is no order.")
    filled, stop_px = number(raw, "filled") or ZERO, number(raw, "triggerPrice") or number(raw, "stopPrice")
    qty = number(raw, "amount") or filled
    state = STATES.get(str(raw.get("status")), _O.ACCEPTED)
    if state is _O.ACCEPTED and filled:
        state = _O.PARTIALLY_FILLED if filled < qty else _O.FILLED
    if state is _O.FILLED and filled < qty:
        state = _O.CANCELED  # closed, and not all of it filled
    kind = "limit" if "limit" in str(raw.get("type")).lower() else "market"
    if stop_px:
        kind = "stop_limit" if kind == "limit" else "stop"
    return BrokerOrder(
        client_order_id=str(raw.get("clientOrderId") or ""),
        broker_order_id=str(raw["id"]),
        symbol=str(raw["symbol"]),
        side="SELL" if raw.get("side") == "sell" else "BUY",
        kind=kind,
        state=state,
        qty=qty,
        filled=filled,
        avg_px=number(raw, "average") if filled else None,
        limit_px=number(raw, "price") if kind in ("limit", "stop_limit") else None,
        stop_px=stop_px or None,
        status=str(raw.get("status")),
        updated_at=moment(raw.get("lastUpdateTimestamp") or raw.get("lastTradeTimestamp") or raw.get("timestamp")),
    )


def execution(raw: Any) -> Execution:
    """Raises VenueDown for what is none."""
    at = moment(raw.get("timestamp")) if isinstance(raw, dict) else None
    qty, px = (number(raw, "amount"), number(raw, "price")) if at is not None else (None, None)
    if at is None or not raw.get("id") or not raw.get("order") or qty is None or px is None:
        raise VenueDown("The venue's answer cannot be read: it is no trade of an order.")
    fee = raw.get("fee") or {}
    return Execution(
        execution_id=f"{raw['symbol']}-{raw['id']}",
        broker_order_id=str(raw["order"]),
        client_order_id="",
        symbol=str(raw["symbol"]),
        side="SELL" if raw.get("side") == "sell" else "BUY",
        qty=qty,
        px=px,
        at=at,
        fee=number(fee, "cost") or ZERO,
        fee_asset=str(fee.get("currency") or ""),
    )


def rules(raw: Raw, mode: int, *, has_stops: bool) -> InstrumentRules:
    """Of a market. mode: ccxt's of its precisions."""
    limits, precision = raw.get("limits") or {}, raw.get("precision") or {}
    amount, cost = limits.get("amount") or {}, limits.get("cost") or {}
    return InstrumentRules(
        symbol=str(raw["symbol"]),
        tradable=raw.get("active") is not False,
        price_steps=((ZERO, _step(precision, "price", mode)),),
        lot=_step(precision, "amount", mode),
        min_qty=number(amount, "min") or ZERO,
        max_qty=number(amount, "max"),
        min_notional=number(cost, "min") or ZERO,
        max_notional=number(cost, "max"),
        calendar="24/7",
        base=str(raw.get("base") or ""),
        quote=str(raw.get("quote") or ""),
        kinds=frozenset({"market", "limit", "stop", "stop_limit"} if has_stops else {"market", "limit"}),
        tifs=TIFS,
    )


def _step(precision: Raw, name: str, mode: int) -> Decimal:
    found = number(precision, name)
    if found is None:
        return Decimal("1E-8")
    return found if mode == TICK_SIZE else Decimal(1).scaleb(-int(found))
