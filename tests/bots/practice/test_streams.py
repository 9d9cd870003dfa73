"""The venue's streams through the broker's own client, and everything that can happen to a message on its way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from threading import Thread
from typing import Any

import httpx
import pytest
import requests
import websockets
from alpaca.data.enums import DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.stream import TradingStream

from bots.mapping import moment
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from marketdata.columns import SECOND
from tests.bots.practice.conftest import KEY, SECRET, Rig
from tests.bots.practice.test_trading import limit, market

PATIENCE_S = 20.0


def until(holds: Callable[[], Any], what: str) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends, f"waited for {what}"
        time.sleep(0.02)


@contextmanager
def updates(rig: Rig) -> Iterator[list[Any]]:
    """What alpaca-py's TradingStream hears, while the block runs."""
    heard: list[Any] = []
    stream = TradingStream(KEY, SECRET, url_override=f"ws://{rig.address}/stream")

    async def take(update: Any) -> None:
        heard.append(update)

    stream.subscribe_trade_updates(take)
    thread = Thread(target=stream.run, daemon=True)
    thread.start()
    until(lambda: rig.venue.updates._listening, "the stream to listen")
    try:
        yield heard
    finally:
        stream.stop()
        thread.join(10)


def test_each_event_of_an_order_is_told_once_and_in_order(rig: Rig) -> None:
    with updates(rig) as heard:
        rig.client().submit_order(limit(10, 99.5, client_order_id="told"))
        rig.price("99.45", "99.50", "99.48", ask_size="4")
        rig.price("99.45", "99.50", "99.48")
        until(lambda: len(heard) == 3, "three events")
    assert [str(getattr(u.event, "value", u.event)) for u in heard] == ["new", "partial_fill", "fill"]
    assert [(u.qty, u.price, u.position_qty) for u in heard[1:]] == [(4.0, 99.5, 4.0), (6.0, 99.5, 10.0)]
    assert len({u.execution_id for u in heard}) == 3
    assert heard[-1].order.filled_qty == "10"


def test_messages_are_lost_doubled_and_turned_round_on_demand(rig: Rig) -> None:
    client = rig.client()
    with updates(rig) as heard:
        rig.control("faults", stream="trade_updates", kind="lose")
        client.submit_order(limit(1, 90))  # its "new" is lost
        rig.control("faults", stream="trade_updates", kind="duplicate")
        client.submit_order(limit(1, 91))
        until(lambda: len(heard) == 2, "the doubled message")
        assert heard[0].order.id == heard[1].order.id
        rig.control("faults", stream="trade_updates", kind="swap")
        client.submit_order(market(1, client_order_id="swapped"))
        until(lambda: len(heard) == 4, "the swapped messages")
    assert [str(getattr(u.event, "value", u.event)) for u in heard[2:]] == ["fill", "new"]


def test_a_cut_stream_comes_back_and_what_was_missed_stays_missed(rig: Rig) -> None:
    client = rig.client()
    with updates(rig) as heard:
        rig.control("faults", stream="trade_updates", kind="drop")
        client.submit_order(market(1))
        until(lambda: not rig.venue.updates._listening, "the cut")
        until(lambda: rig.venue.updates._listening, "the client to come back")
        client.submit_order(market(2))
        until(lambda: len(heard) >= 2, "what comes after")
    assert {u.order.qty for u in heard} == {"2"}, "nothing is replayed after a gap"
    assert rig.ledger()["positions"] == {"AAPL": "3"}, "but it happened"


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_an_answer_that_fails_leaves_open_whether_there_is_an_order(rig: Rig, when: str, orders: int) -> None:
    rig.control("faults", kind="status", status=503, method="POST", path="/v2/orders", when=when, times=1)
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    signed = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    answer = httpx.post(f"http://{rig.address}/v2/orders", json={**body, "client_order_id": "x"}, headers=signed)
    assert answer.status_code == 503
    assert len(rig.ledger()["orders"]) == orders


def test_connections_are_dropped_answers_cut_short_and_late(rig: Rig) -> None:
    url, signed = f"http://{rig.address}/v2/account", {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    rig.control("faults", kind="drop", path="/v2/account", when="after")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url, headers=signed)
    rig.control("faults", kind="truncate", path="/v2/account")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        requests.get(url, headers=signed, timeout=5)
    rig.control("faults", kind="delay", delay_s=0.6, path="/v2/account")
    began = time.monotonic()
    assert httpx.get(url, headers=signed).status_code == 200
    assert time.monotonic() - began >= 0.6
    assert httpx.get(url, headers=signed).status_code == 200, "the script is used up"


def test_a_faulty_script_is_refused_with_the_reason(rig: Rig) -> None:
    url = f"http://{rig.address}/practice/faults"
    for body, part in (({"kind": "explode"}, "There is no such fault"), ({"kind": "drop", "wen": 1}, "no such field")):
        answer = httpx.post(url, json=body)
        assert answer.status_code == 400
        assert part in answer.json()["message"]


@pytest.fixture
def lively() -> Iterator[tuple[Venue, str]]:
    """A venue whose market is made up and runs by itself, at a minute of its own a second."""
    venue = Venue([Instrument("SIM-ALPHA"), Instrument("SIM-BETA")], always_open=True)
    venue.open_account(KEY, SECRET, Decimal(100_000))
    with in_thread(venue) as address:
        yield venue, address


def test_bars_of_the_stream_are_those_of_the_history(lively: tuple[Venue, str]) -> None:
    venue, address = lively
    heard: list[Any] = []
    stream = StockDataStream(KEY, SECRET, feed=DataFeed.IEX, url_override=f"ws://{address}/v2/iex")

    async def take(bar: Any) -> None:
        heard.append(bar)

    stream.subscribe_bars(take, "SIM-ALPHA")
    thread = Thread(target=stream.run, daemon=True)
    thread.start()
    until(lambda: any(client.wants["bars"] for client in venue.stream.clients), "the subscription")
    httpx.post(f"http://{address}/practice/clock", json={"speed": 60})
    until(lambda: len(heard) >= 4, "four minute bars")
    stream.stop()
    thread.join(10)
    history = StockHistoricalDataClient(KEY, SECRET, url_override=f"http://{address}")
    asked = StockBarsRequest(
        symbol_or_symbols=["SIM-ALPHA"], timeframe=TimeFrame.Minute, start=heard[1].timestamp, end=heard[3].timestamp
    )
    told = history.get_stock_bars(asked)["SIM-ALPHA"]
    figures = [(b.timestamp, b.open, b.high, b.low, b.close, b.volume) for b in told]
    assert figures == [(b.timestamp, b.open, b.high, b.low, b.close, b.volume) for b in heard[1:4]]


def test_history_comes_in_pages_over_all_symbols(lively: tuple[Venue, str]) -> None:
    venue, address = lively
    end = venue.now_ns() // (60 * SECOND) * 60 * SECOND - 60 * SECOND
    start = end - 9 * 60 * SECOND
    signed = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    query = {
        "symbols": "SIM-ALPHA,SIM-BETA", "timeframe": "1Min", "start": moment(start).isoformat(),
        "end": moment(end).isoformat(), "limit": "7",
    }  # fmt: skip
    seen: dict[str, list[str]] = {}
    pages = 0
    token = None
    while pages == 0 or token:
        asked = query | ({"page_token": token} if token else {})
        page = httpx.get(f"http://{address}/v2/stocks/bars", params=asked, headers=signed).json()
        assert sum(map(len, page["bars"].values())) <= 7
        for symbol, bars in page["bars"].items():
            seen.setdefault(symbol, []).extend(bar["t"] for bar in bars)
        token, pages = page["next_page_token"], pages + 1
    assert pages == 3
    assert {symbol: len(set(times)) for symbol, times in seen.items()} == {"SIM-ALPHA": 10, "SIM-BETA": 10}


def test_the_data_stream_lets_one_connection_in_and_says_what_it_does_not_understand(
    lively: tuple[Venue, str],
) -> None:
    _, address = lively

    async def talk() -> list[Any]:
        said = []
        async with websockets.connect(f"ws://{address}/v2/iex") as first, websockets.connect(
            f"ws://{address}/v2/iex"
        ) as second:  # fmt: skip
            for client, messages in (
                (first, [{"action": "subscribe", "bars": ["A"]}, "{", {"action": "auth", "key": KEY, "secret": "no"},
                         {"action": "auth", "key": KEY, "secret": SECRET}]),
                (second, [{"action": "auth", "key": KEY, "secret": SECRET}]),
            ):  # fmt: skip
                await client.recv()
                for message in messages:
                    await client.send(message if isinstance(message, str) else json.dumps(message))
                    [answer] = json.loads(await client.recv())
                    said.append(answer.get("code") or answer["msg"])
        return said

    assert asyncio.run(talk()) == [401, 400, 402, "authenticated", 406]
