"""Binance's JSON as the contract's rows, and orders as Binance's parameters. Figures are exact both ways.

What is missing or unreadable raises VenueDown: it is known then that nothing is known.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from bots.brokers.base import BrokerEvent, BrokerOrder, Execution, InstrumentRules, OrderRequest, Refused, VenueDown
from bots.orders import OrderState

log = logging.getLogger(__name__)

Raw = Mapping[str, Any]
Named = Callable[[str], str]  # Binance's name of a pair → ours
ZERO = Decimal(0)

_O = OrderState
STATES = {
    "NEW": _O.ACCEPTED, "PENDING_NEW": _O.SUSPENDED, "PARTIALLY_FILLED": _O.PARTIALLY_FILLED, "FILLED": _O.FILLED,
    "CANCELED": _O.CANCELED, "PENDING_CANCEL": _O.PENDING_CANCEL, "REJECTED": _O.REJECTED, "EXPIRED": _O.EXPIRED,
    "EXPIRED_IN_MATCH": _O.EXPIRED,
}  # fmt: skip
KINDS = {
    "LIMIT": "limit", "LIMIT_MAKER": "limit", "MARKET": "market", "STOP_LOSS": "stop", "STOP_LOSS_LIMIT": "stop_limit",
}  # fmt: skip
TIFS = frozenset({"gtc", "ioc", "fok"})
STOP_SUFFIX, LIST_SUFFIX = "-s", "-l"  # of the client's ids of an OCO: its stop, the pair of both
STOP_ROOM = Decimal("0.05")  # how far a stop may slip where Binance takes none without a limit


def plain(value: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def figure(raw: Raw, name: str) -> Decimal:
    """A figure that must be there. Raises VenueDown."""
    try:
        found = Decimal(str(raw[name]))
    except (KeyError, InvalidOperation):
        raise VenueDown(f"Binance's answer cannot be read: {name} is missing or no number.") from None
    if not found.is_finite():
        raise VenueDown(f"Binance's answer cannot be read: {name} is no number.")
    return found


def some(raw: Raw, name: str) -> Decimal | None:
    """A figure above zero; Binance writes zeros where there is none."""
    return figure(raw, name) or None if raw.get(name) not in (None, "") else None


def moment(value: Any) -> datetime.datetime | None:
    """Milliseconds since 1970 as aware UTC."""
    if not isinstance(value, int) or value <= 0:
        return None
    return datetime.datetime.fromtimestamp(value // 1_000, datetime.UTC) + datetime.timedelta(
        milliseconds=value % 1_000
    )


def milliseconds(at: datetime.datetime) -> int:
    return int(at.timestamp() * 1_000)


def row(answer: Any) -> Raw:
    """An answer that must be an object. Raises VenueDown."""
    if not isinstance(answer, dict):
        raise VenueDown("Binance's answer cannot be read: it is not an object.")
    return answer


def rows(answer: Any) -> list[Raw]:
    """An answer that must be a list of objects. Raises VenueDown."""
    if not isinstance(answer, list) or not all(isinstance(each, dict) for each in answer):
        raise VenueDown("Binance's answer cannot be read: it is not a list.")
    return answer


def order(raw: Raw, named: Named, legs: tuple[BrokerOrder, ...] = ()) -> BrokerOrder:
    """An order of any answer that tells of one. Raises VenueDown."""
    client_id = raw.get("origClientOrderId") or raw.get("clientOrderId")
    if not raw.get("orderId") or not raw.get("symbol") or not client_id:
        raise VenueDown("Binance's answer cannot be read: it is no order.")
    filled, status = figure(raw, "executedQty"), str(raw.get("status"))
    return BrokerOrder(
        client_order_id=str(client_id),
        broker_order_id=str(raw["orderId"]),
        symbol=named(str(raw["symbol"])),
        side="SELL" if raw.get("side") == "SELL" else "BUY",
        kind=KINDS.get(str(raw.get("type")), str(raw.get("type")).lower()),
        state=state(status),
        qty=figure(raw, "origQty"),
        filled=filled,
        avg_px=figure(raw, "cummulativeQuoteQty") / filled if filled else None,
        limit_px=some(raw, "price"),
        stop_px=some(raw, "stopPrice"),
        status=status,
        updated_at=moment(raw.get("updateTime") or raw.get("transactTime") or raw.get("time")),
        legs=legs,
    )


def state(status: str) -> OrderState:
    known = STATES.get(status)
    if known is None:
        log.warning("Binance says of an order that it is %r, which is not known: it is taken to be open", status[:40])
    return known or _O.ACCEPTED


def execution(raw: Raw, named: Named) -> Execution:
    """One of myTrades. Raises VenueDown."""
    at = moment(raw.get("time"))
    if at is None or "id" not in raw or "orderId" not in raw:
        raise VenueDown("Binance's answer cannot be read: a trade has no id, no order or no time.")
    return Execution(
        execution_id=f"{raw['symbol']}-{raw['id']}",
        broker_order_id=str(raw["orderId"]),
        client_order_id="",
        symbol=named(str(raw["symbol"])),
        side="BUY" if raw.get("isBuyer") is True else "SELL",
        qty=figure(raw, "qty"),
        px=figure(raw, "price"),
        at=at,
        fee=figure(raw, "commission"),
        fee_asset=str(raw.get("commissionAsset") or ""),
    )


def report(raw: Raw, named: Named) -> BrokerEvent:
    """An executionReport. C is the order's id where c is that of its cancellation. Raises VenueDown."""
    at = moment(raw.get("T")) or moment(raw.get("E"))
    if at is None:
        raise VenueDown("Binance's message cannot be read: it has no time.")
    reason = str(raw.get("r") or "NONE")
    told = order(
        {
            "orderId": raw.get("i"), "symbol": raw.get("s"), "clientOrderId": raw.get("C") or raw.get("c"),
            "side": raw.get("S"), "type": raw.get("o"), "status": raw.get("X"), "origQty": raw.get("q"),
            "executedQty": raw.get("z"), "cummulativeQuoteQty": raw.get("Z"), "price": raw.get("p"),
            "stopPrice": raw.get("P"), "updateTime": raw.get("T"),
        },
        named,
    )  # fmt: skip
    if reason != "NONE":
        told = replace(told, reason=reason)
    if raw.get("x") != "TRADE":
        return BrokerEvent("order", at, told)
    fill = Execution(
        execution_id=f"{raw['s']}-{raw.get('t')}",
        broker_order_id=told.broker_order_id,
        client_order_id=told.client_order_id,
        symbol=told.symbol,
        side=told.side,
        qty=figure(raw, "l"),
        px=figure(raw, "L"),
        at=at,
        fee=figure(raw, "n"),
        fee_asset=str(raw.get("N") or ""),
    )
    return BrokerEvent("fill", at, told, fill)


def parameters(request: OrderRequest, name: str, *, rules: InstrumentRules | None) -> tuple[str, dict[str, Any]]:
    """(path, parameters) of an order. name: Binance's of the pair. rules: of the pair, for a stop without a limit.

    Raises Refused for what Binance does not have.
    """
    if request.order_class == "oco":
        return "/api/v3/orderList/oco", _pair_of_exits(request, name)
    if request.order_class != "simple":
        raise Refused("invalid", f"Binance has no {request.order_class} orders")
    made: dict[str, Any] = {
        "symbol": name,
        "side": request.side,
        "quantity": plain(request.qty),
        "newClientOrderId": request.client_order_id,
        "newOrderRespType": "RESULT",
    }
    if request.kind == "market":
        return "/api/v3/order", made | {"type": "MARKET"}
    if request.time_in_force not in TIFS:
        raise Refused("invalid", f"Binance has no {request.time_in_force.upper()} orders; it takes GTC, IOC and FOK")
    tif, limit_px, stop_px = request.time_in_force.upper(), request.limit_px, request.stop_px
    if request.kind == "limit" and limit_px is not None:
        made |= {"type": "LIMIT", "timeInForce": tif, "price": plain(limit_px)}
    elif request.kind == "stop" and stop_px is not None and (rules is None or rules.notes.get("plain_stops", True)):
        made |= {"type": "STOP_LOSS", "stopPrice": plain(stop_px)}
    elif request.kind in ("stop", "stop_limit") and stop_px is not None:
        limit_px = limit_px if request.kind == "stop_limit" else _worst(request.side, stop_px, rules)
        if limit_px is None:
            raise Refused("invalid", "A stop-limit order needs a limit price")
        made |= {"type": "STOP_LOSS_LIMIT", "timeInForce": tif, "price": plain(limit_px), "stopPrice": plain(stop_px)}
    else:
        raise Refused("invalid", f"Binance takes no {request.kind} order with these prices")
    return "/api/v3/order", made


def _worst(side: str, stop_px: Decimal, rules: InstrumentRules | None) -> Decimal:
    """The limit of a stop that should have none: as far away as a fall may go on while it fills."""
    px = stop_px * (1 + STOP_ROOM if side == "BUY" else 1 - STOP_ROOM)
    step = rules.price_step(px) if rules else ZERO
    return px // step * step if step else px


def _pair_of_exits(request: OrderRequest, name: str) -> dict[str, Any]:
    """A target and a stop of which one ends the other. The order's own id is the target's."""
    if request.take_profit is None or request.stop_loss is None:
        raise Refused("bracket_price", "An OCO needs a take profit and a stop loss")
    target, stop = ("above", "below") if request.side == "SELL" else ("below", "above")
    made = {
        "symbol": name,
        "side": request.side,
        "quantity": plain(request.qty),
        "listClientOrderId": request.client_order_id + LIST_SUFFIX,
        f"{target}Type": "LIMIT_MAKER",
        f"{target}Price": plain(request.take_profit),
        f"{target}ClientOrderId": request.client_order_id,
        f"{stop}Type": "STOP_LOSS" if request.stop_loss_limit is None else "STOP_LOSS_LIMIT",
        f"{stop}StopPrice": plain(request.stop_loss),
        f"{stop}ClientOrderId": request.client_order_id + STOP_SUFFIX,
        "newOrderRespType": "RESULT",
    }
    if request.stop_loss_limit is not None:
        made |= {f"{stop}Price": plain(request.stop_loss_limit), f"{stop}TimeInForce": "GTC"}
    return made


def rules(raw: Raw, symbol: str) -> InstrumentRules:
    """Of a pair of exchangeInfo, by its filters."""
    filters = {str(each.get("filterType")): each for each in rows(raw.get("filters"))}
    price, lot = filters.get("PRICE_FILTER", {}), row(filters.get("LOT_SIZE"))
    worth = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    types = raw.get("orderTypes") or ()
    by_side = filters.get("PERCENT_PRICE_BY_SIDE")
    collar: tuple[Decimal, Decimal] | None = None
    if by_side is not None:
        collar = (
            max(figure(by_side, "bidMultiplierDown"), figure(by_side, "askMultiplierDown")),
            min(figure(by_side, "bidMultiplierUp"), figure(by_side, "askMultiplierUp")),
        )
    elif (whole := filters.get("PERCENT_PRICE")) is not None:
        collar = figure(whole, "multiplierDown"), figure(whole, "multiplierUp")
    kinds = {ours for name, ours in KINDS.items() if name in types}
    if "stop_limit" in kinds:
        kinds.add("stop")
    number = filters.get("MAX_NUM_ORDERS", {}).get("maxNumOrders")
    return InstrumentRules(
        symbol=symbol,
        tradable=raw.get("status") == "TRADING" and raw.get("isSpotTradingAllowed") is not False,
        price_steps=((ZERO, some(price, "tickSize") or Decimal("1E-8")),),
        lot=some(lot, "stepSize") or Decimal("1E-8"),
        min_qty=figure(lot, "minQty"),
        max_qty=some(lot, "maxQty"),
        min_notional=some(worth, "minNotional") or ZERO,
        max_notional=some(worth, "maxNotional"),
        calendar="24/7",
        base=str(raw.get("baseAsset") or ""),
        quote=str(raw.get("quoteAsset") or ""),
        collar=collar,
        max_orders=number if isinstance(number, int) else None,
        kinds=frozenset(kinds),
        tifs=TIFS,
        classes=frozenset({"simple", "oco"} if raw.get("ocoAllowed") is True else {"simple"}),
        notes={
            "plain_stops": "STOP_LOSS" in types,
            "max_stops": filters.get("MAX_NUM_ALGO_ORDERS", {}).get("maxNumAlgoOrders"),
            "market_max_qty": str(filters.get("MARKET_LOT_SIZE", {}).get("maxQty", "")),
        },
    )
