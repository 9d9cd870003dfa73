"""Binance's JSON for orders, executions and balances. Figures are strings of eight decimals, times milliseconds."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from bots.mapping import nanoseconds
from bots.practice import checks
from bots.practice.binance.listing import Listing, Pair
from bots.practice.orders import ZERO, Account, Execution, VenueOrder

STATUSES = {
    "accepted": "NEW", "new": "NEW", "held": "NEW", "partially_filled": "PARTIALLY_FILLED", "filled": "FILLED",
    "canceled": "CANCELED", "expired": "EXPIRED", "rejected": "REJECTED", "replaced": "CANCELED",
}  # fmt: skip


def digits(value: Decimal | None) -> str:
    return f"{value or ZERO:.8f}"


def ms(moment: datetime.datetime | None) -> int:
    return nanoseconds(moment) // 1_000_000 if moment else -1


def status(row: VenueOrder) -> str:
    """What an IOC or FOK order leaves unfilled expires at once; nobody cancels it."""
    if row.status == "canceled" and row.request.tif in ("ioc", "fok"):
        return "EXPIRED"
    return STATUSES[row.status]


def type_of(row: VenueOrder) -> str:
    request = row.request
    if request.kind == "limit":
        return "LIMIT_MAKER" if request.post_only else "LIMIT"
    return {"market": "MARKET", "stop": "STOP_LOSS", "stop_limit": "STOP_LOSS_LIMIT"}.get(request.kind, "MARKET")


def list_id(account: Account, row: VenueOrder) -> int:
    """Of the OCO that an order belongs to; -1: of none."""
    parent = row if row.parent is None else account.orders[row.parent]
    return parent.number if parent.request.order_class == "oco" else -1


def order(account: Account, pair: Pair, row: VenueOrder) -> dict[str, Any]:
    """An order as queries tell it."""
    return {
        "symbol": pair.name,
        "orderId": row.number,
        "orderListId": list_id(account, row),
        "clientOrderId": row.request.client_id,
        "price": digits(row.limit_px),
        "origQty": digits(row.qty),
        "executedQty": digits(row.filled),
        "origQuoteOrderQty": digits(row.request.notional),
        "cummulativeQuoteQty": digits(row.paid),
        "status": status(row),
        "timeInForce": row.request.tif.upper() if row.request.kind != "market" else "GTC",
        "type": type_of(row),
        "side": row.request.side.upper(),
        "stopPrice": digits(row.stop_px),
        "icebergQty": digits(None),
        "time": ms(row.created_at),
        "updateTime": ms(row.updated_at or row.created_at),
        "isWorking": row.stop_px is None or row.triggered,
        "workingTime": ms(row.created_at) if row.stop_px is None or row.triggered else -1,
        "selfTradePreventionMode": "NONE",
    }


def accepted(account: Account, pair: Pair, row: VenueOrder, answer: str) -> dict[str, Any]:
    """The answer to a new order. answer: ACK, RESULT or FULL."""
    told = order(account, pair, row)
    told["transactTime"] = told.pop("time")
    for name in ("updateTime", "icebergQty", "isWorking"):
        del told[name]
    if row.stop_px is None:
        del told["stopPrice"]
    if answer == "ACK":
        return {name: told[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    if answer == "FULL":
        told["fills"] = [
            {"price": digits(e.px), "qty": digits(e.qty), "commission": digits(e.fee), "tradeId": e.number,
             "commissionAsset": fee_asset(pair, e)}
            for e in row.executions
        ]  # fmt: skip
    return told


def fee_asset(pair: Pair, execution: Execution) -> str:
    """What the commission was taken in."""
    return pair.base if execution.fee_asset and execution.fee_asset == pair.instrument.base else pair.quote


def trade(account: Account, pair: Pair, row: VenueOrder, execution: Execution) -> dict[str, Any]:
    """One of myTrades."""
    return {
        "symbol": pair.name,
        "id": execution.number,
        "orderId": row.number,
        "orderListId": list_id(account, row),
        "price": digits(execution.px),
        "qty": digits(execution.qty),
        "quoteQty": digits(execution.px * execution.qty),
        "commission": digits(execution.fee),
        "commissionAsset": fee_asset(pair, execution),
        "time": ms(execution.at),
        "isBuyer": row.sign > 0,
        "isMaker": row.request.post_only,
        "isBestMatch": True,
    }


def balances(listing: Listing, account: Account) -> dict[str, tuple[Decimal, Decimal]]:
    """Asset → (free, locked): the money and every coin that was ever held."""
    power = checks.buying_power(account, account.working(), listing.exchange.quotes)
    told = {listing.currency: (power, account.cash - power)}
    for pair in listing.pairs.values():
        held = account.positions.get(pair.symbol)
        if held is not None:
            locked = min(checks.held_for_orders(account.working(pair.symbol), held.qty), max(held.qty, ZERO))
            told[pair.base] = (held.qty - locked, locked)
    return told
