"""The messages of a market data socket, checked before anything believes them.

Kinds and field names are those of the streams that speak of quote, trade, bar, status, subscription, success and error.
A message is a JSON array of objects (or the same packed), each with its kind in `T`. What is not as it should be is
refused with its place in the message; nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal, NoReturn, TypedDict

from engine.errors import Fault, InputError
from marketdata.feeds.spans import spans_of
from marketdata.feeds.types import ClosedBar, Tick
from marketdata.zones import to_ns

MAX_BYTES = 4 * 1024 * 1024
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class TradeMessage(TypedDict):
    kind: Literal["trade"]
    symbol: str
    ts: int
    px: float
    size: float
    trade_id: str


class QuoteMessage(TypedDict):
    kind: Literal["quote"]
    symbol: str
    ts: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float


class BarMessage(TypedDict):
    """ts: ns UTC, when the bar opens. corrected: it replaces one that was sent before."""

    kind: Literal["bar"]
    symbol: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    corrected: bool


class SubscriptionMessage(TypedDict):
    """What is subscribed now, all of it."""

    kind: Literal["subscription"]
    trades: list[str]
    quotes: list[str]
    bars: list[str]


class SuccessMessage(TypedDict):
    kind: Literal["success"]
    message: str


class ErrorMessage(TypedDict):
    kind: Literal["error"]
    code: int
    message: str


class StatusMessage(TypedDict):
    """Trading of a symbol: halted says whether it stands still. reason: in the venue's words."""

    kind: Literal["status"]
    symbol: str
    ts: int
    halted: bool
    reason: str


Message = TradeMessage | QuoteMessage | BarMessage | StatusMessage | SubscriptionMessage | SuccessMessage | ErrorMessage

_HALTED = ("H", "P", "Q", "2", "5")  # codes of the two tapes: halted, paused, quoted only


def parse(text: str | bytes) -> list[Message]:
    """The messages in one frame; kinds we do not use are left out. Raises InputError, with `[2].p` as path."""
    if len(text) > MAX_BYTES:
        _refuse("", "too_large", f"a message of {len(text)} bytes; {MAX_BYTES} are allowed")
    try:
        frame = json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        _refuse("", "bad_json", "the message is no JSON")
    if not isinstance(frame, list):
        _refuse("", "wrong_type", "a message is a list of objects")
    return [message for i, item in enumerate(frame) if (message := _message(item, f"[{i}]")) is not None]


def read_one(item: object, path: str = "") -> Message | None:
    """One message of a frame that was unpacked already; None for a kind that we do not use. Raises InputError."""
    return _message(item, path)


def tick_of(trade: TradeMessage, quote: QuoteMessage | None = None) -> Tick:
    """A trade as a tick, with the quote that stood when it came, if one is known."""
    values = (quote["bid"], quote["ask"]) if quote else ()
    tick = Tick(trade["symbol"], trade["ts"], trade["px"], trade["size"], *values)
    return tick._replace(trade_id=trade["trade_id"])


def bar_of(message: BarMessage, timeframe: str, calendar: str, received_ns: int) -> ClosedBar:
    """A bar message as a closed bar of a feed whose bars are `timeframe` long."""
    end = spans_of(calendar).place(message["ts"], timeframe).ts_close
    prices = (message["open"], message["high"], message["low"], message["close"])
    return ClosedBar(message["symbol"], timeframe, message["ts"], end, *prices, message["volume"], received_ns)


def parse_time(value: object, path: str = "t") -> int:
    """RFC 3339 with up to nine digits of a second, or a packed time → ns UTC. Raises InputError."""
    if (packed := getattr(value, "to_unix_nano", None)) is not None:
        return int(packed())
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _refuse(path, "bad_time", f"{str(value)[:40]!r} is no time", "2024-03-01T14:30:00.123456789Z")
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(seconds + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse(path, "bad_time", f"{value!r} is no time")
    return to_ns(moment) + int((fraction or "0").ljust(9, "0"))


# --- One object ------------------------------------------------------------------------------------------------------
def _message(item: object, path: str) -> Message | None:
    if not isinstance(item, dict):
        _refuse(path, "wrong_type", "each message is an object")
    kind = item.get("T")
    if not isinstance(kind, str):
        _refuse(f"{path}.T", "required", "a message needs its kind")
    reader = _READERS.get(kind)
    return reader(item, path) if reader else None


def _trade(item: Mapping[str, Any], path: str) -> TradeMessage:
    return {
        "kind": "trade",
        "symbol": _text(item, "S", path),
        "ts": parse_time(item.get("t"), f"{path}.t"),
        "px": _number(item, "p", path),
        "size": _number(item, "s", path),
        "trade_id": str(_whole(item, "i", path)) if "i" in item else "",
    }


def _quote(item: Mapping[str, Any], path: str) -> QuoteMessage:
    return {
        "kind": "quote",
        "symbol": _text(item, "S", path),
        "ts": parse_time(item.get("t"), f"{path}.t"),
        "bid": _number(item, "bp", path),
        "ask": _number(item, "ap", path),
        "bid_size": _number(item, "bs", path),
        "ask_size": _number(item, "as", path),
    }


def _bar(item: Mapping[str, Any], path: str) -> BarMessage:
    return {
        "kind": "bar",
        "symbol": _text(item, "S", path),
        "ts": parse_time(item.get("t"), f"{path}.t"),
        "open": _number(item, "o", path),
        "high": _number(item, "h", path),
        "low": _number(item, "l", path),
        "close": _number(item, "c", path),
        "volume": _number(item, "v", path),
        "corrected": item["T"] == "u",
    }


def _status(item: Mapping[str, Any], path: str) -> StatusMessage:
    why = item.get("rm") or item.get("sm") or ""
    return {
        "kind": "status",
        "symbol": _text(item, "S", path),
        "ts": parse_time(item.get("t"), f"{path}.t"),
        "halted": _text(item, "sc", path) in _HALTED,
        "reason": str(why)[:120],
    }


def _subscription(item: Mapping[str, Any], path: str) -> SubscriptionMessage:
    trades, quotes, bars = (_texts(item, name, path) for name in ("trades", "quotes", "bars"))
    return {"kind": "subscription", "trades": trades, "quotes": quotes, "bars": bars}


def _success(item: Mapping[str, Any], path: str) -> SuccessMessage:
    return {"kind": "success", "message": _text(item, "msg", path)}


def _error(item: Mapping[str, Any], path: str) -> ErrorMessage:
    return {"kind": "error", "code": _whole(item, "code", path), "message": _text(item, "msg", path)}


_READERS: dict[str, Callable[[Mapping[str, Any], str], Message]] = {
    "t": _trade,
    "q": _quote,
    "b": _bar,
    "u": _bar,
    "s": _status,
    "subscription": _subscription,
    "success": _success,
    "error": _error,
}


# --- One field -------------------------------------------------------------------------------------------------------
def _text(item: Mapping[str, Any], name: str, path: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value or len(value) > 500:
        _refuse(f"{path}.{name}", "wrong_type", f"{str(value)[:40]!r} is no text")
    return value


def _texts(item: Mapping[str, Any], name: str, path: str) -> list[str]:
    value = item.get(name, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        _refuse(f"{path}.{name}", "wrong_type", f"{name} is a list of symbols")
    return value


def _number(item: Mapping[str, Any], name: str, path: str) -> float:
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        _refuse(f"{path}.{name}", "not_a_finite_number", f"{str(value)[:40]!r} is no finite number")
    return float(value)


def _whole(item: Mapping[str, Any], name: str, path: str) -> int:
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(f"{path}.{name}", "wrong_type", f"{str(value)[:40]!r} is no whole number")
    return value


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number beyond the doubles
        return False


def _constant(name: str) -> NoReturn:
    _refuse("", "not_a_finite_number", f"{name} is no number")


def _refuse(path: str, code: str, message: str, hint: str = "") -> NoReturn:
    raise InputError(Fault(path, code, message, hint))
