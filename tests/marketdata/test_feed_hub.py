"""The hub on a real loop and a clock that the test moves: one connection for all, holes filled, faults kept apart."""

from __future__ import annotations

import logging

import pytest

from engine.errors import InputError
from marketdata.columns import SECOND
from marketdata.feeds import BarBatch, FeedKey, Tick
from tests.marketdata.feed_rig import START, Rig, assert_in_order, assert_whole, run


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
