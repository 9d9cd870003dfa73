"""One symbol of one connection: its builder, and what has to be fetched before its bars are whole."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from marketdata.columns import SECOND, BarColumns
from marketdata.feeds.base import Feed
from marketdata.feeds.builder import MINUTE, BarBuilder
from marketdata.feeds.checks import PrintCheck
from marketdata.feeds.gate import BarGate
from marketdata.feeds.spans import spans_of
from marketdata.feeds.types import ClosedBar, Tick

_REMEMBERED = 64
_TAKEN = ("accepted", "duplicate")


class Track:
    """held: nothing closes, because something before it is missing. seam: ticks before it come with the fill."""

    def __init__(self, feed: Feed, symbol: str, now_ns: int) -> None:
        self.calendar = feed.calendar(symbol)
        self.builder = BarBuilder(symbol, (), base=feed.base_timeframe, calendar=self.calendar, closes_by_ticks=False)
        self.held = True
        self.seam = 0
        self._gives_bars = feed.timeframe is not None
        self._may_lose = feed.may_lose
        self._gate = BarGate(jump_ratio=feed.jump_ratio)
        self._whole = 0  # all bars that closed up to here have come, and those that the gate let through
        self._asked_to = 0  # what did not come up to here was never there
        self._settled = now_ns  # bars that ended up to here were handed out, if there were any
        self._missing_from = now_ns  # where the hole begins
        self._waiting: list[ClosedBar] = []
        # Prints of a feed that gives bars, too: prices to look at.
        self.prints: Counter[str] = Counter()
        self._check = PrintCheck()
        self._seen: deque[object] = deque(maxlen=_REMEMBERED)
        self._last_print = 0

    @property
    def last_ts(self) -> int:
        """When the newest that came is from, ns UTC; 0 before the first."""
        return max(self.builder.last_ts, self._last_print)

    def want(self, timeframes: Iterable[str]) -> None:
        """Emit these too. New ones hold the track, so that their open bars are filled. Raises InputError."""
        new = set(timeframes) - self.builder.timeframes
        if new:
            self.builder.want(new)
            self.hold()

    def keep_only(self, timeframes: set[str]) -> None:
        """Emit no others any more."""
        self.builder.drop(self.builder.timeframes - timeframes)

    def hold(self) -> None:
        """Something may be missing since the last thing that came."""
        if self.held:
            return
        self.held = True
        last = self.builder.last_ts
        if self._gives_bars:
            last = max(self._whole, self._gate.last_close)
        self._missing_from = min(self._settled, last - last % SECOND) if last else self._settled

    def take_tick(self, tick: Tick, now_ns: int) -> bool:
        """A print; returns whether it is believed and new. Bars are made of it only where the feed gives none."""
        if not self._gives_bars:
            # What lies before the seam comes with the bars that are being fetched.
            return tick.ts >= self.seam and self.builder.take(tick, now_ns)
        name = tick.trade_id or (tick.ts, tick.px, tick.size)
        if name in self._seen:
            self.prints["duplicate"] += 1
            return False
        if reason := self._check.refuse(tick, now_ns):
            self.prints[reason] += 1
            return False
        self._seen.append(name)
        self._last_print = max(self._last_print, tick.ts)
        self.prints["accepted"] += 1
        return True

    def take(self, bar: ClosedBar) -> bool:
        """A bar of the feed; returns whether the track is held now because bars before it may be missing."""
        if not self.held and self._skips(bar):
            self.hold()
            self._waiting.append(bar)
            return True
        if self.held:
            self._waiting.append(bar)
        elif self._gate.admit(bar):
            self.builder.add_bar(bar)
        return False

    def close_until(self, until_ns: int, received_ns: int) -> list[ClosedBar]:
        """As `BarBuilder.close_until`."""
        self._settled = max(self._settled, until_ns)
        return self.builder.close_until(until_ns, received_ns)

    def lacks(self, until_ns: int) -> bool:
        """Whether a coarser bar would end by `until_ns` without its last bars, which may have got lost; the track is
        held then. A feed of ticks cannot tell: seconds without a trade are nothing unusual."""
        if self.held or not self._gives_bars or not self._may_lose:
            return False
        due = self.builder.next_close()
        if not max(self._whole, self._gate.last_close, self._asked_to) < due <= until_ns:
            return False
        self.hold()
        return True

    def begin_fill(self, seam: int) -> list[tuple[str, int, int]]:
        """What to fetch up to `seam`, as (timeframe, from, to): all of the bars that are open where the hole begins,
        and what closed since. Until `fill`, ticks before the seam are not needed."""
        self.seam = seam
        builder = self.builder
        begin = min(self._missing_from, seam)
        start = min((builder.open_since(begin, timeframe) for timeframe in builder.timeframes), default=begin)
        builder.restart(seam)
        if self._gives_bars:
            parts = [(builder.base, start, seam)]
        else:
            seconds_from = begin if "1s" in builder.timeframes else seam
            middle = max(start, seconds_from - seconds_from % MINUTE)
            parts = [("1m", start, middle), ("1s", middle, seam)]
        return [part for part in parts if part[1] < part[2]]

    def fill(self, parts: Sequence[tuple[str, BarColumns]], received_ns: int) -> None:
        """Put together anew from what was fetched, then from what came in the meantime."""
        for timeframe, columns in parts:
            self.builder.fill(timeframe, columns, received_ns)
        self.held = False
        self._whole = self._asked_to = self.seam
        if self._gives_bars:
            for timeframe, columns in parts:
                if len(columns):
                    self._whole = spans_of(self.calendar).place(int(columns.ts[-1]), timeframe).ts_close
            self._gate.last_close = max(self._gate.last_close, self._whole)
            waiting, self._waiting = self._waiting, []
            for bar in waiting:
                if self._gate.admit(bar):
                    self.builder.add_bar(bar)

    def counters(self) -> Counter[str]:
        """Of ticks, or of bars where the feed gives bars."""
        return self._gate.counters if self._gives_bars else self.builder.counters

    def quarantined(self) -> Counter[str]:
        """By reason; prints of a feed of bars are among them."""
        if not self._gives_bars:
            return self.builder.quarantined
        return self._gate.quarantined + Counter({r: n for r, n in self.prints.items() if r not in _TAKEN})

    def _skips(self, bar: ClosedBar) -> bool:
        """Whether the exchange was open between the last bar and this one, so that there should be one more."""
        last = max(self._whole, self._gate.last_close)
        if not self._may_lose or bar.timeframe == "1d" or bar.ts_open <= last:
            return False
        spans = spans_of(self.calendar)
        return spans.is_open(last) or spans.is_open(bar.ts_open - 1)
