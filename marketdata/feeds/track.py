"""One symbol of one connection: its builder, and what has to be fetched before its bars are whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from marketdata.columns import SECOND, TIMEFRAME_NS, BarColumns
from marketdata.feeds.base import Feed
from marketdata.feeds.builder import BarBuilder
from marketdata.feeds.gate import BarGate
from marketdata.feeds.spans import spans_of
from marketdata.feeds.types import ClosedBar

MINUTE = 60 * SECOND


class Track:
    """held: nothing closes, because something before it is missing. seam: ticks before it come with the fill."""

    def __init__(self, feed: Feed, symbol: str) -> None:
        self.calendar = feed.calendar(symbol)
        self.base = feed.base_timeframe
        self.builder = BarBuilder(symbol, (), base=self.base, calendar=self.calendar, closes_by_ticks=False)
        self.gate = BarGate() if feed.timeframe else None
        self.held = True
        self.seam = 0
        self._from: int | None = None  # whole up to here; None: nothing yet
        self._waiting: list[ClosedBar] = []

    def want(self, timeframes: Iterable[str]) -> None:
        """Emit these too. New ones hold the track, so that their open bars are filled. Raises InputError."""
        new = set(timeframes) - self.builder.timeframes
        if new:
            self.builder.want(new)
            self.hold()

    def keep_only(self, timeframes: set[str]) -> None:
        self.builder.drop(self.builder.timeframes - timeframes)

    def hold(self) -> None:
        if not self.held:
            self.held = True
            self._from = self.builder.frontier

    def take(self, bar: ClosedBar, *, may_lose: bool) -> bool:
        """A bar of the feed; returns whether the track is held now because bars before it may be missing."""
        if self.held:
            self._waiting.append(bar)
            return False
        assert self.gate is not None
        if may_lose and bar.ts_open > self.gate.last_close and self.gate.last_open >= 0 and self._expected(bar):
            self.hold()
            self._waiting.append(bar)
            return True
        if self.gate.admit(bar):
            self.builder.add_bar(bar)
        return False

    def missing(self, seam: int) -> list[tuple[str, int, int]]:
        """What to fetch, as (timeframe, from, to): all of the open bars, and what closed since the hole began."""
        builder = self.builder
        if not builder.timeframes:
            return []
        begin = seam if self._from is None else min(self._from, seam)
        start = min(builder.open_since(begin, timeframe) for timeframe in builder.timeframes)
        if self.base != "1s":
            return [(self.base, start, seam)] if start < seam else []
        seconds_from = begin if "1s" in builder.timeframes else seam
        middle = max(start, seconds_from - seconds_from % MINUTE)
        parts = [("1m", start, middle), ("1s", middle, seam)]
        return [part for part in parts if part[1] < part[2]]

    def fill(self, parts: Sequence[tuple[str, BarColumns]], seam: int, received_ns: int) -> None:
        """Put together anew from what was fetched up to `seam`, then from what came in the meantime."""
        self.builder.restart(seam)
        for timeframe, columns in parts:
            self.builder.fill(timeframe, columns, received_ns)
        self.held = False
        if self.gate is not None:
            self.gate.last_close = max(self.gate.last_close, seam)
            waiting, self._waiting = self._waiting, []
            for bar in waiting:
                if self.gate.admit(bar):
                    self.builder.add_bar(bar)

    def counters(self) -> Counter[str]:
        if self.gate is None:
            return self.builder.counters
        return self.gate.counters

    def quarantined(self) -> Counter[str]:
        return self.builder.quarantined if self.gate is None else self.gate.quarantined

    def _expected(self, bar: ClosedBar) -> bool:
        """Whether the exchange was open between the last bar and this one: a bar may be missing there."""
        assert self.gate is not None
        spans, last = spans_of(self.calendar), self.gate.last_close
        return self.base != "1d" and any(
            spans.is_open(ts) for ts in range(last, min(bar.ts_open, last + 4 * TIMEFRAME_NS["1h"]), MINUTE)
        )
