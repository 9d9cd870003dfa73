"""Which texts are symbols."""

from __future__ import annotations

import re

from engine.errors import Fault, InputError

MAX_LENGTH = 32
SYMBOL = r"[A-Z0-9^][A-Z0-9^._=-]{0,31}"
"""A symbol in capital letters, as a regular expression."""
HINT = "1 to 32 of A–Z 0–9 . - _ = ^, beginning with a letter, a digit or ^"
_SYMBOL = re.compile(SYMBOL, re.ASCII)
_MADE = re.compile(r"SIM-[A-Z0-9]{1,12}", re.ASCII)


def is_symbol(text: str) -> bool:
    """Whether it is a symbol as it stands, in capital letters."""
    return _SYMBOL.fullmatch(text) is not None


def is_made(symbol: str) -> bool:
    """Whether it is one of the made-up market's: SIM-ALPHA, SIM-01 and the like."""
    return _MADE.fullmatch(symbol) is not None


def clean_symbol(text: str) -> str:
    """The symbol in capital letters; raises InputError `bad_symbol`."""
    symbol = text.strip().upper()
    if not is_symbol(symbol):
        raise InputError(
            Fault(
                "symbol",
                "bad_symbol",
                f"{text[:40]!r} is not a symbol",
                HINT,
            )
        )
    return symbol
