"""One contract for every feed of a vendor: real client libraries, real sockets, the practice venue's market.

What the market makes up can be worked out here, too, so each bar is compared with what was traded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from marketdata.columns import SECOND
from marketdata.feeds import BarBatch, FeedKey, LastQuotes, Tick
from tests.marketdata.feed_rig import Listener
from tests.marketdata.live_rig import KEY, SECRET, VENDORS, Live, live, play, reasons, until


@pytest.fixture(params=VENDORS)
def made(request: pytest.FixtureRequest) -> Iterator[Live]:
    with live(request.param) as rig:
        yield rig


def heard_minutes(listener: Listener, count: int) -> bool:
    return len(listener.bars("1m")) >= count


@pytest.mark.row("G1", "G4", "G6", "G16", "G17")
def test_bars_are_exactly_what_was_traded_and_trades_make_quotes_and_second_candles(made: Live) -> None:
    hub = made.hub()
    listener, _ = made.listen(hub, timeframes=("1m", "5m"))
    quotes = LastQuotes(lambda: listener.ticks[-1].ts)

    async def scene() -> None:
        await until(lambda: len(listener.bars("5m")) >= 4, "two bars of five minutes of both")
        for tick in listener.ticks:
            quotes.tick(tick)
        shown = quotes.get_market_data(made.symbols[0])
        assert shown is not None
        assert shown.price > 0
        assert shown.volume > 0
        assert len(quotes.candles(made.symbols[0])) > 20, "seconds of the last minute"

    play(made, scene)
    made.assert_whole(listener, ("1m", "5m"))
    assert listener.statuses == ["connecting", "live"]
    together = [batch for batch in listener.batches if not batch.late and batch.of("1m")]
    assert all(len(batch.of("1m")) == 2 for batch in together), "bars of one instant come in one batch"
    assert made.feeds[0].refused == {}
    stats = hub.stats()[FeedKey.of(made.vendor)]
    assert (stats["quarantined"], stats["errors"]) == ({}, 0)
    assert stats["ticks"] > 100


@pytest.mark.row("W10")
def test_two_sessions_share_one_connection_and_one_subscription(made: Live) -> None:
    hub = made.hub()
    first, one = made.listen(hub, made.symbols[:1])
    second, two = made.listen(hub, made.symbols)

    def connections() -> int:
        streams = {"polygon": made.venue.polygon.clients, "binance": made.venue.pairs.clients}
        return len(streams.get(made.vendor, made.venue.stream.clients))

    async def scene() -> None:
        await until(lambda: heard_minutes(second, 4), "two minutes")
        assert connections() == 1
        assert hub.stats()[FeedKey.of(made.vendor)]["subscriptions"] == 2
        two.close()
        heard = len(first.bars("1m"))
        await until(lambda: heard_minutes(first, heard + 2), "more minutes for who stays")
        assert hub.stats()[FeedKey.of(made.vendor)]["subscriptions"] == 1
        await until(lambda: _wanted(made) == {made.market(made.symbols[0])}, "the venue to be asked for one only")
        one.close()
        await until(lambda: connections() == 0, "nobody to be connected")

    play(made, scene)


def _wanted(made: Live) -> set[str]:
    """The symbols that the venue is asked for, as its market calls them."""
    if made.vendor == "polygon":
        return {topic.partition(".")[2] for _, topics in made.venue.polygon.clients.values() for topic in topics}
    if made.vendor == "binance":
        names = {name.partition("@")[0] for client in made.venue.pairs.clients.values() for name in client.streams}
        return {name.upper().replace("USDT", "/USDT") for name in names}
    return {name for client in made.venue.stream.clients for names in client.wants.values() for name in names}


@pytest.mark.row("G11", "W11")
def test_after_a_cut_it_comes_back_and_no_bar_is_lost_or_doubled(made: Live) -> None:
    hub = made.hub()
    listener, _ = made.listen(hub, timeframes=("1m", "5m"))

    async def scene() -> None:
        await until(lambda: heard_minutes(listener, 2), "a minute")
        for _ in range(2):
            held = len(listener.bars("1m"))
            made.control("faults", stream=made.stream, kind="drop")
            await until(lambda: heard_minutes(listener, held + 4), "minutes after the cut")  # noqa: B023

    play(made, scene)
    made.assert_whole(listener)
    assert listener.statuses.count("live") == 3
    assert all("is lost" in reason or "hung up" in reason for reason in reasons(listener.states))


@pytest.mark.row("G11", "W11")
def test_messages_that_are_lost_doubled_or_turned_round_change_no_bar(made: Live) -> None:
    hub = made.hub()
    listener, _ = made.listen(hub)

    async def scene() -> None:
        await until(lambda: heard_minutes(listener, 2), "a minute")
        for kind in ("lose", "duplicate", "swap"):
            held = len(listener.bars("1m"))
            made.control("faults", stream=made.stream, kind=kind, times=200)
            await until(lambda: heard_minutes(listener, held + 2), f"a minute in which it was {kind}")  # noqa: B023
        await until(lambda: not made.venue.faults.streams, "the faults to be used up")
        held = len(listener.bars("1m"))
        await until(lambda: heard_minutes(listener, held + 4), "two minutes after that")

    play(made, scene)
    made.assert_whole(listener)


@pytest.mark.row("G11")
def test_a_wrong_key_is_said_once_in_plain_words_and_not_tried_again(made: Live) -> None:
    if made.vendor == "binance":
        pytest.skip("its prices are public: there is no key")
    hub = made.hub(key="OTHERKEY", secret="other-secret")
    listener, _ = made.listen(hub)

    async def scene() -> None:
        await until(lambda: listener.statuses[-1] == "failed", "the refusal")

    play(made, scene)
    assert listener.statuses == ["connecting", "failed"]
    assert "refuses the key" in listener.states[-1].reason
    assert "OTHERKEY" not in str(listener.states)


@pytest.mark.row("G11", "W10")
def test_a_second_connection_is_refused_in_plain_words_without_a_storm(made: Live, settings: Any) -> None:
    if made.vendor == "binance":
        pytest.skip("it takes any number of connections")
    settings.REDIS_URL = "redis://127.0.0.1:1"  # so that nobody but the vendor says it
    first, second = made.hub(), made.hub()
    served, subscription = made.listen(first)

    async def scene() -> None:
        await until(lambda: heard_minutes(served, 2), "the first to be served")
        refused, _ = made.listen(second)
        await until(lambda: len(reasons(refused.states)) >= 4, "some refusals")
        assert all("another program has it" in reason for reason in reasons(refused.states))
        assert "live" not in refused.statuses
        waits = [(b.since - a.since) / SECOND for a, b in zip(refused.states[1:], refused.states[2:], strict=False)]
        assert all(wait > 1.0 for wait in waits), waits
        subscription.close()
        await until(lambda: refused.statuses[-1] == "live", "the second to take its place")

    play(made, scene)


@pytest.mark.row("G11")
def test_a_stream_that_flaps_is_asked_ever_more_rarely(made: Live) -> None:
    hub = made.hub()
    listener, _ = made.listen(hub)

    async def scene() -> None:
        await until(lambda: listener.statuses[-1] == "live", "the connection")
        made.control("faults", stream=made.stream, kind="drop", times=1_000)
        began = made.venue.now_ns()
        await until(lambda: made.venue.now_ns() - began > 120 * SECOND, "two minutes of flaps")
        assert 3 <= hub.stats()[FeedKey.of(made.vendor)]["reconnects"] <= 16
        made.venue.faults.clear()
        held = len(listener.bars("1m"))
        await until(lambda: heard_minutes(listener, held + 2), "bars again")

    play(made, scene)
    made.assert_whole(listener)


@pytest.mark.row("W11")
def test_a_listener_that_raises_harms_nobody(made: Live) -> None:
    hub = made.hub()

    def broken(batch: BarBatch) -> None:
        raise ZeroDivisionError("a bug of a session")

    listener, _ = made.listen(hub)
    states = Listener()
    hub.listen(FeedKey.of(made.vendor), made.symbols, ("1m",), broken, states.on_state)

    async def scene() -> None:
        await until(lambda: heard_minutes(listener, 6), "three minutes")

    play(made, scene)
    made.assert_whole(listener)
    assert hub.stats()[FeedKey.of(made.vendor)]["errors"] >= 2
    assert listener.statuses == ["connecting", "live"]


@pytest.mark.row("W11")
def test_a_bug_of_ours_in_a_handler_is_logged_and_costs_no_bar(made: Live, caplog: pytest.LogCaptureFixture) -> None:
    hub = made.hub()
    listener, _ = made.listen(hub)
    feed = made.feeds[0]
    taken, bugs = feed.trade, iter([True])

    def trade(tick: Tick) -> None:
        if len(listener.bars("1m")) >= 2 and next(bugs, False):
            raise ZeroDivisionError("a bug of ours")
        taken(tick)

    feed.trade = trade  # type: ignore[method-assign]

    async def scene() -> None:
        await until(lambda: "a bug of ours" in caplog.text, "the bug")
        held = len(listener.bars("1m"))
        await until(lambda: heard_minutes(listener, held + 4), "minutes after it")

    play(made, scene)
    made.assert_whole(listener)
    assert "a bug of ours" not in str(listener.states)


@pytest.mark.row("W11")
@pytest.mark.parametrize("vendor", ["alpaca", "polygon", "binance"])
def test_a_mute_stream_is_silent_within_seconds_and_mended_without_a_hole(vendor: str) -> None:
    """At the pace of this machine: a lively stream is missed after twice its longest pause, two seconds at least."""
    with live(vendor, speed=1.0) as made:
        hub = made.hub()
        listener, _ = made.listen(hub, timeframes=("1m",))

        async def scene() -> None:
            await until(lambda: len(listener.ticks) > 20 and listener.statuses[-1] == "live", "a lively stream")
            limit_s = (made.feeds[0].silence_ns or 0) / SECOND
            assert 2.0 <= limit_s <= 4.0
            made.control("faults", stream=made.stream, kind="mute", seconds=limit_s + 2.0)
            quiet = made.venue.now_ns()
            await until(lambda: listener.statuses[-1] == "silent", "the silence to be noticed")
            assert (made.venue.now_ns() - quiet) / SECOND <= limit_s + 1.0
            assert "although the market is open" in listener.states[-1].reason
            await until(lambda: listener.statuses[-1] == "live", "prices again")

        play(made, scene)
    assert SECRET not in str(listener.states) + str(hub.stats())
    assert KEY not in str(listener.states)
