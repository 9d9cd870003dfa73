"""What a person or a guard outside may ask of a portfolio between two steps. docs/fills.md section 15.

It is done at the close of the step before, after all that this step decided: the orders bear its time and meet the next
bar.
"""

from __future__ import annotations

from typing import Any

from engine.memory import book_at, holding_at, int32_at, kernel, world_at
from engine.orders import end_entry
from engine.protection import exit_all, exit_whole
from engine.quotes import withdraw, withdraw_all
from engine.step import has_room
from engine.types import CANCELLED

ALL_SYMBOLS = -1
CANCEL_ENTRY = -1  # in the place of a reason


@kernel
def intervene(w: Any, ts: Any, s: Any, reason: Any) -> Any:
    """Exit the position of s for a reason, at market (ALL_SYMBOLS: that of every symbol, and cancel every working entry
    and quote); or CANCEL_ENTRY. False if a result buffer is full; then nothing was done."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    if not has_room(w):
        return False
    if reason == CANCEL_ENTRY:
        if s == ALL_SYMBOLS:
            while book.n_entries > 0:
                end_entry(w, ts, int32_at(world.entries, 0), CANCELLED)
            withdraw_all(w, ts)
        else:
            if holding_at(world.holdings, s).entry_order >= 0:
                end_entry(w, ts, s, CANCELLED)
            withdraw(w, ts, s)
    elif s == ALL_SYMBOLS:
        exit_all(w, ts, reason)
    elif holding_at(world.holdings, s).qty != 0.0:
        exit_whole(w, ts, s, reason)
    return True
