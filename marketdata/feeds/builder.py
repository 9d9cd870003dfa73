"""Ticks (or the bars of a feed) of one symbol → closed bars of several timeframes, each exactly once.

Ticks make one-second bars, those make minutes, those make everything coarser; a feed of bars starts at its own
timeframe. Each step follows `engine.resample` bit for bit, so that a session sees what a backtest over the same
minutes sees. A span without ticks gives no bar: a gap is a gap.

Times are ns UTC. A bar is closed when the watermark passes its end: everything before the watermark has come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum

import numpy as np

from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK
from engine.types import TIMEFRAMES
from marketdata.columns import SECOND, BarColumns
from marketdata.feeds.checks import JUMP_RATIO, PrintCheck
from marketdata.feeds.spans import Spans
from marketdata.feeds.types import ClosedBar, Tick

MINUTE = 60 * SECOND
_NEVER = 1 << 62
_FIRST = np.zeros(1, np.int64)


class _Second:
    """A one-second bar that is still open. Out-of-order prints move its extremes, its open and close go by time."""

    __slots__ = ("close", "first", "high", "last", "low", "open", "seen", "sizes")

    def __init__(self, tick: Tick) -> None:
        self.open = self.high = self.low = self.close = tick.px
        self.first = self.last = tick.ts
        self.sizes = [tick.size]
        self.seen = {tick.trade_id or (tick.ts, tick.px, tick.size)}


class _Coarse:
    """The bar of one timeframe that is being put together, if any (`volumes` is empty when there is none)."""

    __slots__ = (
        "close",
        "done",
        "end",
        "first",
        "high",
        "last",
        "low",
        "open",
        "start",
        "timeframe",
        "volumes",
        "wanted",
    )

    def __init__(self, timeframe: str, wanted: bool) -> None:
        self.timeframe, self.wanted = timeframe, wanted
        self.done = 0  # bars that closed up to here were handed out: none of them is begun again
        self.clear()

    def clear(self) -> None:
        self.start = self.end = self.first = self.last = 0
        self.open = self.high = self.low = self.close = 0.0
        self.volumes: list[float] = []


class BarBuilder:
    """One symbol's bars.

    timeframes: those to emit. base: "1s" for ticks, else the timeframe of the bars that will be added. since_ns: what
    lies before it is late from the start. grace_ns: for how long after a bar's end, in the ticks' own time or that of
    `close_until`, ticks of it are still taken. closes_by_ticks: a tick far enough ahead closes bars; without it only
    `close_until` does, so that several symbols' bars close together.

    counters: accepted, duplicate, late, out_of_order. quarantined: refused prints and bars by reason.
    Raises InputError for a timeframe that cannot be made of the base.
    """

    def __init__(
        self,
        symbol: str,
        timeframes: Iterable[str],
        *,
        base: str = "1s",
        calendar: str = ROUND_THE_CLOCK,
        since_ns: int = 0,
        grace_ns: int = 0,
        closes_by_ticks: bool = True,
        jump_ratio: float = JUMP_RATIO,
    ) -> None:
        self.symbol = symbol
        self.base = base
        self.frontier = since_ns  # bars that end up to here are closed
        self.last_ts = 0
        self.counters: Counter[str] = Counter(accepted=0, duplicate=0, late=0, out_of_order=0)
        self.quarantined: Counter[str] = Counter()
        self._spans = Spans(calendar)
        self._grace = grace_ns
        self._by_ticks = closes_by_ticks
        self._check = PrintCheck(jump_ratio)
        self._seconds: dict[int, _Second] = {}
        self._levels: dict[str, _Coarse] = {}
        self._wanted: set[str] = set()
        self._out: list[ClosedBar] = []
        self._handed: dict[str, int] = {}  # timeframe → ts_open of the last bar that was handed out
        self.want(timeframes)

    @property
    def timeframes(self) -> set[str]:
        """Those that are emitted."""
        return self._wanted

    def want(self, timeframes: Iterable[str]) -> None:
        """Emit these too. A bar that is open now will lack what came before: `fill` it. Raises InputError."""
        for timeframe in timeframes:
            check_multiple(self.base, timeframe)
            self._wanted.add(timeframe)
            for level in _levels(self.base, timeframe):
                self._levels.setdefault(level, _Coarse(level, False)).wanted |= level == timeframe
        self._levels = {t: self._levels[t] for t in sorted(self._levels, key=TIMEFRAMES.__getitem__)}

    def drop(self, timeframes: Iterable[str]) -> None:
        """Emit these no more."""
        self._wanted -= set(timeframes)
        needed = {level for t in self._wanted for level in _levels(self.base, t)}
        self._levels = {t: level for t, level in self._levels.items() if t in needed}
        for timeframe, level in self._levels.items():
            level.wanted = timeframe in self._wanted

    # --- What comes in -----------------------------------------------------------------------------------------------
    def add(self, tick: Tick, now_ns: int = _NEVER) -> list[ClosedBar]:
        """Take a tick; returns the bars that it closes (none unless `closes_by_ticks`). Never raises.

        now_ns: the feed's clock, against stamps from the future.
        """
        if self.take(tick, now_ns) and self._by_ticks and self.last_ts - self._grace >= self.frontier + SECOND:
            return self.close_until(self.last_ts)
        return []

    def take(self, tick: Tick, now_ns: int = _NEVER) -> bool:
        """As `add`, but closes nothing; returns whether the tick is believed and new."""
        ts = tick.ts
        if ts < self.frontier:
            self.counters["late"] += 1
            return False
        start = ts - ts % SECOND
        second = self._seconds.get(start)
        if second is not None and (tick.trade_id or (ts, tick.px, tick.size)) in second.seen:
            self.counters["duplicate"] += 1
            return False
        reason = self._check.refuse(tick, now_ns)
        if reason:
            self.quarantined[reason] += 1
            return False
        self.counters["accepted"] += 1
        if ts >= self.last_ts:
            self.last_ts = ts
        else:
            self.counters["out_of_order"] += 1
        if second is None:
            self._seconds[start] = _Second(tick)
        else:
            px = tick.px
            if px > second.high:
                second.high = px
            elif px < second.low:
                second.low = px
            if ts >= second.last:
                second.last, second.close = ts, px
            elif ts < second.first:
                second.first, second.open = ts, px
            second.sizes.append(tick.size)
            second.seen.add(tick.trade_id or (ts, px, tick.size))
        return True

    def add_bar(self, bar: ClosedBar) -> None:
        """Take a bar of the base timeframe that has passed a `BarGate`; `close_until` hands out what it makes."""
        self.counters["accepted"] += 1
        self.last_ts = max(self.last_ts, bar.ts_close)
        self.frontier = max(self.frontier, bar.ts_close)
        if self.base in self._wanted:
            self._hand_out(bar)
        self._fold(self.base, bar.values(), bar.received_ns, bar.backfilled)

    def fill(self, timeframe: str, bars: BarColumns, received_ns: int) -> None:
        """Take closed bars that were asked for afterwards, in order, older than everything still open.

        timeframe: the base, or 1m where the base is 1s; those are handed out too if they are wanted.
        """
        wanted, place = timeframe in self._wanted, self._spans.place
        columns = [a.tolist() for a in bars.arrays()]
        for ts, *rest in zip(bars.ts.tolist(), *columns, strict=True):
            values, end = (ts, *rest), place(ts, timeframe).ts_close
            if wanted:
                self._hand_out(_closed(self.symbol, timeframe, end, values, received_ns, True))
            self._fold(timeframe, values, received_ns, True)

    def restart(self, since_ns: int) -> None:
        """Forget the open bars but those of ticks from `since_ns` on; what lies before is filled, or late."""
        self._seconds = {start: second for start, second in self._seconds.items() if start >= since_ns}
        for level in self._levels.values():
            level.clear()
            level.done = 0
        self.frontier = max(self.frontier, since_ns)

    def open_since(self, ts: int, timeframe: str) -> int:
        """Where the bar of `timeframe` that holds instant `ts` begins; `ts` where there is none."""
        span = self._spans.span(ts, timeframe)
        return ts if span is None else span.first

    # --- What comes out ----------------------------------------------------------------------------------------------
    def close_until(self, now_ns: int, received_ns: int = 0) -> list[ClosedBar]:
        """Bars that ended at least `grace_ns` before `now_ns` and were not handed out yet.

        In the order of their closes; at one instant the coarser first.
        """
        until = now_ns - self._grace
        if until > self.frontier:
            self.frontier = until - until % SECOND if self.base == "1s" else until
        if self._seconds:
            self._close_seconds(self.frontier, received_ns)
        for level in self._levels.values():
            if level.volumes and level.end <= until:
                self._emit(level, received_ns, False)
        if not self._out:
            return []
        out, self._out = self._out, []
        if len(out) > 1:
            out.sort(key=lambda bar: (bar.ts_close, -TIMEFRAMES[bar.timeframe]))
        return out

    def next_close(self) -> int:
        """When the next of the open bars can close (grace included); far in the future when none is open."""
        ends = [start + SECOND for start in self._seconds]
        ends.extend(level.end for level in self._levels.values() if level.volumes)
        return min(ends, default=_NEVER - self._grace) + self._grace

    def _close_seconds(self, until: int, received_ns: int) -> None:
        for start in sorted(start for start in self._seconds if start + SECOND <= until):
            second = self._seconds.pop(start)
            volume = fsum(second.sizes)  # exact, so that the order in which ticks came does not matter
            values = (start, second.open, second.high, second.low, second.close, volume)
            if "1s" in self._wanted:
                self._hand_out(_closed(self.symbol, "1s", start + SECOND, values, received_ns, False))
            self._fold("1s", values, received_ns, False)

    def _fold(
        self,
        timeframe: str,
        values: tuple[int, float, float, float, float, float],
        received_ns: int,
        backfilled: bool,
    ) -> None:
        """Put a closed bar into the coarser ones that are made of it."""
        ts, open_, high, low, close, volume = values
        for level in self._levels.values():
            if _made_of(self.base, level.timeframe) != timeframe:
                continue
            if level.volumes and not level.first <= ts < level.last:
                self._emit(level, received_ns, backfilled)
            if level.volumes:
                if high > level.high:
                    level.high = high
                if low < level.low:
                    level.low = low
                level.close = close
                level.volumes.append(volume)
                continue
            span = self._spans.span(ts, level.timeframe)
            if span is not None and span.ts_close > level.done:
                level.start, level.end, level.first, level.last = span
                level.open, level.high, level.low, level.close = open_, high, low, close
                level.volumes.append(volume)

    def _hand_out(self, bar: ClosedBar) -> None:
        """Once each and in order, also when a hole is filled from further back than it needed to be."""
        if bar.ts_open > self._handed.get(bar.timeframe, -1):
            self._handed[bar.timeframe] = bar.ts_open
            self._out.append(bar)

    def _emit(self, level: _Coarse, received_ns: int, backfilled: bool) -> None:
        # The same ufunc as engine.resample's, because the order of a floating-point sum is part of its result.
        volume = float(np.add.reduceat(np.array(level.volumes), _FIRST)[0])
        values = (level.start, level.open, level.high, level.low, level.close, volume)
        end = level.done = level.end
        level.clear()
        if level.wanted:
            self._hand_out(_closed(self.symbol, level.timeframe, end, values, received_ns, backfilled))
        self._fold(level.timeframe, values, received_ns, backfilled)


def check_multiple(base: str, timeframe: str) -> None:
    """Raises InputError unless `timeframe` is `base` or can be made of it."""
    length, finest = TIMEFRAMES.get(timeframe), TIMEFRAMES[base]
    if length is None or length < finest or length % finest:
        possible = [t for t, ns in TIMEFRAMES.items() if ns >= finest and ns % finest == 0]
        message = f"a feed of {base} bars gives no {timeframe} bars"
        raise InputError(Fault("timeframe", "unknown_choice", message, "one of " + ", ".join(possible)))


def _levels(base: str, timeframe: str) -> Sequence[str]:
    """The timeframes that have to be put together for this one, finest first; none for the base itself."""
    steps = []
    while timeframe != base:
        steps.insert(0, timeframe)
        timeframe = _made_of(base, timeframe)
    return steps


def _made_of(base: str, timeframe: str) -> str:
    return "1m" if base == "1s" and timeframe not in ("1s", "1m") else base


def _closed(
    symbol: str,
    timeframe: str,
    end: int,
    values: tuple[int, float, float, float, float, float],
    received_ns: int,
    backfilled: bool,
) -> ClosedBar:
    ts, open_, high, low, close, volume = values
    return ClosedBar(symbol, timeframe, ts, end, open_, high, low, close, volume, received_ns, backfilled)
