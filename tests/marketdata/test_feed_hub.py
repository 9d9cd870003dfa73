"""The hub on a real loop and a clock that the test moves: one connection for all, holes filled, faults kept apart."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest

from engine.errors import InputError
from marketdata.columns import SECOND
from marketdata.feeds import BarBatch, FeedError, FeedKey, Reconnect, Tick
from tests.marketdata.feed_rig import START, Listener, Rig, assert_in_order, rows, run


def assert_whole(rig: Rig, listener: Listener, frames: tuple[str, ...], symbols: tuple[str, ...] = ("X",)) -> None:
    """What was heard is, from its first bar on, everything that happened."""
    assert_in_order(listener)
    for frame in frames:
        for symbol in symbols:
            heard = listener.values(frame, symbol)
            assert heard, (frame, symbol)
            assert heard == [row for row in rows(rig.feed.truth(symbol, frame)) if row[0] >= heard[0][0]]


# --- One for all -----------------------------------------------------------------------------------------------------
@pytest.mark.row("W10")
def test_fifty_listeners_share_one_connection_and_one_subscription_per_symbol() -> None:
    async def scene(rig: Rig) -> None:
        listeners = [rig.listen(("X", "Y") if i % 2 else ("X",), ("1s",)) for i in range(50)]
        await rig.trade(10)
        assert (rig.opened, rig.feed.runs) == (1, 1)
        assert (rig.stats()["subscriptions"], rig.stats()["listeners"]) == (2, 50)
        asked = len(rig.feed.asked)
        for listener, _ in listeners:
            assert_whole(rig, listener, ("1s",))
            assert listener.values("1s", "X") == listeners[0][0].values("1s", "X")
            assert len(listener.values("1s")) >= 7
        rig.listen(("X",), ("1s",))  # one more asks the provider for nothing
        await rig.trade(3)
        assert (rig.feed.runs, len(rig.feed.asked)) == (1, asked)
        for i, (_, subscription) in enumerate(listeners):
            if i % 2:
                subscription.close()
        assert rig.feed.subscribed == {"X"}

    run(scene)


def test_the_feed_stops_with_the_last_listener_and_starts_with_the_next() -> None:
    async def scene(rig: Rig) -> None:
        _, first = rig.listen()
        await rig.trade(3)
        assert rig.feed.sink is not None
        first.close()
        first.close()
        await rig.clock.advance(1)
        assert (rig.feed.sink, rig.hub.stats()) == (None, {})
        listener, _ = rig.listen()
        await rig.trade(5)
        assert (rig.opened, rig.feed.runs) == (2, 2)
        assert_whole(rig, listener, ("1s",))

    run(scene)


@pytest.mark.row("G15")
def test_all_bars_of_an_instant_come_in_one_batch() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X", "Y"), ("1s", "1m", "5m"))
        await rig.trade(301)
        minutes = [batch for batch in listener.batches if batch.ts_close % (60 * SECOND) == 0]
        assert len(minutes) == 5
        for batch in minutes:
            frames = ("1s", "1m", "5m") if batch.ts_close % (300 * SECOND) == 0 else ("1s", "1m")
            assert set(batch.bars) == {(symbol, frame) for symbol in "XY" for frame in frames}
            assert list(batch.of("1m")) == ["X", "Y"]
            assert all(bar.ts_close == batch.ts_close for bar in batch.bars.values())
        assert_whole(rig, listener, ("1s", "1m", "5m"), ("X", "Y"))

    run(scene)


def test_who_begins_in_the_middle_of_a_bar_gets_it_whole() -> None:
    async def scene(rig: Rig) -> None:
        await rig.trade(133.5, heard=False)  # before anybody listened
        listener, _ = rig.listen(("X",), ("1m", "5m"))
        await rig.trade(170)
        assert [bar.ts_open - START for bar in listener.bars("1m")] == [120 * SECOND, 180 * SECOND, 240 * SECOND]
        assert [bar.ts_open - START for bar in listener.bars("5m")] == [0]
        assert_whole(rig, listener, ("1m", "5m"))

    run(scene)


def test_a_late_listener_with_other_timeframes_disturbs_nobody() -> None:
    async def scene(rig: Rig) -> None:
        first, _ = rig.listen(("X",), ("1s",))
        await rig.trade(95.5)
        second, _ = rig.listen(("X", "Y"), ("1m", "15m"))
        await rig.trade(900)
        assert_whole(rig, first, ("1s",))
        assert_whole(rig, second, ("1m", "15m"), ("X", "Y"))
        assert second.bars("1m")[0].ts_open == START + 60 * SECOND
        assert len(first.bars("1s")) >= 990
        assert rig.feed.runs == 1

    run(scene)


# --- Restarts --------------------------------------------------------------------------------------------------------
@pytest.mark.row("C15", "W11")
def test_a_restarted_listener_gets_everything_after_the_last_bar_it_had() -> None:
    async def scene(rig: Rig) -> None:
        whole, _ = rig.listen(("X", "Y"), ("1s", "1m", "5m"))
        killed, subscription = rig.listen(("X", "Y"), ("1s", "1m", "5m"))
        await rig.trade(140.5)
        subscription.close()
        last = killed.batches[-1].ts_close
        await rig.trade(190)
        again, _ = rig.listen(("X", "Y"), ("1s", "1m", "5m"), since_ns=last)
        await rig.trade(100)
        assert_in_order(again)
        seen = [(b.ts_close, {k: bar.values() for k, bar in b.bars.items()}) for b in killed.batches + again.batches]
        assert seen == [(b.ts_close, {k: bar.values() for k, bar in b.bars.items()}) for b in whole.batches]
        assert again.bars("1s")[0].backfilled
        assert not again.bars("1s")[-1].backfilled

    run(scene)


def test_while_paused_nothing_comes_and_afterwards_everything_in_order() -> None:
    async def scene(rig: Rig) -> None:
        listener, subscription = rig.listen(("X",), ("1s",))
        other, _ = rig.listen(("X",), ("1s",))
        await rig.trade(5)
        subscription.pause()
        before = len(listener.batches)
        await rig.trade(20)
        assert len(listener.batches) == before
        subscription.resume()
        assert listener.values("1s") == other.values("1s")
        await rig.trade(3)
        assert_whole(rig, listener, ("1s",))

    run(scene)


# --- Broken connections ----------------------------------------------------------------------------------------------
@pytest.mark.row("G11", "W11")
def test_after_a_cut_the_hole_is_filled_before_it_is_live_again() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X", "Y"), ("1s", "1m"))
        await rig.trade(70.5)
        rig.feed.break_off("The exchange has hung up.")
        await rig.trade(61)
        await rig.trade(60)
        assert listener.statuses == ["connecting", "live", "connecting", "live"]
        assert listener.states[2].reason == "The exchange has hung up."
        assert rig.feed.runs == 2
        assert_whole(rig, listener, ("1s", "1m"), ("X", "Y"))
        assert rig.stats()["reconnects"] == 1

    run(scene)


@pytest.mark.row("W11")
def test_a_cut_during_the_filling_of_a_hole_leaves_no_hole() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X",), ("1s",))
        await rig.trade(10)
        rig.feed.break_off()
        while rig.feed.runs == 1:
            await rig.clock.advance(0.05)
        assert listener.statuses[-1] == "connecting"  # it waits for the first whole second
        rig.feed.break_off()
        await rig.trade(15)
        assert listener.statuses[-1] == "live"
        assert_whole(rig, listener, ("1s",))

    run(scene)


@pytest.mark.row("W11")
def test_a_hole_that_cannot_be_filled_yet_is_asked_for_again() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X",), ("1s",))
        await rig.trade(10)
        rig.feed.backfill_faults = [FeedError("Too many requests.", retryable=True), RuntimeError("a bug of ours")]
        rig.feed.break_off()
        await rig.trade(15)
        assert rig.feed.backfill_faults == []
        assert listener.statuses == ["connecting", "live", "connecting", "live"]
        assert_whole(rig, listener, ("1s",))

    run(scene)


@pytest.mark.row("G11")
def test_a_provider_that_does_not_answer_is_tried_again_after_ten_seconds() -> None:
    async def scene(rig: Rig) -> None:
        rig.feed.mute_connect = True
        listener, _ = rig.listen()
        await rig.clock.advance(9.9)
        assert rig.feed.runs == 1
        rig.feed.mute_connect = False
        await rig.clock.advance(3)
        assert rig.feed.runs == 2
        assert listener.states[-2].reason == "No answer within 10 s."
        assert listener.statuses[-1] == "live"

    run(scene)


@pytest.mark.row("G11", "W10")
def test_fifty_flaps_make_no_storm() -> None:
    async def scene(rig: Rig) -> None:
        rig.listen()
        times = []
        for _ in range(50):
            while rig.feed.sink is None:
                await rig.clock.advance(0.5)
            times.append(rig.clock.monotonic_ns() / SECOND)
            rig.feed.break_off("Connection limit exceeded.")
            await rig.clock.advance(0.1)
        waits = [after - before for before, after in pairwise(times)]
        assert all(1.0 <= wait <= 2.7 for wait in waits[:3])
        assert all(30.0 <= wait <= 60.7 for wait in waits[10:])
        assert len({round(wait, 1) for wait in waits[10:]}) > 10  # jitter
        assert rig.stats()["reconnects"] == 50
        await rig.clock.advance(150)
        rig.feed.break_off()  # it held for more than a minute: quick again
        await rig.clock.advance(2.1)
        assert rig.feed.sink is not None

    run(scene)


def test_the_waits_grow_to_a_minute_and_stay_there() -> None:
    class Middle:
        def random(self) -> float:
            return 1.0

    waits = [Reconnect().wait_s(attempt, Middle()) for attempt in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10_000)]  # type: ignore[arg-type]
    assert waits == [2, 2, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_refusal_for_good_is_said_once_and_not_tried_again() -> None:
    async def scene(rig: Rig) -> None:
        rig.feed.refusals = [FeedError("The key is not valid any more.", retryable=False)]
        listener, _ = rig.listen()
        await rig.clock.advance(300)
        assert listener.statuses == ["connecting", "failed"]
        assert listener.states[-1].reason == "The key is not valid any more."
        assert rig.feed.runs == 1
        again, _ = rig.listen()  # the user has mended the key
        await rig.trade(3)
        assert again.statuses[-1] == "live"

    run(scene)


def test_a_bug_in_a_feed_is_logged_and_the_feed_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        rig.feed.refusals = [ZeroDivisionError("a bug")]
        listener, _ = rig.listen()
        await rig.trade(6)
        assert listener.statuses == ["connecting", "connecting", "live"]
        assert "a bug" not in listener.states[1].reason

    run(scene)
    assert "a bug" in caplog.text


def test_a_feed_that_ends_says_so_and_can_be_heard_anew() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen()
        await rig.trade(3)
        rig.feed.stop()
        await rig.clock.advance(100)
        assert listener.statuses == ["connecting", "live", "ended"]
        assert rig.feed.runs == 1

    run(scene)


# --- Silence ---------------------------------------------------------------------------------------------------------
@pytest.mark.row("W11")
def test_silence_in_an_open_market_is_seen_within_its_limit_and_mended_by_a_backfill() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X", "Y"), ("1s", "1m"))
        await rig.trade(30)
        at = rig.clock.monotonic_ns()
        while listener.statuses[-1] == "live":
            await rig.trade(0.5, heard=False)
        assert 2.0 < (rig.clock.monotonic_ns() - at) / SECOND + 0.5 <= 3.0
        state = listener.states[-1]
        assert (state.status, state.reason) == (
            "silent",
            "Nothing has come for more than 2 s although the market is open.",
        )
        assert state.last_ts == max(tick.ts for tick in listener.ticks)
        await rig.trade(20, heard=False)
        assert listener.statuses == ["connecting", "live", "silent"]
        await rig.trade(20)
        assert listener.statuses == ["connecting", "live", "silent", "live"]
        assert_whole(rig, listener, ("1s", "1m"), ("X", "Y"))
        assert rig.feed.runs == 1

    run(scene)


@pytest.mark.row("W11")
def test_who_comes_during_a_silence_is_told_and_loses_nothing() -> None:
    async def scene(rig: Rig) -> None:
        rig.listen(("X",), ("1s",))
        await rig.trade(10)
        await rig.trade(5, heard=False)
        late, _ = rig.listen(("Y",), ("1s",), since_ns=START + 2 * SECOND)
        await rig.trade(5, heard=False)
        assert late.statuses == ["silent"]
        await rig.trade(5)
        assert late.statuses == ["silent", "live"]
        assert late.bars("1s")[0].ts_open == START + 2 * SECOND
        assert_whole(rig, late, ("1s",), ("Y",))

    run(scene)


@pytest.mark.row("W11")
def test_silence_of_a_closed_market_is_no_fault() -> None:
    async def scene(rig: Rig) -> None:
        rig.open_hours = lambda calendar, at: at < START + 20 * SECOND or at >= START + 3_600 * SECOND
        listener, _ = rig.listen()
        await rig.trade(20)
        await rig.clock.advance(3_500)
        assert listener.statuses == ["connecting", "live"]
        await rig.clock.advance(90)  # open again, and nothing comes
        assert listener.statuses == ["connecting", "live", "silent"]

    run(scene)


# --- Bad listeners ---------------------------------------------------------------------------------------------------
def test_a_listener_that_raises_hurts_nobody_and_is_called_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        calls = []

        def broken(value: object) -> None:
            calls.append(value)
            raise ValueError("a bug in a session")

        rig.hub.listen(rig.key, ["X"], ["1s"], broken, broken, broken)
        listener, _ = rig.listen(("X",), ("1s",))
        await rig.trade(10)
        assert_whole(rig, listener, ("1s",))
        batches = [call for call in calls if isinstance(call, BarBatch)]
        assert len(batches) == len(listener.batches)
        assert len([call for call in calls if isinstance(call, Tick)]) == len(listener.ticks)
        assert rig.stats()["errors"] == len(calls)
        assert rig.stats()["status"] == "live"

    with caplog.at_level(logging.ERROR):
        run(scene)
    assert "a bug in a session" in caplog.text


def test_a_listener_may_close_itself_while_it_is_called() -> None:
    async def scene(rig: Rig) -> None:
        got: list[BarBatch] = []

        def once(batch: BarBatch) -> None:
            got.append(batch)
            subscription.close()

        subscription = rig.hub.listen(rig.key, ["X"], ["1s"], once, lambda state: None)
        other, _ = rig.listen(("X",), ("1s",))
        await rig.trade(10)
        assert len(got) == 1
        assert_whole(rig, other, ("1s",))

    run(scene)


def test_an_unknown_symbol_is_told_to_the_one_who_asked_for_it() -> None:
    async def scene(rig: Rig) -> None:
        good, _ = rig.listen(("X",), ("1s",))
        bad, _ = rig.listen(("X", "NOPE"), ("1s",))
        await rig.trade(5)
        assert bad.statuses[-1] == "failed"
        assert "NOPE" in bad.states[-1].reason
        assert good.statuses == ["connecting", "live"]
        assert_whole(rig, good, ("1s",))
        assert rig.feed.subscribed == {"X"}

    run(scene)


def test_a_request_that_makes_no_sense_is_refused_at_once() -> None:
    async def scene(rig: Rig) -> None:
        for symbols, frames, path in (([], ["1m"], "symbols"), (["X"], [], "timeframes"), (["X"], ["7m"], "timeframe")):
            with pytest.raises(InputError) as error:
                rig.hub.listen(rig.key, symbols, frames, print, print)
            assert error.value.faults[0].path == path
        assert rig.hub.stats() == {}

    run(scene)


def test_two_keys_are_two_feeds_whatever_the_order_of_their_options() -> None:
    assert FeedKey.of("synthetic", seed=1, ticks_per_s=2) == FeedKey.of("synthetic", ticks_per_s=2, seed=1)
    assert FeedKey.of("synthetic", seed=1) != FeedKey.of("synthetic", seed=2)
    assert FeedKey.of("synthetic", seed=1).option("seed") == 1


# --- Poison on the way -----------------------------------------------------------------------------------------------
@pytest.mark.row("W11")
def test_bad_prints_are_counted_and_reach_neither_bars_nor_listeners() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X",), ("1s",))
        await rig.trade(5, ("X",))
        sink, now = rig.feed.sink, rig.clock.now_ns()
        heard = len(listener.ticks)
        assert sink is not None
        for px in (0.0, -1.0, float("nan"), float("inf"), 1000.0):
            sink.tick(Tick("X", now, px, 1.0))
        sink.tick(Tick("X", now, 100.0, 0.0))
        sink.tick(Tick("X", now, 100.0, 1.0, bid=101.0, ask=100.0))
        sink.tick(Tick("X", now + 60 * SECOND, 100.0, 1.0))
        sink.tick(Tick("NOBODY", now, 100.0, 1.0))
        sink.tick(rig.feed.happened[-1])
        sink.tick(rig.feed.happened[0])
        assert len(listener.ticks) == heard
        await rig.trade(5, ("X",))
        assert rig.stats()["quarantined"] == {
            "price": 3,
            "out_of_range": 1,
            "jump": 1,
            "size": 1,
            "crossed_quote": 1,
            "in_the_future": 1,
        }
        assert_whole(rig, listener, ("1s",))

    run(scene)
