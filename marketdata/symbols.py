"""Which texts are symbols."""

from __future__ import annotations

import re

from engine.errors import Fault, InputError

_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9^._=-]{0,31}")


def clean_symbol(text: str) -> str:
    """The symbol in capital letters; raises InputError `bad_symbol`."""
    symbol = text.strip().upper()
    if not _SYMBOL.fullmatch(symbol):
        raise InputError(
            Fault(
                "symbol",
                "bad_symbol",
                f"{text[:40]!r} is not a symbol",
                "1 to 32 of A–Z 0–9 . - _ = ^, beginning with a letter, a digit or ^",
            )
        )
    return symbol
