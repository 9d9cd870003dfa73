"""Writes: the symbols that a user keeps an eye on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from engine.errors import Fault, InputError
from marketdata.models import Watchlist

MOST = 50
SYMBOL = r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,23}$"


def replace(user: Any, symbols: Sequence[str]) -> list[str]:
    """Make these the user's symbols, in this order; as they are stored: upper case, each once.

    Raises InputError for more than 50 and for what no symbol looks like.
    """
    kept = list(dict.fromkeys(symbol.strip().upper() for symbol in symbols))
    if len(kept) > MOST:
        raise InputError(Fault("symbols", "out_of_range", f"{len(kept)} are too many", f"At most {MOST}"))
    faults = [
        Fault(f"symbols[{place}]", "bad_text", "This is no symbol", "Letters, digits, dots and hyphens: BRK.B")
        for place, symbol in enumerate(kept)
        if not re.fullmatch(SYMBOL, symbol)
    ]
    if faults:
        raise InputError(faults)
    Watchlist.objects.update_or_create(user=user, defaults={"symbols": kept})
    return kept
