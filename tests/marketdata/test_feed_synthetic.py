"""The made-up market: the same for everybody at any time, lively, exact after a restart."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from engine.errors import InputError
from engine.resample import resample
from marketdata.columns import DAY, SECOND, TIMEFRAME_NS, BarColumns
from marketdata.feeds import BarBuilder, FeedHub, FeedKey, Tick, WallClock, noise, open_feed, synthetic, warmup
from marketdata.feeds.synthetic import SyntheticFeed
from marketdata.quality import check_bars
from tests.marketdata.feed_rig import START, HeldClock, Listener, assert_in_order, rows
from tests.marketdata.test_feed_builder import as_bars

MINUTE = 60 * SECOND
KEY = FeedKey.of("synthetic")


def heard(symbol: str, start_ns: int, end_ns: int, **options: int) -> list[Tick]:
    made = noise.ticks(options.get("seed", synthetic.DEFAULT_SEED), symbol, start_ns // SECOND, end_ns // SECOND, 2)
    return [Tick(symbol, *row) for row in made.tolist()]


# --- The series ------------------------------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_market_for_ever_and_another_seed_another() -> None:
    bars = synthetic.history("SIM-ALPHA", "1m", START, START + 200 * MINUTE)
    # Pinned, because a session's ledger was written against it: a change here breaks every resumed session.
    assert bars.content_hash()[:16] == "cf5510847039f89a"
    assert synthetic.history("SIM-BETA", "1m", START, START + 200 * MINUTE).content_hash() != bars.content_hash()
    other = synthetic.history("SIM-ALPHA", "1m", START, START + 200 * MINUTE, seed=1)
    assert other.content_hash() != bars.content_hash()


def test_any_part_is_a_part_of_the_same_series() -> None:
    whole = synthetic.history("SIM-GAMMA", "1m", START, START + 2 * DAY)
    for start, end in ((0, 5 * MINUTE), (7 * MINUTE, 8 * MINUTE), (6 * 60 * MINUTE - MINUTE, DAY + 17 * MINUTE)):
        part = synthetic.history("SIM-GAMMA", "1m", START + start, START + end)
        assert len(part) == (end - start) // MINUTE
        assert part.content_hash() == whole.between(START + start, START + end).content_hash()
    assert len(synthetic.history("SIM-GAMMA", "1m", START + 1, START + 2 * MINUTE - 1)) == 0


@pytest.mark.row("G15")
def test_the_history_is_what_the_ticks_make_in_every_timeframe() -> None:
    builder, out = BarBuilder("SIM-DELTA", TIMEFRAME_NS), []
    ticks = heard("SIM-DELTA", START, START + DAY)
    for tick in ticks:
        out += builder.add(tick)
    out += builder.close_until(START + DAY)
    assert not builder.quarantined
    assert builder.counters["duplicate"] == 0
    for frame in TIMEFRAME_NS:
        made = [bar.values() for bar in out if bar.timeframe == frame]
        assert made == rows(synthetic.history("SIM-DELTA", frame, START, START + DAY))
    minutes = as_bars([bar for bar in out if bar.timeframe == "1m"], "24/7")
    assert resample(minutes, "1h").close.tolist() == [bar.close for bar in out if bar.timeframe == "1h"]


def test_the_prices_are_possible_in_cents_and_lively() -> None:
    for symbol in [*synthetic.NAMED, "SIM-07", "SIM-99", "SIM-X"]:
        bars = synthetic.history(symbol, "1m", START, START + 3 * DAY)
        assert check_bars(bars) == []
        assert (bars.volume > 0).all()
        assert np.array_equal(np.round(bars.close, 2), bars.close)
        moves = np.diff(np.log(bars.close))
        assert 0.0005 < moves.std() < 0.01
        assert np.abs(moves).max() < 0.05  # never a jump that the checks of prints would doubt
        fast, slow = _mean(bars.close, 5), _mean(bars.close, 20)
        crossings = np.flatnonzero(np.diff(np.sign(fast[-len(slow) :] - slow)))
        assert len(crossings) > 3 * 24 * 2  # more than twice an hour
    quote = noise.ticks(1, "SIM-ALPHA", START // SECOND, START // SECOND + 3600, 5)
    assert (quote["bid"] < quote["px"]).all()
    assert (quote["px"] < quote["ask"]).all()
    assert (np.diff(quote["ts"]) > 0).all()


def _mean(values: np.ndarray, window: int) -> np.ndarray:
    return np.convolve(values, np.ones(window) / window, mode="valid")


def test_five_hundred_minutes_of_four_symbols_are_ready_within_a_second() -> None:
    began = time.process_time()
    for symbol in synthetic.NAMED:
        assert len(warmup(KEY, symbol, "1m", 500, START)) == 500
    assert time.process_time() - began < 1.0


def test_the_listed_symbols_are_those_that_trade() -> None:
    listed = synthetic.symbols()
    assert (listed[:4], listed[4], listed[-1], len(listed)) == (list(synthetic.NAMED), "SIM-01", "SIM-99", 103)
    feed = open_feed(KEY)
    asyncio.run(feed.prepare(listed))
    for bad in ("AAPL", "SIM-", "sim-alpha", "SIM-ALPHA-WITH-A-LONG-NAME"):
        with pytest.raises(InputError) as error:
            asyncio.run(feed.prepare(["SIM-01", bad]))
        assert (error.value.faults[0].path, error.value.faults[0].code) == ("symbols[1]", "not_found")


# --- Live ------------------------------------------------------------------------------------------------------------
def play(clock: HeldClock, seconds: float, since_ns: int | None = None, **options: float) -> Listener:
    """Listen for so long; the hub and everything in it is gone afterwards, as after a crash."""
    listener = Listener()

    async def scene() -> None:
        hub = FeedHub(lambda key: SyntheticFeed(clock=clock, **options), clock=clock)  # type: ignore[arg-type]
        hub.listen(
            KEY,
            ["SIM-ALPHA", "SIM-BETA"],
            ["1s", "1m", "5m"],
            listener.on_bars,
            listener.on_state,
            listener.on_tick,
            since_ns=since_ns,
        )
        task = asyncio.create_task(hub.run())
        await clock.advance(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
    assert_in_order(listener)
    return listener


def test_live_bars_are_those_of_the_history_and_come_right_after_their_end() -> None:
    clock = HeldClock(START + 333_000_000)
    listener = play(clock, 130)
    assert listener.statuses == ["connecting", "live"]
    for symbol in ("SIM-ALPHA", "SIM-BETA"):
        for frame in ("1s", "1m"):
            made = listener.values(frame, symbol)
            assert made == rows(synthetic.history(symbol, frame, made[0][0], clock.now_ns()))
        assert len(listener.bars("1m", symbol)) == 2  # the first of them whole, though heard from its middle on
    assert all(bar.received_ns == bar.ts_close for bar in listener.bars("1s")[10:])
    assert all(set(batch.bars) >= {("SIM-ALPHA", "1s"), ("SIM-BETA", "1s")} for batch in listener.batches[3:])
    stamps = [tick.ts for tick in listener.ticks]
    assert stamps == sorted(stamps)
    assert listener.ticks == sorted(
        (
            tick
            for symbol in ("SIM-ALPHA", "SIM-BETA")
            for tick in heard(symbol, START, clock.now_ns() + SECOND)
            if stamps[0] <= tick.ts < clock.now_ns() // 50_000_000 * 50_000_000
        ),
        key=lambda tick: tick.ts,
    )


@pytest.mark.row("C15", "W11")
def test_a_host_that_was_killed_and_came_back_has_what_an_unbroken_one_has() -> None:
    whole = play(HeldClock(START), 400)
    clock = HeldClock(START)
    first = play(clock, 97.3)
    clock.jump(140)  # nobody was there
    second = play(clock, 400 - 97.3 - 140, since_ns=first.batches[-1].ts_close)
    batches = first.batches + second.batches
    seen = [(batch.ts_close, {key: bar.values() for key, bar in batch.bars.items()}) for batch in batches]
    assert seen == [(b.ts_close, {key: bar.values() for key, bar in b.bars.items()}) for b in whole.batches]


def test_an_accelerated_day_passes_in_minutes_and_is_the_same_day() -> None:
    clock = HeldClock(START)
    listener = play(clock, 30, accelerate=120.0, anchor_ns=START)
    end = START + 3600 * SECOND
    for frame in ("1s", "1m", "5m"):
        made = listener.values(frame, "SIM-ALPHA")
        assert made == rows(synthetic.history("SIM-ALPHA", frame, made[0][0], end))
    assert len(listener.bars("1m", "SIM-ALPHA")) >= 59


def test_a_clock_that_is_set_back_or_forward_gives_no_bar_twice_and_loses_none() -> None:
    async def scene() -> None:
        clock, listener = HeldClock(START), Listener()
        hub = FeedHub(lambda key: SyntheticFeed(clock=clock), clock=clock)
        hub.listen(KEY, ["SIM-ALPHA"], ["1s"], listener.on_bars, listener.on_state)
        task = asyncio.create_task(hub.run())
        await clock.advance(20)
        clock.jump(-5)
        await clock.advance(20)
        clock.jump(300)
        await clock.advance(20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert_in_order(listener)
        made = listener.values("1s")
        assert made == rows(synthetic.history("SIM-ALPHA", "1s", made[0][0], clock.now_ns()))
        assert listener.statuses == ["connecting", "live", "silent", "live", "connecting", "live"]
        late = [bar for bar in listener.bars("1s", "SIM-ALPHA") if bar.backfilled]
        assert len(late) >= 290, "what was jumped over comes late, and says so"

    asyncio.run(scene())


def test_on_the_real_clock_a_bar_is_known_within_a_fifth_of_a_second() -> None:
    async def scene() -> None:
        listener = Listener()
        hub = FeedHub(open_feed)
        subscription = hub.listen(KEY, ["SIM-ALPHA", "SIM-02"], ["1s"], listener.on_bars, listener.on_state)
        task = asyncio.create_task(hub.run())
        while len(listener.batches) < 3:
            await asyncio.sleep(0.05)
        subscription.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        late = [batch.received_ns - batch.ts_close for batch in listener.batches]
        assert 0 <= min(late) < SECOND // 5
        bars = listener.bars("1s", "SIM-02")
        expected = synthetic.history("SIM-02", "1s", bars[0].ts_open, bars[-1].ts_close)
        assert [bar.values() for bar in bars] == rows(expected)
        assert abs(WallClock().now_ns() - listener.batches[-1].ts_close) < 5 * SECOND

    asyncio.run(scene())


# --- Options ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "path", "code"),
    [
        ({"seeds": 1}, "seeds", "unknown_field"),
        ({"ticks_per_s": 0}, "ticks_per_s", "out_of_range"),
        ({"ticks_per_s": "2"}, "ticks_per_s", "not_a_finite_number"),
        ({"ticks_per_s": True}, "ticks_per_s", "not_a_finite_number"),
        ({"accelerate": float("nan"), "anchor": START}, "accelerate", "not_a_finite_number"),
        ({"accelerate": 60}, "anchor", "required"),
        ({"accelerate": 60, "anchor": "2026-01-01T00:00"}, "anchor", "naive_time"),
        ({"accelerate": 60, "anchor": "soon"}, "anchor", "bad_time"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, object], path: str, code: str) -> None:
    with pytest.raises(InputError) as error:
        open_feed(FeedKey.of("synthetic", **options))
    assert [(fault.path, fault.code) for fault in error.value.faults] == [(path, code)]


def test_an_unknown_provider_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError) as error:
        open_feed(FeedKey.of("bloomberg"))
    assert error.value.faults[0].hint == "one of synthetic, replay, alpaca, polygon, binance"


def test_options_reach_the_feed() -> None:
    feed = open_feed(FeedKey.of("synthetic", seed=7, ticks_per_s=5, accelerate=60, anchor="2026-01-01T00:00:00Z"))
    assert isinstance(feed, SyntheticFeed)
    assert (feed.seed, feed.ticks_per_s) == (7, 5)
    bars = asyncio.run(feed.backfill("SIM-01", "1m", START, START + 10 * MINUTE))
    assert isinstance(bars, BarColumns)
    assert rows(bars) == rows(synthetic.history("SIM-01", "1m", START, START + 10 * MINUTE, seed=7, ticks_per_s=5))
