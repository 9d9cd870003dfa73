"""The same minute by stream, by request and by file is one minute, whoever tells it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bots.practice.clock import Clock
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from marketdata.columns import SECOND
from marketdata.feeds import FeedHub, FeedKey
from marketdata.feeds.live.alpaca import AlpacaFeed
from marketdata.feeds.live.pace import MOST_NS, Pace
from marketdata.feeds.live.places import Place
from marketdata.feeds.live.polygon import PolygonFeed
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.providers.polygon_files import PolygonFilesProvider
from marketdata.services.filling import exchange_sessions
from tests.marketdata.feed_rig import Listener, rows
from tests.marketdata.live_rig import KEY, SECRET, VenueClock, until

MORNING = datetime(2027, 3, 15, 14, 30, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("G1", "G2", "G4")
def test_a_minute_is_the_same_by_stream_by_request_and_by_file(xnys: None) -> None:
    clock = Clock()
    clock.go_to(MORNING)
    clock.run_at(30.0)
    venue = Venue([Instrument("AAPL")], clock=clock, always_open=True)
    venue.open_account(KEY, SECRET)
    with in_thread(venue) as address:
        http, ws, held = f"http://{address}", f"ws://{address}", VenueClock(clock)
        streams = {
            "alpaca": AlpacaFeed(lambda connects: Place(http, f"{ws}/v2/iex", KEY, SECRET, True), clock=held),
            "polygon": PolygonFeed(lambda connects: Place(http, f"{ws}/polygon-ws", KEY, is_practice=True), clock=held),
        }
        listeners = {name: Listener() for name in streams}

        async def scene() -> None:
            hub = FeedHub(lambda key: streams[key.provider], clock=held)
            running = asyncio.create_task(hub.run())
            for name, listener in listeners.items():
                streams[name]._pace = Pace(least_ns=MOST_NS)
                hub.listen(FeedKey.of(name), ["AAPL"], ["1m"], listener.on_bars, listener.on_state)
            await until(lambda: all(_live(listener) >= 3 for listener in listeners.values()), "three minutes of both")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(scene())
        by_stream = {
            name: {bar.ts_open: bar.values() for bar in listener.bars("1m") if not bar.backfilled}
            for name, listener in listeners.items()
        }
        minutes = sorted(set(by_stream["alpaca"]) & set(by_stream["polygon"]))
        assert len(minutes) >= 2
        clock.go_to(MORNING + timedelta(days=1, hours=3))  # the file of the day is made by then
        span = minutes[0], minutes[-1] + 60 * SECOND
        told = {
            "Alpaca by request": AlpacaProvider(http, KEY, SECRET, exchange_sessions).history("AAPL", "1m", *span),
            "Polygon by request": PolygonProvider(http, KEY, exchange_sessions).history("AAPL", "1m", *span),
            "Polygon by file": PolygonFilesProvider(http, "flatfiles", KEY, SECRET, exchange_sessions).history(
                "AAPL", "1m", *span
            ),
        }
        for name, values in by_stream.items():
            wanted = [values[minute] for minute in minutes]
            for source, bars in told.items():
                found = [row for row in rows(bars) if row[0] in minutes]
                assert found == wanted, f"{name} by stream, {source}"


def _live(listener: Listener) -> int:
    return sum(not bar.backfilled for bar in listener.bars("1m"))
