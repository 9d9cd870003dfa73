"""What clients of Alpaca's trading API send, read strictly: whatever is wrong with it is told, never a failure here."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bots.practice.orders import Refusal, Request
from bots.practice.web import Request as Call

KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIFS = ("day", "gtc", "ioc", "fok", "opg", "cls")
CLASSES = ("simple", "bracket", "oco", "oto")
MAX_CLIENT_ID = 48
MOST_DIGITS = 18  # before the point, and after it


def body_of(call: Call) -> dict[str, Any]:
    """A JSON object. Raises Refusal."""
    try:
        body = call.json()
    except (ValueError, RecursionError):
        raise Refusal("malformed", "request body format is invalid") from None
    if not isinstance(body, dict):
        raise Refusal("malformed", "request body format is invalid")
    return body


def order_of(body: Mapping[str, Any]) -> Request:
    """An order of the API's JSON. Raises Refusal."""
    order_class = body.get("order_class") or "simple"
    for name, value, allowed in (
        ("type", body.get("type"), KINDS),
        ("time_in_force", body.get("time_in_force"), TIFS),
        ("side", body.get("side"), ("buy", "sell")),
        ("order_class", order_class, CLASSES),
    ):
        choice(name, value, allowed)
    profit, loss = body.get("take_profit") or {}, body.get("stop_loss") or {}
    if not (isinstance(profit, dict) and isinstance(loss, dict)):
        raise Refusal("invalid", "take_profit and stop_loss are objects")
    extended = bool(body.get("extended_hours"))
    if extended and (body["type"] != "limit" or body["time_in_force"] != "day"):
        raise Refusal("invalid", "extended hours order must be DAY limit orders")
    return Request(
        symbol=str(body.get("symbol", "")),
        side=body["side"],
        kind=body["type"],
        tif=body["time_in_force"],
        client_id=client_id_of(body),
        qty=number(body, "qty"),
        notional=number(body, "notional"),
        limit_px=number(body, "limit_price"),
        stop_px=number(body, "stop_price"),
        trail_px=number(body, "trail_price"),
        trail_pct=number(body, "trail_percent"),
        order_class=order_class,
        take_profit=number(profit, "limit_price"),
        stop_loss=number(loss, "stop_price"),
        stop_loss_limit=number(loss, "limit_price"),
        extended_hours=extended,
    )


def client_id_of(body: Mapping[str, Any]) -> str:
    """Drawn where the client gives none. Raises Refusal."""
    client_id = body.get("client_order_id") or str(uuid.uuid4())
    if not isinstance(client_id, str) or len(client_id) > MAX_CLIENT_ID:
        raise Refusal("invalid", f"client_order_id must be no more than {MAX_CLIENT_ID} characters")
    return client_id


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raises Refusal."""
    if value not in allowed:
        raise Refusal("invalid", f"invalid {name}: it is one of {', '.join(allowed)}")


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """A figure that clients send as a number or in quotes. Raises Refusal."""
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        figure = Decimal(str(value))
    except InvalidOperation:
        raise Refusal("invalid", f"{name} is not a number") from None
    if isinstance(value, bool) or not figure.is_finite():
        raise Refusal("invalid", f"{name} is not a number")
    exponent = figure.as_tuple().exponent
    if figure.adjusted() >= MOST_DIGITS or (isinstance(exponent, int) and exponent < -MOST_DIGITS):
        raise Refusal("invalid", f"{name} has too many digits")
    return figure


def whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A count of a query, at most `most`. Raises Refusal."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < MOST_DIGITS and int(text) > 0):
        raise Refusal("invalid", f"{name} must be a whole number above 0")
    return min(int(text), most)


def moment(text: str) -> datetime.datetime:
    """A time of a query; a plain date is its midnight. Raises Refusal."""
    try:
        at = datetime.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Refusal("invalid", f"{text[:40]!r} is not a time") from None
    return at if at.tzinfo else at.replace(tzinfo=datetime.UTC)


def day(query: Mapping[str, str], name: str, default: str) -> datetime.date:
    """A date of a query, or a time of which the date counts. Raises Refusal."""
    text = query.get(name, default)
    try:
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        raise Refusal("invalid", f"{text[:40]!r} is not a date") from None
