"""Feeds of bars: replays of stored ones at any pace and from any point, and live ones that lose some on the way."""

from __future__ import annotations

import asyncio
import time
from functools import cache

import numpy as np
import pytest

from engine.bars import Bars
from engine.errors import Fault, InputError
from engine.resample import close_times, resample
from marketdata.columns import SECOND
from marketdata.feeds import BarBatch, ClosedBar, Feed, FeedHub, FeedKey, open_feed, warmup
from marketdata.feeds.replay import ReplayFeed, Series
from marketdata.services import load_bars
from tests.marketdata.conftest import ns
from tests.marketdata.feed_rig import START, HeldClock, Listener, Rig, assert_in_order, run

MINUTE = 60 * SECOND
FRAMES = ("1m", "5m", "1h", "1d")
KEY = FeedKey.of("replay")
_SESSIONS = (("2024-11-27T14:30", 390), ("2024-11-29T14:30", 210), ("2024-12-02T14:30", 390))


@cache
def minutes(symbol: str, *, missing: int = 15) -> Bars:
    """Two whole sessions and the half day between them, some minutes without a trade."""
    random = np.random.default_rng(ord(symbol))
    ts = []
    for opens, count in _SESSIONS:
        kept = np.sort(random.choice(count, count - missing, replace=False))
        ts.append(ns(opens) + kept * MINUTE)
    at = np.concatenate(ts)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.001, len(at))))
    open_ = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    return Bars.from_arrays(symbol, "1m", at, open_, high, low, close, random.uniform(1, 1000, len(at)))


def load(symbol: str, begin: int = 100) -> Series:
    if symbol == "?":
        raise InputError(Fault("symbols", "not_found", "'?' is not stored"))
    return Series(minutes(symbol), begin)


def values(bars: Bars) -> list[tuple[float, ...]]:
    return list(
        zip(*(getattr(bars, c).tolist() for c in ("ts", "open", "high", "low", "close", "volume")), strict=True)
    )


def expected(symbol: str, frame: str, after_ns: int) -> list[tuple[float, ...]]:
    """What closes after `after_ns`, as the engine makes it."""
    bars = minutes(symbol) if frame == "1m" else resample(minutes(symbol), frame)
    return [row for row, close in zip(values(bars), close_times(bars).tolist(), strict=True) if close > after_ns]


def replay(
    symbols: tuple[str, ...] = ("A", "B"),
    *,
    feed: Feed | None = None,
    stop_after: int = 1 << 60,
    since_ns: int | None = None,
    slow: bool = False,
) -> Listener:
    """Listen on the real clock until the replay has ended, or `stop_after` batches have come."""
    listener, opened = Listener(), feed or ReplayFeed(load, "1m")

    async def scene() -> None:
        hub = FeedHub(lambda key: opened)
        waiting: list[BarBatch] = []

        def on_bars(batch: BarBatch) -> None:
            if len(listener.batches) < stop_after:
                listener.on_bars(batch)
            if slow:
                waiting.append(batch)
                subscription.pause()

        subscription = hub.listen(KEY, symbols, FRAMES, on_bars, listener.on_state, since_ns=since_ns)
        task = asyncio.create_task(hub.run())
        while listener.statuses[-1] not in ("ended", "failed") and len(listener.batches) < stop_after:
            await asyncio.sleep(0.001)
            assert len(waiting) <= 1  # the replay waits for us
            if waiting:
                waiting.clear()
                subscription.resume()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scene(), 60))
    assert_in_order(listener)
    return listener


def contents(batches: list[BarBatch]) -> list[tuple[int, dict]]:
    return [(b.ts_close, {key: bar.values() for key, bar in b.bars.items()}) for b in batches]


# --- Replays ---------------------------------------------------------------------------------------------------------
@pytest.mark.row("C15", "G15")
def test_a_replay_gives_every_stored_bar_once_and_the_coarser_ones_the_engine_makes_of_them() -> None:
    listener = replay()
    assert listener.statuses == ["connecting", "live", "ended"]
    begin = int(minutes("A").ts[100])
    for symbol in "AB":
        first = min(begin, int(minutes("B").ts[100]))
        for frame in FRAMES:
            assert listener.values(frame, symbol) == [
                row for row in expected(symbol, frame, first) if frame != "1m" or row[0] >= minutes(symbol).ts[100]
            ]
    both = [batch for batch in listener.batches if len(batch.of("1m")) == 2]
    assert len(both) > 800  # one batch for both symbols
    assert [bar.ts_close for bar in listener.bars("1d", "A")] == [
        ns("2024-11-27T21:00"),
        ns("2024-11-29T18:00"),
        ns("2024-12-02T21:00"),
    ]


@pytest.mark.row("C15")
@pytest.mark.parametrize("stop", [1, 37, 290, 291, 500, 700])
def test_a_replay_resumed_anywhere_gives_what_an_unbroken_one_gives(stop: int) -> None:
    whole = replay()
    first = replay(stop_after=stop)
    assert len(first.batches) == stop
    second = replay(since_ns=first.batches[-1].ts_close)
    assert contents(first.batches + second.batches) == contents(whole.batches)


def test_a_replay_as_fast_as_possible_waits_for_a_slow_listener() -> None:
    assert contents(replay(slow=True).batches) == contents(replay().batches)


def test_a_replay_as_fast_as_possible_is_fast() -> None:
    began = time.process_time()
    listener = replay()
    assert len(listener.batches) / (time.process_time() - began) > 500


def test_a_paced_replay_takes_its_time_and_skips_the_night() -> None:
    async def scene() -> None:
        clock, listener = HeldClock(START), Listener()
        hub = FeedHub(lambda key: ReplayFeed(lambda s: load(s, 0), "1m", speed=60.0, clock=clock), clock=clock)
        subscription = hub.listen(KEY, ["A"], ["1m", "1d"], listener.on_bars, listener.on_state)
        task = asyncio.create_task(hub.run())
        while not subscription.ready:
            await asyncio.sleep(0.01)
            await clock.advance(0)
        await clock.advance(100)
        held = [batch for batch in listener.batches if batch.bars.get(("A", "1m"))]
        at = ns("2024-11-27T14:30") + 100 * MINUTE
        assert subscription.now() == at
        assert len(held) == sum(1 for close in load("A", 0).closes.tolist() if close <= at)
        await clock.advance(291)  # one second beyond the close: the next session, not the night
        assert listener.bars("1d")[-1].ts_close == ns("2024-11-27T21:00")
        assert ns("2024-11-29T14:30") <= subscription.now() <= ns("2024-11-29T14:32")
        await clock.advance(210 + 390 + 5)
        assert listener.statuses == ["connecting", "live", "ended"]
        assert listener.values("1m") == values(minutes("A"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())


def test_with_gaps_kept_the_night_is_waited_through() -> None:
    async def scene() -> None:
        clock, listener = HeldClock(START), Listener()
        feed = ReplayFeed(lambda s: load(s, 0), "1m", speed=3600.0, keep_gaps=True, clock=clock)
        hub = FeedHub(lambda key: feed, clock=clock)
        subscription = hub.listen(KEY, ["A"], ["1m"], listener.on_bars, listener.on_state)
        task = asyncio.create_task(hub.run())
        while not subscription.ready:
            await asyncio.sleep(0.01)
            await clock.advance(0)
        await clock.advance(10)
        assert abs(subscription.now() - ns("2024-11-27T14:30") - 10 * 60 * MINUTE) < SECOND
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())


def test_a_second_listener_of_a_running_replay_hears_the_same_clock() -> None:
    async def scene() -> None:
        first, second = Listener(), Listener()
        hub = FeedHub(lambda key: ReplayFeed(load, "1m"))

        def on_bars(batch: BarBatch) -> None:
            first.on_bars(batch)
            if len(first.batches) == 50:
                hub.listen(KEY, ["B"], ["1m", "1h"], second.on_bars, second.on_state)

        hub.listen(KEY, ["A"], ["1m", "1d"], on_bars, first.on_state)
        task = asyncio.create_task(hub.run())
        while first.statuses[-1] != "ended":
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert_in_order(second)
        joined = first.batches[49].ts_close
        for frame in ("1m", "1h"):
            assert second.values(frame) == expected("B", frame, joined)
        assert first.values("1m") == expected("A", "1m", int(minutes("A").ts[100]))

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_symbol_that_is_not_stored_fails_with_the_reason() -> None:
    listener = replay(("A", "?"))
    assert listener.statuses[-1] == "failed"
    assert "not stored" in listener.states[-1].reason
    assert listener.batches == []


# --- From the store --------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.row("C15", "G15")
@pytest.mark.django_db(transaction=True)
def test_a_replay_from_the_store_is_what_a_backtest_loads_and_its_history_fits_before_it(sample_prices: None) -> None:
    stored = {
        "days with a split and dividends": ("sample", "AAPL", "1d", "2005-01-03", "2005-06-30", ("1d",)),
        "minutes over a half day": (
            "synthetic",
            "SYN-AAPL",
            "1m",
            "2024-11-27",
            "2024-12-02",
            ("1m", "5m", "1h", "1d"),
        ),
    }
    for source, symbol, timeframe, start, end, frames in stored.values():
        key = FeedKey.of("replay", source=source, timeframe=timeframe, start=start, end=end)
        listener = Listener()

        async def scene(key=key, symbol=symbol, frames=frames, listener=listener) -> None:
            hub = FeedHub(open_feed)
            since = open_feed(key).now()  # as a session host does: first the history, then what comes after it
            hub.listen(key, [symbol], frames, listener.on_bars, listener.on_state, since_ns=since)
            task = asyncio.create_task(hub.run())
            while listener.statuses[-1] not in ("ended", "failed"):
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(asyncio.wait_for(scene(), 60))
        assert listener.statuses[-1] == "ended", listener.states
        for frame in frames:
            assert listener.values(frame) == values(load_bars([symbol], frame, start, end, source=source).bars[symbol])
        first = listener.bars(timeframe)[0]
        assert not any(bar.backfilled for batch in listener.batches for bar in batch.bars.values())
        assert open_feed(key).now() == ns(start)
        before = warmup(key, symbol, timeframe, 300, open_feed(key).now())
        assert (len(before), int(before.ts[-1]) < first.ts_open) == (300, True)
        whole = load_bars([symbol], timeframe, "2003-01-02" if timeframe == "1d" else "2024-11-25", end, source=source)
        history = [row for row in values(whole.bars[symbol]) if row[0] < first.ts_open][-300:]
        assert list(zip(before.ts.tolist(), *(a.tolist() for a in before.arrays()), strict=True)) == history


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"source": None}, "source", "required"),
        ({"timeframe": "2m"}, "timeframe", "unknown_choice"),
        ({"start": "yesterday"}, "start", "bad_time"),
        ({"end": "2024-01-01"}, "end", "out_of_range"),
        ({"end": "2024-03-05T00:00:00Z"}, "end", "wrong_type"),
        ({"start": "2024-03-01T09:30:00"}, "start", "naive_time"),
        ({"speed": -1}, "speed", "out_of_range"),
        ({"pace": 2}, "pace", "unknown_field"),
    ],
)
def test_an_option_of_a_replay_that_is_wrong_is_named(changes: dict[str, object], path: str, code: str) -> None:
    options = {"source": "sample", "timeframe": "1d", "start": "2024-03-01", "end": "2024-03-05"} | changes
    with pytest.raises(InputError) as error:
        open_feed(FeedKey.of("replay", **options))
    assert [(fault.path, fault.code) for fault in error.value.faults] == [(path, code)]


# --- Live bars -------------------------------------------------------------------------------------------------------
def bar(symbol: str, minute: int, *, close: float | None = None) -> ClosedBar:
    px = close if close is not None else 100.0 + minute % 7
    start = START + minute * MINUTE
    return ClosedBar(symbol, "1m", start, start + MINUTE, px, px + 1, px - 1, px, 10.0 + minute, 0)


@pytest.mark.row("W11")
def test_bars_that_come_twice_late_or_poisoned_are_each_judged_once_and_a_missing_one_is_fetched() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X",), ("1m", "5m"))
        rig.listen(("Y",), ("1m",))  # so that the feed is never silent
        held = {minute: bar("X", minute) for minute in range(40)}
        rig.feed.bars_known = list(held.values())
        sent = {5: [5, 5], 8: [8, 7, 8], 11: [], 12: [12], 13: [], 14: [], 15: [15], 16: [16, 3, 16, 15]}
        await rig.clock.advance(1)
        for minute in range(30):
            await rig.clock.advance(59.5)
            await rig.clock.advance(0.5)
            rig.feed.send(bar("Y", minute))
            for number in sent.get(minute, [minute]):
                rig.feed.send(held[number])
            if minute == 20:
                rig.feed.send(bar("X", 21, close=-5.0))
        await rig.clock.advance(5)
        assert_in_order(listener)
        got = [b.ts_open for b in listener.bars("1m")]
        assert got == [START + m * MINUTE for m in range(30)]
        assert [b.values() for b in listener.bars("1m")] == [held[m].values() for m in range(30)]
        assert {b.ts_open for b in listener.bars("1m") if b.backfilled} >= {START + m * MINUTE for m in (11, 13, 14)}
        fives = [sum(held[m].volume for m in range(first, first + 5)) for first in range(0, 30, 5)]
        assert [b.volume for b in listener.bars("5m")] == fives
        assert rig.stats()["duplicate"] + rig.stats()["late"] >= 5
        assert listener.statuses == ["connecting", "live"]

    run(scene, timeframe="1m")


@pytest.mark.row("W11")
def test_a_feed_of_bars_is_silent_after_a_bar_and_ten_seconds_and_its_hole_is_filled() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X", "Y"), ("1m",))
        rig.feed.bars_known = [bar(symbol, m) for m in range(40) for symbol in "XY"]
        for minute in range(12):
            await rig.clock.advance(60)
            if not 5 <= minute < 9:
                rig.feed.send(bar("X", minute), bar("Y", minute))
        await rig.clock.advance(1)
        assert (listener.statuses[:3], listener.statuses[-1]) == (["connecting", "live", "silent"], "live")
        assert listener.statuses.count("live") == 2, "an answer without prices is not enough"
        assert_in_order(listener)
        for symbol in "XY":
            assert listener.values("1m", symbol) == [bar(symbol, m).values() for m in range(12)]

    run(scene, timeframe="1m")
