"""Which prints of one symbol are believed. A bad one is counted with its reason; nothing here raises."""

from __future__ import annotations

from marketdata.columns import SECOND
from marketdata.feeds.types import Tick
from marketdata.quality import MAX_PRICE, MAX_VOLUME, MIN_PRICE

JUMP_RATIO = 0.20
"""A print this far from the last believed one needs a second one."""
CONFIRM_RATIO = 0.05
CONFIRM_NS = 5 * SECOND
"""The second one must come within this time and agree to this ratio."""
FUTURE_NS = SECOND
"""How far ahead of the feed's clock a print may be stamped."""


class PrintCheck:
    """Remembers the last believed price of one symbol.

    A first print far from it is refused as `jump`. A second that agrees with the first is believed, and with it the new
    level; a normal print in between clears the suspicion. So one wild print never moves a bar, and a real gap costs
    one print.
    """

    __slots__ = ("_jump_ratio", "_level", "_suspect", "_suspect_ts")

    def __init__(self, jump_ratio: float = JUMP_RATIO) -> None:
        self._jump_ratio = jump_ratio
        self._level = 0.0
        self._suspect = 0.0
        self._suspect_ts = 0

    def refuse(self, tick: Tick, now_ns: int) -> str:
        """Why not to believe it: price, size, out_of_range, crossed_quote, in_the_future or jump; empty: believed."""
        px, size = tick.px, tick.size
        if not px > 0.0:
            return "price"
        if not size > 0.0:
            return "size"
        if not MIN_PRICE <= px <= MAX_PRICE or not size <= MAX_VOLUME:
            return "out_of_range"
        if tick.ask <= tick.bid:
            return "crossed_quote"
        if tick.ts > now_ns + FUTURE_NS:
            return "in_the_future"
        level = self._level
        if level and abs(px - level) > self._jump_ratio * level:
            suspect = self._suspect
            agrees = suspect and abs(px - suspect) <= CONFIRM_RATIO * suspect
            if not (agrees and 0 < abs(tick.ts - self._suspect_ts) <= CONFIRM_NS):
                self._suspect, self._suspect_ts = px, tick.ts
                return "jump"
        self._level, self._suspect = px, 0.0
        return ""
