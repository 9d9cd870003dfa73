"""Strict readers for one field of a request: right type, right range, or a fault that names the field.

A boolean is not a number, a number in quotes is not a number, NaN and infinity are nothing. Nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from engine.errors import Fault
from tradingsite.lib.text import bad_character

_SHOWN = 60
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Refused(Exception):
    """One field was refused; carries its fault. Private to the readers and `clean`."""

    def __init__(self, path: str, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(path, code, message, hint)


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
