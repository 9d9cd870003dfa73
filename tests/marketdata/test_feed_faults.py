"""What goes wrong between a provider and the hub: cuts, flaps, refusals, silence, poison. No bar is lost or doubled."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from marketdata.columns import SECOND
from marketdata.feeds import FeedError, Reconnect, Subscription, Tick
from tests.marketdata.feed_rig import START, Listener, Rig, assert_whole, run


# --- Broken connections ----------------------------------------------------------------------------------------------
@pytest.mark.fault(16)
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


@pytest.mark.fault(17)
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
        await rig.trade(150)
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
@pytest.mark.fault(16)
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
        await rig.trade(12, heard=False)
        assert listener.statuses == ["connecting", "live", "silent"]
        await rig.trade(20)
        assert listener.statuses == ["connecting", "live", "silent", "live"]
        assert_whole(rig, listener, ("1s", "1m"), ("X", "Y"))
        assert rig.feed.runs == 1

    run(scene)


@pytest.mark.row("G11", "W11")
def test_a_connection_that_stays_mute_is_made_anew_and_is_live_when_prices_come() -> None:
    async def scene(rig: Rig) -> None:
        listener, _ = rig.listen(("X",), ("1s",))
        await rig.trade(10)
        await rig.trade(30, heard=False)
        assert rig.feed.runs == 2
        assert listener.statuses == ["connecting", "live", "silent", "connecting", "silent"]
        assert "connection is made anew" in listener.states[3].reason
        await rig.trade(20)
        assert listener.statuses[-1] == "live"
        assert rig.feed.runs == 2
        assert_whole(rig, listener, ("1s",))

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


# --- Poison on the way -----------------------------------------------------------------------------------------------
@pytest.mark.fault(34)
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


@pytest.mark.fault(35)
@pytest.mark.row("W11", "C15")
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_in_whatever_order_every_bar_comes_once_and_whole(seed: int) -> None:
    async def scene(rig: Rig) -> None:
        chance = random.Random(seed)
        steady, _ = rig.listen(("X", "Y"), ("1s", "1m"))
        others: list[tuple[Listener, Subscription]] = []
        await rig.trade(5)
        for _ in range(25):
            match chance.choice(["trade", "cut", "silence", "refusal", "fault", "join", "return", "leave"]):
                case "cut":
                    if rig.feed.sink is not None:
                        rig.feed.break_off()
                case "silence" if rig.stats()["status"] == "live":
                    # What was half heard before a silence is noticed has closed already; nobody could have known.
                    while rig.clock.now_ns() % SECOND or rig.clock.now_ns() % (60 * SECOND) > 55 * SECOND:
                        await rig.trade(0.5)
                    await rig.trade(chance.choice([3, 10]), heard=False)
                case "refusal":
                    rig.feed.refusals.append(FeedError("Not now.", retryable=True))
                case "fault":
                    rig.feed.backfill_faults.append(FeedError("Too many requests.", retryable=True))
                case "join":
                    others.append(rig.listen(chance.choice(["X", "Y", "XY"]), chance.choice([["1s"], ["1m", "5m"]])))
                case "return" if others:
                    listener, subscription = others.pop(chance.randrange(len(others)))
                    subscription.close()
                    await rig.trade(chance.choice([0, 2, 30]))
                    if listener.batches:
                        since = listener.batches[-1].ts_close
                        again, held = rig.listen(subscription.symbols, subscription.timeframes, since_ns=since)
                        again.batches += listener.batches
                        others.append((again, held))
                case "leave" if others:
                    others.pop(chance.randrange(len(others)))[1].close()
            await rig.trade(chance.choice([0.5, 3, 20]))
        await rig.trade(150)
        assert rig.stats()["status"] == "live"
        assert_whole(rig, steady, ("1s", "1m"), ("X", "Y"))
        for listener, subscription in others:
            frames = tuple(frame for frame in subscription.timeframes if frame != "5m")
            assert_whole(rig, listener, frames, subscription.symbols)
            assert listener.values("1m") == [v for v in listener.values("1m") if v[0] % (60 * SECOND) == 0]

    run(scene)
