"""Strict readers for one field of a request: right type, right range, or a fault that names the field.

A boolean is not a number, a number in quotes is not a number, NaN and infinity are nothing. Nothing is guessed.
Requests for backtests, bots and sessions are read by them. Plain Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.errors import Fault, InputError
from marketdata import symbols as symbol_rule
from strategies import catalogue, session_settings
from tradingsite.lib.text import bad_character

MAX_KEY_LENGTH = 200

_SHOWN = 60
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Refused(Exception):
    """One field was refused; carries its fault. Private to the readers and to who reads with them."""

    def __init__(self, path: str, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(path, code, message, hint)


class Reader:
    """Reads the fields of a request one by one and collects every fault."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.faults: list[Fault] = []

    def read(self, name: str, default: Any, read: Callable[..., Any], **bounds: Any) -> Any:
        """The field through its reader; `default` where it is absent, null or refused (the fault is kept)."""
        value = self.raw.get(name)
        if value is None:
            return default
        return self.attempt(default, read, name, value, **bounds)

    def attempt(self, default: Any, read: Callable[..., Any], *args: Any, **bounds: Any) -> Any:
        """`read(*args, **bounds)`; `default` where that refuses (the fault is kept)."""
        try:
            return read(*args, **bounds)
        except Refused as refused:
            self.faults.append(refused.fault)
        except InputError as error:
            self.faults.extend(error.faults)
        return default

    def fault(self, path: str, code: str, message: str, hint: str = "") -> None:
        self.faults.append(Fault(path, code, message, hint))

    def refuse_unknown(self, known: Sequence[str]) -> None:
        """Keep a fault for each field that is none of `known`."""
        for key in self.raw:
            if key not in known:
                name = key if isinstance(key, str) and len(key) <= 60 else shown(key)
                self.fault(name, "unknown_field", "There is no such field", f"Known: {', '.join(known)}")

    def finish(self) -> None:
        """Raises InputError with every fault found."""
        if self.faults:
            raise InputError(self.faults)


def strict(read: Callable[..., Any], *args: Any, **bounds: Any) -> Any:
    """A field through its reader; InputError in the place of the reader's own refusal."""
    try:
        return read(*args, **bounds)
    except Refused as refused:
        raise InputError(refused.fault) from None


def shown(value: object) -> str:
    """A value as it may stand in a message: short, and safe for numbers of any length."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return "a number of more than 77 digits"
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def text(path: str, value: object, *, max_length: int, required: bool = False) -> str:
    if not isinstance(value, str):
        raise Refused(path, "wrong_type", f"{shown(value)} is not text", "Write it in quotes")
    value = value.strip()
    if (bad := bad_character(value)) is not None or any(c in value for c in "\t\r\n"):
        raise Refused(
            path, "bad_text", f"It holds the character {bad or 'tab or line feed'}", "Use plain text on one line"
        )
    if required and not value:
        raise Refused(path, "required", "It is empty")
    if len(value) > max_length:
        raise Refused(path, "out_of_range", f"It has {len(value)} characters", f"At most {max_length}")
    return value


def choice(path: str, value: object, choices: Sequence[str]) -> str:
    if not isinstance(value, str):
        raise Refused(path, "wrong_type", f"{shown(value)} is not text", f"One of: {', '.join(choices)}")
    if value not in choices:
        raise Refused(path, "unknown_choice", f"{shown(value)} is not known", f"One of: {', '.join(choices)}")
    return value


def boolean(path: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(path, "wrong_type", f"{shown(value)} is not true or false", "Write true or false, without quotes")
    return value


def integer(path: str, value: object, *, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(path, "not_a_number", f"{shown(value)} is not a whole number", f"From {low} to {high}")
    if not low <= value <= high:
        raise Refused(path, "out_of_range", f"{shown(value)} is out of range", f"From {low} to {high}")
    return value


def money(path: str, value: object, *, low: int, high: int) -> Decimal:
    """An amount with at most two decimals."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Refused(path, "not_a_number", f"{shown(value)} is not a number", "Write digits, without quotes")
    if not isinstance(value, int) and not math.isfinite(value):
        raise Refused(path, "not_a_finite_number", f"{shown(value)} is not a finite number")
    if not low <= value <= high:
        raise Refused(path, "out_of_range", f"{shown(value)} is out of range", f"From {low:,} to {high:,}")
    amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    cents = amount.quantize(Decimal("0.01"))
    if cents != amount:
        raise Refused(path, "out_of_range", f"{shown(value)} has more than two decimals", f"The nearest is {cents}")
    return cents


def day(path: str, value: object, *, low: date, high: date) -> date:
    """A calendar day. A time of day is refused: which bars it would cut depends on a zone that nobody stated."""
    if isinstance(value, date) and type(value) is date:
        found = value
    else:
        if not isinstance(value, str):
            raise Refused(path, "wrong_type", f"{shown(value)} is not a date", "Write it as YYYY-MM-DD, in quotes")
        if not _DATE.fullmatch(value):
            raise Refused(
                path, "bad_date", f"{shown(value)} is not a date", "Write a day as YYYY-MM-DD, no time of day"
            )
        try:
            found = date.fromisoformat(value)
        except ValueError:
            raise Refused(
                path, "bad_date", f"{shown(value)} is not in the calendar", "Write it as YYYY-MM-DD"
            ) from None
    if not low <= found <= high:
        raise Refused(path, "out_of_range", f"{found} is out of range", f"From {low} to {high}")
    return found


def mapping(path: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused(path, "wrong_type", f"{shown(value)} is not an object", 'Write {"name": value, …}')
    return dict(value)


def array(path: str, value: object, *, low: int, high: int) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise Refused(path, "wrong_type", f"{shown(value)} is not a list", "Write [ … ]")
    if not low <= len(value) <= high:
        code = "required" if not value else "out_of_range"
        raise Refused(path, code, f"It has {len(value)} entries", f"From {low} to {high}")
    return list(value)


def moment(path: str, value: object, *, low: datetime, high: datetime) -> datetime:
    """An instant in ISO-8601 with its zone: without one nobody knows which instant is meant."""
    if isinstance(value, datetime):
        found = value
    else:
        if not isinstance(value, str):
            raise Refused(path, "wrong_type", f"{shown(value)} is not a time", "Write 2026-03-02T20:00:00Z, in quotes")
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise Refused(path, "bad_date", f"{shown(value)} is not a time", "Write 2026-03-02T20:00:00Z") from None
    if found.tzinfo is None:
        raise Refused(path, "bad_date", f"{shown(value)} has no zone", "End it with Z for UTC, or with +02:00")
    if not low <= found <= high:
        text = f"From {low:%Y-%m-%d %H:%M} to {high:%Y-%m-%d %H:%M} UTC"
        raise Refused(path, "out_of_range", f"{shown(value)} is out of range", text)
    return found


def symbol(path: str, value: object, *, max_length: int = symbol_rule.MAX_LENGTH) -> str:
    """A symbol, in capital letters."""
    found = text(path, value, max_length=max_length, required=True).upper()
    if not symbol_rule.is_symbol(found):
        raise Refused(path, "bad_text", f"{shown(value)} is not a symbol", symbol_rule.HINT)
    return found


def symbols(path: str, value: object, *, most: int, max_length: int = symbol_rule.MAX_LENGTH) -> tuple[str, ...]:
    """Different symbols, from one to `most`."""
    sent = array(path, value, low=1, high=most)
    found = tuple(symbol(f"{path}[{i}]", entry, max_length=max_length) for i, entry in enumerate(sent))
    for i, entry in enumerate(found):
        if entry in found[:i]:
            raise Refused(f"{path}[{i}]", "conflict", f"{entry} is named twice", "Name each symbol once")
    return found


def strategy(path: str, value: object) -> str:
    """The slug of a strategy in the catalogue."""
    slug = text(path, value, max_length=60, required=True)
    return choice(path, slug, [entry.slug for entry in catalogue.all()])


def parameters(slug: str, value: object) -> dict[str, Any]:
    """Every parameter of the strategy `slug`, checked and JSON-ready, from the field ``strategy_parameters``."""
    declared = catalogue.get(slug)
    raw = mapping("strategy_parameters", value)
    try:
        cleaned = declared.clean(raw)
    except InputError as error:
        raise error.under("strategy_parameters") from None
    return {name: param.json(cleaned[name]) for name, param in declared.params.items()}


def preset(path: str, value: object) -> str:
    """The name of a preset of session settings."""
    return choice(path, value, list(session_settings.PRESETS))


def settings(preset_name: str, value: object) -> dict[str, Any]:
    """Every session setting, JSON-ready, from the field ``settings``: the preset's, then what was sent."""
    try:
        return session_settings.as_json(session_settings.clean(mapping("settings", value), preset_name=preset_name))
    except InputError as error:
        raise error.under("settings") from None


def idempotency_key(value: str | None) -> str | None:
    """The Idempotency-Key header. Raises InputError for one that is no key."""
    if value is None:
        return None
    if not 1 <= len(value) <= MAX_KEY_LENGTH or not value.isascii() or not value.isprintable():
        message = "Idempotency-Key must have 1 to 200 printable ASCII characters"
        raise InputError(Fault("Idempotency-Key", "bad_text", message, "Draw a new UUID for each new request"))
    return value
