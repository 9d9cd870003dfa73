"""What only some streams tell: late corrections, halts, too many symbols, a server that goes down, poison, seconds."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from bots.practice.clock import Clock
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from marketdata.columns import DAY, SECOND, BarColumns
from marketdata.feeds import ClosedBar, FeedError, FeedHub, FeedKey, open_feed, synthetic, warmup
from marketdata.feeds.live import lease
from marketdata.feeds.live.alpaca import AlpacaFeed
from marketdata.feeds.live.pace import LEAST_NS, MOST_NS, Pace
from marketdata.feeds.live.places import Place
from marketdata.feeds.live.polygon import PolygonFeed
from marketdata.models import Coverage
from marketdata.services import corrections, series
from marketdata.services.filling import ensure_instrument
from marketdata.zones import from_ns, to_ns
from tests.accounts.factories import BrokerAccountFactory
from tests.marketdata.feed_rig import Listener, rows
from tests.marketdata.live_rig import KEY, SECRET, VenueClock, live, play, reasons, until

MINUTE = 60 * SECOND


# --- Corrections, halts, refusals ------------------------------------------------------------------------------------
@pytest.mark.row("G4", "G12", "W11")
@pytest.mark.parametrize("vendor", ["alpaca", "polygon"])
def test_a_bar_that_is_corrected_late_closes_once_and_history_has_the_new_one(vendor: str) -> None:
    with live(vendor) as made:
        hub = made.hub()
        listener, _ = made.listen(hub)

        async def scene() -> None:
            await until(lambda: len(listener.bars("1m")) >= 4, "two minutes")
            told = listener.bars("1m", "SIM-ALPHA")[0]
            made.control("corrections", symbol="SIM-ALPHA", at=from_ns(told.ts_open).isoformat(), volume=1.0)
            await until(lambda: len(listener.bars("1m")) >= 8, "two more minutes")
            again = await made.feeds[0].backfill("SIM-ALPHA", "1m", told.ts_open, told.ts_close)
            assert again.volume.tolist() == [1.0]
            stats = hub.stats()[FeedKey.of(vendor)]
            assert stats["corrected"] + stats["late"] + stats["duplicate"] >= 1

        play(made, scene)
        made.assert_whole(listener)  # what was decided on stays what it was


@pytest.mark.django_db
@pytest.mark.row("G9", "W11")
def test_a_correction_is_written_over_what_is_stored_and_makes_no_new_series() -> None:
    instrument = ensure_instrument("alpaca", "AAPL")
    start = to_ns(datetime(2026, 3, 9, 14, tzinfo=UTC))
    bar = ClosedBar("AAPL", "1m", start, start + MINUTE, 10.0, 12.0, 9.0, 11.0, 500.0, 0)
    assert not corrections.apply("alpaca", bar), "what is not stored comes corrected when it is asked for"
    assert not Coverage.objects.exists()
    ts = start + MINUTE * np.arange(3)
    flat = [np.full(3, value) for value in (10.0, 11.0, 9.5, 10.5, 100.0)]
    series.put(instrument, "1m", BarColumns(ts, *flat), (start, start + DAY))
    assert corrections.apply("alpaca", bar)
    stored = Coverage.objects.get()
    assert stored.bars == 3
    assert rows(_stored(stored))[0] == bar.values()


def _stored(row: Coverage) -> BarColumns:
    from marketdata.selectors import stored_bars

    return stored_bars(row, 0, 1 << 61)


@pytest.mark.row("G12", "W11", "F31")
@pytest.mark.parametrize(
    ("vendor", "reason"),
    [("alpaca", "Volatility Trading Pause"), ("polygon", "Trading halt"), ("binance", "Binance says BREAK")],
)
def test_a_halt_is_told_to_those_who_listen_to_the_symbol(vendor: str, reason: str) -> None:
    with live(vendor) as made:
        hub = made.hub()
        symbol = made.symbols[0]
        listener, subscription = made.listen(hub, (symbol,))

        async def scene() -> None:
            await until(lambda: listener.bars("1m"), "the vendor to have heard what is wanted")
            told = len(listener.states)
            made.control("halts", symbol=made.market(symbol), halted=True)
            await until(lambda: subscription.halts, "the halt")
            assert subscription.halts == {symbol: reason}
            assert len(listener.states) > told
            made.control("halts", symbol=made.market(symbol), halted=False)
            await until(lambda: not subscription.halts, "the end of it")

        play(made, scene)


@pytest.mark.row("W10")
def test_symbols_beyond_the_plan_are_refused_and_the_others_go_on() -> None:
    with live("alpaca") as made:
        hub = made.hub()
        listener, _ = made.listen(hub, ("SIM-ALPHA",))
        refused = Listener()

        async def scene() -> None:
            await until(lambda: len(listener.bars("1m")) >= 1, "a minute")
            client = made.venue.stream.clients[0]
            made.feeds[0]._given = {"SIM-ALPHA"}  # type: ignore[attr-defined]
            hub.listen(FeedKey.of("alpaca"), ["SIM-BETA"], ["1m"], refused.on_bars, refused.on_state)
            await until(lambda: refused.statuses == ["live"] or len(refused.states) > 1, "it to be asked for")
            made.feeds[0]._given = {"SIM-ALPHA"}  # type: ignore[attr-defined]
            client.connection.say(client.frame([{"T": "error", "code": 405, "msg": "symbol limit exceeded"}]))
            await until(lambda: refused.statuses[-1] == "failed", "the refusal")
            held = len(listener.bars("1m"))
            await until(lambda: len(listener.bars("1m")) > held, "the other's next minute")

        play(made, scene)
        assert "allows no more symbols" in refused.states[-1].reason
        assert listener.statuses[-1] == "live"


@pytest.mark.row("G6", "G11")
def test_a_server_that_goes_down_is_left_for_the_next() -> None:
    with live("binance") as made:
        hub = made.hub()
        listener, _ = made.listen(hub)

        async def scene() -> None:
            await until(lambda: len(listener.bars("1m")) >= 2, "a minute")
            made.control("shutdowns")
            await until(lambda: listener.statuses.count("live") == 2, "the next connection")
            held = len(listener.bars("1m"))
            await until(lambda: len(listener.bars("1m")) >= held + 4, "minutes after it")

        play(made, scene)
        assert any("goes down" in reason for reason in reasons(listener.states))
        made.assert_whole(listener)


@pytest.mark.row("G6", "G16")
def test_a_session_on_seconds_gets_every_second_of_binance() -> None:
    with live("binance", speed=3.0) as made:
        hub = made.hub(candles="1s")
        listener, _ = made.listen(hub, timeframes=("1s",))

        async def scene() -> None:
            await until(lambda: len(listener.bars("1s")) >= 40, "twenty seconds of both")

        play(made, scene)
        made.assert_whole(listener, ("1s",))


@pytest.mark.row("W11", "G12")
def test_poison_among_the_messages_moves_no_bar_and_takes_nothing_with_it() -> None:
    with live("alpaca") as made:
        hub = made.hub()
        listener, _ = made.listen(hub)

        def say(channel: str, **fields: Any) -> None:
            made.venue.stream._send(channel, "SIM-ALPHA", {"S": "SIM-ALPHA", "t": made.venue.clock.now(), **fields})

        async def scene() -> None:
            await until(lambda: len(listener.ticks) > 10, "trades")
            px = listener.ticks[-1].px
            trade = {"T": "t", "i": 0, "x": "V", "s": 1, "c": [], "z": "A"}
            for bad in (0.0, -1.0, float("nan"), float("inf"), px * 10, "text", None):
                say("trades", **trade | {"p": bad})
            say("quotes", T="q", bp=px, ap=px - 1, bs=1, **{"as": 1})
            bar = {"T": "b", "o": px, "h": px - 1, "l": px, "c": px, "v": 1}
            say("bars", **bar)
            say("bars", **bar | {"h": float("nan")})
            held = len(listener.bars("1m"))
            await until(lambda: len(listener.bars("1m")) >= held + 4, "two minutes")

        play(made, scene)
        quarantined = hub.stats()[FeedKey.of("alpaca")]["quarantined"]
        assert quarantined["price"] >= 2
        assert quarantined["jump"] >= 1
        assert sum(made.feeds[0].refused.values()) >= 4
        assert max(tick.px for tick in listener.ticks) < 5 * min(tick.px for tick in listener.ticks if tick.px > 0)
        made.assert_whole(listener)


def test_a_frame_that_is_none_is_counted() -> None:
    async def scene() -> None:
        feed = PolygonFeed(lambda connects: Place("", "ws://x"))
        for frame in ("{", "[1]", '[{"ev":"T","sym":"A","t":"x"}]', '[{"ev":"AM","sym":"A","s":1,"o":NaN}]'):
            await feed._read(frame)
        assert sum(feed.refused.values()) == 4
        with pytest.raises(FeedError, match="another program has it"):
            await feed._read('[{"ev":"status","status":"max_connections","message":"Maximum number"}]')
        assert json.loads("[]") == []

    asyncio.run(scene())


# --- Regular hours ---------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.row("G1", "G4", "G15")
@pytest.mark.parametrize("vendor", ["alpaca", "polygon"])
def test_bars_begin_with_the_bell_as_in_history(vendor: str, xnys: None) -> None:
    clock = Clock()
    bell = datetime(2027, 3, 15, 13, 30, tzinfo=UTC)  # the day after the clocks changed in New York
    clock.go_to(bell - timedelta(minutes=3))
    clock.run_at(30.0)
    venue = Venue([Instrument("AAPL")], clock=clock, always_open=True)
    venue.open_account(KEY, SECRET)
    listener = Listener()
    with in_thread(venue) as address:
        held = VenueClock(clock)
        paths = {"alpaca": "/v2/iex", "polygon": "/polygon-ws"}
        place = Place(f"http://{address}", f"ws://{address}{paths[vendor]}", KEY, SECRET, is_practice=True)
        feed = (AlpacaFeed if vendor == "alpaca" else PolygonFeed)(lambda connects: place, clock=held)
        feed._pace = Pace(least_ns=MOST_NS)
        hub = FeedHub(lambda key: feed, clock=held)

        async def scene() -> None:
            running = asyncio.create_task(hub.run())
            hub.listen(FeedKey.of(vendor), ["AAPL"], ["1m"], listener.on_bars, listener.on_state, listener.on_tick)
            await until(lambda: len(listener.bars("1m")) >= 2, "two minutes after the bell")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(scene())
        first = listener.bars("1m")[0]
        assert first.ts_open == to_ns(bell)
        assert listener.ticks[0].ts < first.ts_open, "trades before the bell are prices to look at"
        assert listener.values("1m")[:2] == rows(
            synthetic.history("AAPL", "1m", first.ts_open, first.ts_open + 2 * MINUTE)
        )
        hours = feed.history("AAPL", "1h", 5, to_ns(bell))
        assert len(hours) == 5
        assert from_ns(int(hours.ts[-1])) == datetime(2027, 3, 12, 20, 30, tzinfo=UTC), "Friday's last half hour"


# --- Keys ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.row("G4", "W10")
def test_a_practice_account_hears_the_practice_venue_and_its_history(settings: Any) -> None:
    with live("alpaca", speed=1.0) as made:
        settings.PRACTICE_VENUE_URL = f"http://{made.address}"
        account = BrokerAccountFactory(api_key=KEY, api_secret=SECRET)
        key = FeedKey.of("alpaca", account=account.pk, market="stocks")
        listener = Listener()
        hub = FeedHub(open_feed)

        async def scene() -> None:
            running = asyncio.create_task(hub.run())
            hub.listen(key, ["SIM-ALPHA"], ["1m"], listener.on_bars, listener.on_state, listener.on_tick)
            await until(lambda: len(listener.ticks) > 3, "prices")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(scene())
        assert listener.statuses == ["connecting", "live"]
        now = made.venue.now_ns()
        for timeframe, length in (("1m", MINUTE), ("1h", 60 * MINUTE), ("1d", DAY)):
            bars = warmup(key, "SIM-ALPHA", timeframe, 30, now)
            end = int(bars.ts[-1]) + length
            assert now - 2 * length < end <= now  # a day of the venue ends at midnight in New York
            assert rows(bars) == rows(synthetic.history("SIM-ALPHA", timeframe, end - 30 * length, end))
        account.state, account.closed_at = "CLOSED", datetime.now(UTC)
        account.save()
        with pytest.raises(FeedError, match="is not in use") as error:
            warmup(key, "SIM-ALPHA", "1m", 5, now)
        assert not error.value.retryable
        assert SECRET not in repr(key) + str(listener.states)
        assert KEY not in repr(Place("http://x", "ws://x", KEY, SECRET))


def test_one_process_at_a_time_holds_the_stream_of_a_key() -> None:
    async def scene() -> None:
        key = f"LEASE{date.today()}{id(scene)}"
        async with lease.held("vendor:ws://x", key):
            with pytest.raises(FeedError) as error:
                async with lease.held("vendor:ws://x", key):
                    raise AssertionError("two at once")
            assert error.value.retryable
            assert "Another process" in error.value.message
            async with lease.held("vendor:ws://x", "another key"), lease.held("vendor:ws://x", ""):
                pass
        async with lease.held("vendor:ws://x", key):
            pass

    asyncio.run(scene())


# --- Pace ------------------------------------------------------------------------------------------------------------
def test_how_long_silence_is_normal_is_learned_from_the_stream() -> None:
    lively, slow, now = Pace(), Pace(), SECOND
    for _ in range(300):
        now += SECOND // 4
        lively.beat(now)
    assert lively.limit_ns == LEAST_NS
    lively.beat(now + 3600 * SECOND)
    assert lively.limit_ns == 2 * LEAST_NS, "a night does not make it deaf"
    for minute in range(20):
        slow.beat((minute + 1) * 25 * SECOND)
    assert slow.limit_ns == 50 * SECOND
    for minute in range(20):
        slow.beat((30 + 10 * minute) * MINUTE)
    assert slow.limit_ns == MOST_NS


def test_prices_of_the_venue_are_in_cents() -> None:
    """What the venue says as Decimal and as float is the same price, or its stream and its orders would differ."""
    for value in synthetic.history("SIM-ALPHA", "1m", 0, 10 * MINUTE).close.tolist():
        assert float(Decimal(repr(value)).quantize(Decimal("0.01"))) == value
