"""Alpaca's JSON for orders, accounts, positions, assets and executions. All figures are strings, as at the venue."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Execution, Flow, Instrument, Position, Refusal, Split, VenueOrder

# Our word → (HTTP status, Alpaca's code).
REFUSALS: dict[str, tuple[int, int]] = {
    "account_blocked": (403, 40310000),
    "buying_power": (403, 40310000),
    "insufficient_qty": (403, 40310000),
    "no_short": (403, 40310000),
    "wash_trade": (403, 40310000),
    "not_fractionable": (403, 40310000),
    "no_order": (404, 40410000),
    "no_position": (404, 40410000),
    "malformed": (400, 40010000),
    "duplicate_client_id": (422, 40010001),
    "invalid": (422, 40010001),
    "no_asset": (422, 42210000),
    "price_step": (422, 42210000),
    "bracket_price": (422, 42210000),
    "fractional": (422, 42210000),
    "min_notional": (422, 42210000),
    "is_over": (422, 42210000),
}


def refusal(error: Refusal) -> tuple[int, dict[str, Any]]:
    """(HTTP status, body) of a refusal."""
    status, code = REFUSALS[error.code]
    return status, {"code": code, "message": error.message, **error.facts}


def stamp(moment: datetime.datetime | None) -> str | None:
    """RFC 3339 with nine digits of a second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z") if moment else None


def plain(value: Decimal | None) -> str | None:
    """Digits without an exponent and without zeros at the end."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def asset_id(symbol: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, symbol))


def order(account: Account, row: VenueOrder, instrument: Instrument, *, nested: bool = True) -> dict[str, Any]:
    """An order; its legs too where it has any and `nested` is on."""
    request = row.request
    legs = [order(account, account.orders[leg], instrument) for leg in row.legs] if nested and row.legs else None
    return {
        "id": row.id,
        "client_order_id": request.client_id,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at or row.created_at),
        "submitted_at": stamp(row.created_at),
        "filled_at": stamp(row.ended_at) if row.status == "filled" else None,
        "expired_at": stamp(row.ended_at) if row.status == "expired" else None,
        "expires_at": None,
        "canceled_at": stamp(row.ended_at) if row.status == "canceled" else None,
        "failed_at": stamp(row.ended_at) if row.status == "rejected" else None,
        "replaced_at": stamp(row.ended_at) if row.status == "replaced" else None,
        "replaced_by": row.replaced_by,
        "replaces": row.replaces,
        "asset_id": asset_id(request.symbol),
        "symbol": request.symbol,
        "asset_class": instrument.asset_class,
        "notional": plain(request.notional),
        "qty": None if request.notional is not None else plain(row.qty),
        "filled_qty": plain(row.filled),
        "filled_avg_price": plain(row.average_px),
        "order_class": "" if request.order_class == "simple" else request.order_class,
        "order_type": request.kind,
        "type": request.kind,
        "side": request.side,
        "position_intent": None,
        "time_in_force": request.tif,
        "limit_price": plain(row.limit_px),
        "stop_price": plain(row.stop_px),
        "status": row.status,
        "extended_hours": request.extended_hours,
        "legs": legs,
        "trail_percent": plain(request.trail_pct),
        "trail_price": plain(request.trail_px),
        "hwm": plain(row.peak),
        "subtag": None,
        "source": None,
    }


def account(exchange: Exchange, row: Account, power: Decimal) -> dict[str, Any]:
    """The account. buying power: cash only, there is no margin here."""
    values = {symbol: p.qty * exchange.quotes[symbol].last for symbol, p in row.positions.items() if p.qty}
    longs = sum((value for value in values.values() if value > 0), Decimal(0))
    shorts = sum((value for value in values.values() if value < 0), Decimal(0))
    equity = exchange.equity(row)
    money = {
        "currency": "USD",
        "cash": plain(row.cash),
        "equity": plain(equity),
        "last_equity": plain(equity),
        "portfolio_value": plain(equity),
        "buying_power": plain(power),
        "regt_buying_power": plain(power),
        "non_marginable_buying_power": plain(power),
        "options_buying_power": "0",
        "long_market_value": plain(longs),
        "short_market_value": plain(shorts),
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "accrued_fees": plain(row.fees),
    }
    return {
        "id": row.id,
        "account_number": f"PRACTICE{row.id[:8].upper()}",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "multiplier": "1",
        "shorting_enabled": row.may_short,
        "trading_blocked": row.is_blocked,
        "transfers_blocked": False,
        "account_blocked": row.is_blocked,
        "trade_suspended_by_user": False,
        "created_at": "2026-01-01T00:00:00Z",
        **money,
    }


def position(exchange: Exchange, symbol: str, row: Position, held: Decimal) -> dict[str, Any]:
    """A position. Crypto is listed without its slash."""
    instrument = exchange.instruments[symbol]
    last = exchange.quotes[symbol].last
    value, gain = row.qty * last, row.qty * last - row.cost
    share = gain / abs(row.cost) if row.cost else Decimal(0)
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol.replace("/", ""),
        "exchange": _listed_at(instrument),
        "asset_class": instrument.asset_class,
        "asset_marginable": False,
        "qty": plain(row.qty),
        "qty_available": plain(row.qty - held if row.qty > 0 else row.qty + held),
        "side": "long" if row.qty > 0 else "short",
        "avg_entry_price": plain(row.average_px),
        "market_value": plain(value),
        "cost_basis": plain(row.cost),
        "unrealized_pl": plain(gain),
        "unrealized_plpc": plain(share.quantize(Decimal("0.00000001"))),
        "unrealized_intraday_pl": plain(gain),
        "unrealized_intraday_plpc": plain(share.quantize(Decimal("0.00000001"))),
        "current_price": plain(last),
        "lastday_price": plain(last),
        "change_today": "0",
    }


def _listed_at(instrument: Instrument) -> str:
    """Clients know a closed list of exchanges; ours is none of it."""
    return "CRYPTO" if instrument.asset_class == "crypto" else "NASDAQ"


def asset(instrument: Instrument) -> dict[str, Any]:
    return {
        "id": asset_id(instrument.symbol),
        "class": instrument.asset_class,
        "exchange": _listed_at(instrument),
        "symbol": instrument.symbol,
        "name": instrument.symbol,
        "status": "active",
        "tradable": True,
        "marginable": False,
        "shortable": instrument.shortable,
        "easy_to_borrow": instrument.shortable,
        "fractionable": instrument.fractionable,
        "maintenance_margin_requirement": 30,
        "attributes": [],
        "min_order_size": plain(instrument.lot) if instrument.asset_class == "crypto" else None,
        "min_trade_increment": plain(instrument.lot) if instrument.asset_class == "crypto" else None,
        "price_increment": plain(instrument.tick) if instrument.asset_class == "crypto" else None,
    }


def activity(row: VenueOrder, execution: Execution) -> dict[str, Any]:
    """A fill in the list of account activities. It names the order, not the client's id."""
    return {
        "id": f"{execution.at:%Y%m%d%H%M%S%f}::{execution.id}",
        "activity_type": "FILL",
        "transaction_time": stamp(execution.at),
        "type": "fill" if execution.filled == row.qty else "partial_fill",
        "price": plain(execution.px),
        "qty": plain(execution.qty),
        "side": row.request.side,
        "symbol": row.request.symbol,
        "leaves_qty": plain(row.qty - execution.filled),
        "order_id": row.id,
        "cum_qty": plain(execution.filled),
        "order_status": row.status,
    }


def flow(row: Flow) -> dict[str, Any]:
    """What is no trade in the list of account activities."""
    return {
        "id": f"{row.at:%Y%m%d%H%M%S}{row.at.microsecond // 1000:03d}::{row.id}",
        "activity_type": row.what,
        "date": str(row.at.date()),
        "created_at": stamp(row.at),
        "net_amount": plain(row.amount),
        "description": "",
        "symbol": row.symbol or None,
        "qty": plain(row.qty) if row.qty else None,
        "per_share_amount": plain(row.amount / row.qty) if row.what == "DIV" and row.qty else None,
        "status": "executed",
    }


def announcement(row: Split) -> dict[str, Any]:
    """A split in the list of corporate actions."""
    day = str(row.at.date())
    return {
        "id": row.id,
        "corporate_action_id": row.id,
        "ca_type": "split",
        "ca_sub_type": "stock_split" if row.new > row.old else "reverse_split",
        "initiating_symbol": row.symbol,
        "target_symbol": row.symbol,
        "declaration_date": day,
        "ex_date": day,
        "record_date": day,
        "payable_date": day,
        "cash": "0",
        "old_rate": str(row.old),
        "new_rate": str(row.new),
    }
