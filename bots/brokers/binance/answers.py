"""What an answer of Binance means: its JSON, or one of the contract's exceptions.

Status and code decide; the text only tells apart what shares both. An answer without Binance's JSON comes from
something in between (a proxy, a gateway) and proves nothing: VenueDown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bots.brokers.base import Banned, RateLimited, Refused, Unauthorised, VenueDown

WAIT_S, BAN_S = 10.0, 120.0  # where an answer says nothing
MOST_WORDS = 300

CLOCK, NO_ORDER, UNKNOWN_ORDER = -1021, -2013, -2011
KEYS = (-1002, -1022, -2014, -2015)
OUTCOME_UNKNOWN = (-1000, -1001, -1006, -1007, -1008, -1016)
TOO_MANY_ORDERS = -1015
NO_KEYS = "Binance does not accept these keys: they are wrong, revoked, bound to another address, or may not do this."

_BY_CODE = {
    -1013: "invalid", -1021: "clock_skew", -1111: "lot_step", -1121: "no_asset", UNKNOWN_ORDER: "no_order",
    NO_ORDER: "no_order", -2026: "no_order",
}  # fmt: skip
# What shares a code (-1013, -2010) is told apart by a word of the message.
_BY_WORD = (
    ("percent_price", "invalid"), ("price_filter", "price_step"), ("lot_size", "lot_step"),
    ("notional", "min_notional"), ("max_num", "max_orders"), ("max_position", "max_orders"),
    ("market is closed", "market_closed"), ("insufficient balance", "buying_power"),
    ("duplicate order", "duplicate_client_id"), ("immediately match", "would_match"),
    ("trigger immediately", "would_trigger"), ("relationship of the prices", "bracket_price"),
    ("not permitted for this account", "not_tradable"), ("disabled on this account", "account_blocked"),
    ("account may not", "account_blocked"), ("rest api trading is not enabled", "account_blocked"),
)  # fmt: skip


def read(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of a good answer (numbers with a point as Decimal). Raises as `Broker` says; where only the clock is
    wrong Refused("clock_skew"). headers: names in lower case.
    """
    try:
        told = json.loads(body, parse_float=Decimal)
    except ValueError:
        told = None
    if 200 <= status < 300:
        if told is None:
            raise VenueDown("Binance's answer cannot be read.")
        return told
    if status == 418:
        raise Banned("Binance has banned this address for a while.", wait_s(headers, BAN_S))
    if status == 429:
        raise RateLimited("Binance takes no more requests for now.", wait_s(headers, WAIT_S))
    if not isinstance(told, dict) or not isinstance(told.get("code"), int) or status >= 500 or status < 400:
        raise VenueDown(f"Binance does not answer as it should (HTTP {status}).")
    raise meaning(told["code"], str(told.get("msg") or f"HTTP {status}")[:MOST_WORDS])


def meaning(code: int, message: str) -> Exception:
    """What a code and its text say, as the exception to raise."""
    if code in OUTCOME_UNKNOWN:
        return VenueDown(f"Binance does not know what came of it ({code}).")
    if code in KEYS:
        return Unauthorised(NO_KEYS)
    if code == TOO_MANY_ORDERS:
        return RateLimited("Binance takes no more orders for now.", WAIT_S)
    lower = message.lower()
    word = next((word for part, word in _BY_WORD if part in lower), None)
    return Refused(word or _BY_CODE.get(code, "invalid"), message, venue_code=str(code))


def wait_s(headers: Mapping[str, str], default: float) -> float:
    """Seconds that Retry-After asks to wait."""
    try:
        return max(float(headers.get("retry-after", "")), 0.0)
    except ValueError:
        return default
