"""Bars that a feed sends as bars: each believed once, in order; impossible ones are counted, never raise."""

from __future__ import annotations

from collections import Counter
from math import isfinite

from marketdata.feeds.types import ClosedBar
from marketdata.quality import MAX_PRICE, MAX_VOLUME, MIN_PRICE


class BarGate:
    """One symbol's bars of one timeframe.

    jump_ratio: a bar with a price more than this many times above or below the last believed close is refused, until a
    second one in a row says the same (None: every possible bar is believed, as in a replay of stored bars).
    counters: accepted, duplicate, late (older than one that was let through). quarantined: by reason.
    """

    def __init__(self, *, after_ns: int = 0, jump_ratio: float | None = None) -> None:
        self.counters: Counter[str] = Counter(accepted=0, duplicate=0, late=0)
        self.quarantined: Counter[str] = Counter()
        self.last_open = -1
        self.last_close = after_ns
        self._jump_ratio = jump_ratio
        self._level = 0.0
        self._suspect = 0.0

    def admit(self, bar: ClosedBar) -> bool:
        """Whether to let it through."""
        if bar.ts_open == self.last_open:
            self.counters["duplicate"] += 1
            return False
        if bar.ts_close <= self.last_close:
            self.counters["late"] += 1
            return False
        reason = self._refuse(bar)
        if reason:
            self.quarantined[reason] += 1
            return False
        self.counters["accepted"] += 1
        self.last_open, self.last_close = bar.ts_open, bar.ts_close
        return True

    def _refuse(self, bar: ClosedBar) -> str:
        prices = bar.open, bar.high, bar.low, bar.close
        if not all(isfinite(x) for x in (*prices, bar.volume)):
            return "not_a_finite_number"
        if min(prices) <= 0:
            return "price"
        if min(prices) < MIN_PRICE or max(prices) > MAX_PRICE or bar.volume > MAX_VOLUME:
            return "out_of_range"
        if bar.volume < 0:
            return "volume"
        if bar.high < max(prices) or bar.low > min(prices) or bar.ts_close <= bar.ts_open:
            return "impossible"
        return "" if self._plausible(bar) else "jump"

    def _plausible(self, bar: ClosedBar) -> bool:
        ratio, level = self._jump_ratio, self._level
        if ratio and level and (bar.high > level * ratio or bar.low * ratio < level):
            agrees = self._suspect and abs(bar.close - self._suspect) <= 0.2 * self._suspect
            if not agrees:
                self._suspect = bar.close
                return False
        self._level, self._suspect = bar.close, 0.0
        return True
