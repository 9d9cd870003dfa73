"""What an answer of Alpaca means: its JSON, or one of the contract's exceptions.

Status and code decide; the text only tells apart what shares both. An answer without Alpaca's JSON comes from
something in between (a proxy, a gateway) and proves nothing: VenueDown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from bots.brokers.base import Banned, RateLimited, Refused, Unauthorised, VenueDown

WAIT_S = 5.0  # where a 429 says nothing
BAN_S = 120.0
MOST_WORDS = 300

NOT_AUTHORISED, NOT_FOUND, BAD_PARAMETER, FORBIDDEN, UNPROCESSABLE = 40110000, 40410000, 40010001, 40310000, 42210000

# What shares a code is told apart by figures that come with it, or else by a word of the message.
_BY_FIGURE = (
    ("existing_order_id", "wash_trade"),
    ("held_for_orders", "insufficient_qty"),
    ("buying_power", "buying_power"),
    ("cost_basis", "buying_power"),
)
_BY_WORD: dict[int, tuple[tuple[str, str], ...]] = {
    FORBIDDEN: (
        ("wash trade", "wash_trade"), ("opposite side", "wash_trade"), ("insufficient qty", "insufficient_qty"),
        ("insufficient balance", "insufficient_qty"), ("buying power", "buying_power"), ("day trading", "buying_power"),
        ("short", "no_short"), ("fraction", "not_fractionable"), ("not tradable", "not_tradable"),
        ("not active", "not_tradable"), ("max", "max_orders"),
    ),
    BAD_PARAMETER: (
        ("client_order_id must be unique", "duplicate_client_id"), ("client_order_id already", "duplicate_client_id"),
    ),
    UNPROCESSABLE: (
        ("already in", "is_over"), ("not cancelable", "is_over"), ("not replaceable", "is_over"),
        ("not found", "no_asset"), ("could not find asset", "no_asset"), ("not tradable", "not_tradable"),
        ("not active", "not_tradable"), ("base price", "bracket_price"), ("take_profit", "bracket_price"),
        ("stop_loss", "bracket_price"), ("increment", "price_step"), ("sub-penny", "price_step"),
        ("fractional", "not_fractionable"), ("value must be", "min_notional"), ("minimal amount", "min_notional"),
        ("cost basis must be", "min_notional"), ("market hours", "market_closed"),
        ("market is closed", "market_closed"),
    ),
}  # fmt: skip


class Forbidden(Refused):
    """A 403 that neither figures nor words explain. Whether the account as a whole is blocked, its own fields say."""


def read(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of a good answer (numbers with a point as Decimal; None where the body is empty). Raises as `Broker`
    says. headers: names in lower case.
    """
    if 200 <= status < 300:
        if not body.strip():
            return None
        try:
            return _parsed(body)
        except ValueError:
            raise VenueDown("Alpaca's answer cannot be read.") from None
    if status == 429:
        raise RateLimited("Alpaca takes no more requests for now.", wait_s(headers))
    if status == 418:
        raise Banned("Alpaca has banned this account for a while.", wait_s(headers, BAN_S))
    told = _told(body)
    if status == 401 or (status == 403 and told is not None and "code" not in told):
        raise Unauthorised("Alpaca does not accept these keys: they are wrong, revoked, or of another environment.")
    if status >= 500 or status in (408, 425) or status < 400 or told is None or not _is_code(told.get("code")):
        raise VenueDown(f"Alpaca does not answer as it should (HTTP {status}).")
    raise _refused(status, told)


def wait_s(headers: Mapping[str, str], default: float = WAIT_S) -> float:
    """Seconds that a 429 or a 418 asks to wait: by Retry-After (seconds or a date), else X-Ratelimit-Reset."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    try:
        if after.strip().replace(".", "", 1).isdigit():
            return float(after)
        if after:
            return max(parsedate_to_datetime(after).timestamp() - _now(headers), 0.0)
        if reset:
            return min(max(float(reset) - _now(headers), 0.0), 120.0)
    except (ValueError, TypeError):
        pass
    return default


def _now(headers: Mapping[str, str]) -> float:
    """Seconds since 1970 by the venue's own clock, where it tells."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()


def _parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal, parse_constant=_no_number)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _told(body: bytes) -> dict[str, Any] | None:
    try:
        told = _parsed(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) and ("code" in told or "message" in told) else None


def _is_code(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 40_000_000 <= value < 43_000_000


def _refused(status: int, told: Mapping[str, Any]) -> Refused | Unauthorised:
    code, message = told["code"], str(told.get("message") or f"HTTP {status}")[:MOST_WORDS]
    if code == NOT_AUTHORISED:
        return Unauthorised("Alpaca does not accept these keys: they are wrong, revoked, or of another environment.")
    facts = {str(n): str(v)[:100] for n, v in told.items() if n not in ("code", "message") and isinstance(v, str | int)}
    word = _word(code, message.lower(), facts)
    kind = Forbidden if code == FORBIDDEN and word == "invalid" else Refused
    return kind(word, message, **facts)


def _word(code: int, message: str, facts: Mapping[str, str]) -> str:
    if code == NOT_FOUND:
        return "no_asset" if "asset" in message else "no_order"
    if code == FORBIDDEN:
        for name, word in _BY_FIGURE:
            if name in facts:
                return word
    return next((word for part, word in _BY_WORD.get(code, ()) if part in message), "invalid")
