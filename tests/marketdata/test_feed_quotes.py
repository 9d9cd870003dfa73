"""The quote board: the latest price with its quote, its change and its liveliness, and never an old one."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from marketdata.columns import SECOND
from marketdata.feeds import ClosedBar, FeedHub, FeedKey, LastQuotes, Tick
from marketdata.feeds.quotes import Candle
from marketdata.feeds.synthetic import SyntheticFeed
from tests.marketdata.feed_rig import START, HeldClock, Listener


def tick(at_s: float, px: float, size: float = 1.0, **quote: float) -> Tick:
    return Tick("X", START + round(at_s * SECOND), px, size, **quote)


class Board:
    """A board and the time on it."""

    def __init__(self) -> None:
        self.now = START
        self.quotes = LastQuotes(lambda: self.now)

    def at(self, seconds: float) -> LastQuotes:
        self.now = START + round(seconds * SECOND)
        return self.quotes


@pytest.mark.row("G17")
def test_a_quote_has_price_time_volume_change_bid_ask_and_volatility() -> None:
    board = Board()
    board.quotes.set_reference("X", 80.0)
    for i, px in enumerate((100.0, 101.0, 99.5, 100.0)):
        board.quotes.tick(tick(i + 0.5, px, 2.0, bid=px - 0.01, ask=px + 0.01))
    data = board.at(4).get_market_data("X")
    assert data is not None
    assert (data.symbol, data.price, data.ts, data.volume) == ("X", 100.0, START + round(3.5 * SECOND), 8.0)
    assert (data.bid, data.ask, data.change_pct, data.market_cap) == (99.99, 100.01, 25.0, None)
    closes = np.array([100.0, 101.0, 99.5, 100.0])
    assert data.volatility_ratio == pytest.approx(np.std(closes[1:] / closes[:-1] - 1, ddof=1), rel=1e-12)
    assert board.quotes.get_market_data("Y") is None


@pytest.mark.row("G17")
def test_what_the_feed_does_not_give_is_none_and_not_a_number_made_up() -> None:
    board = Board()
    board.quotes.tick(tick(0, 100.0))
    data = board.at(1).get_market_data("X")
    assert data is not None
    assert (data.bid, data.ask, data.change_pct, data.volatility_ratio) == (None, None, None, None)
    board.quotes.set_reference("Y", 50.0)
    assert board.quotes.get_market_data("Y") is None  # a reference is no price


@pytest.mark.row("G10")
def test_a_quote_lives_for_sixty_seconds() -> None:
    board = Board()
    board.quotes.tick(tick(0, 100.0))
    assert board.at(60).get_market_data("X") is not None
    assert board.quotes.symbols() == ["X"]
    assert board.at(60.001).get_market_data("X") is None
    assert board.quotes.symbols() == []
    board.quotes.tick(tick(61, 101.0))
    assert board.at(61).get_market_data("X").price == 101.0  # type: ignore[union-attr]


@pytest.mark.row("G16")
def test_one_second_candles_of_the_last_minute_and_no_more() -> None:
    board = Board()
    for tenth in range(2_000):
        board.quotes.tick(tick(tenth / 10, 100 + math.sin(tenth), 1.0))
        if tenth % 500 == 499:
            held = board.at(tenth / 10).candles("X")
            assert len(held) <= 60
            assert [c.ts for c in held] == [held[0].ts + i * SECOND for i in range(len(held))]
    held = board.at(200).candles("X")
    assert (held[0].ts, held[-1].ts) == (START + 141 * SECOND, START + 199 * SECOND)
    prices = [100 + math.sin(tenth) for tenth in range(1_990, 2_000)]
    assert held[-1] == Candle(START + 199 * SECOND, prices[0], max(prices), min(prices), prices[-1], 10.0)
    assert board.at(500).candles("X") == []
    assert board.quotes.candles("Y") == []


def test_an_older_print_adds_its_volume_and_changes_no_price() -> None:
    board = Board()
    board.quotes.tick(tick(1.0, 100.0, bid=99.0, ask=101.0))
    board.quotes.tick(tick(0.4, 90.0, 5.0, bid=89.0, ask=91.0))
    board.quotes.tick(tick(1.2, 102.0))
    data = board.at(2).get_market_data("X")
    assert data is not None
    assert (data.price, data.volume, data.bid) == (102.0, 7.0, 99.0)
    assert [c.low for c in board.quotes.candles("X")] == [100.0]


def test_a_bar_gives_the_price_at_its_end() -> None:
    board = Board()
    minute = 60 * SECOND
    board.quotes.bar(ClosedBar("X", "1m", START, START + minute, 1.0, 4.0, 0.5, 3.0, 10.0, 0))
    board.quotes.bar(ClosedBar("X", "1m", START - minute, START, 1.0, 4.0, 0.5, 2.0, 10.0, 0))
    data = board.at(61).get_market_data("X")
    assert data is not None
    assert (data.price, data.ts, data.volatility_ratio) == (3.0, START + minute, None)


@pytest.mark.row("G10", "G16", "G17")
def test_on_a_live_feed_the_board_shows_the_last_believed_print() -> None:
    async def scene() -> None:
        clock, listener = HeldClock(), Listener()
        hub = FeedHub(lambda key: SyntheticFeed(clock=clock), clock=clock)
        board = LastQuotes(clock.now_ns)

        def on_tick(one: Tick) -> None:
            listener.on_tick(one)
            board.tick(one)

        key = FeedKey.of("synthetic")
        hub.listen(key, ["SIM-ALPHA"], ["1s"], listener.on_bars, listener.on_state, on_tick)
        task = asyncio.create_task(hub.run())
        await clock.advance(90)
        data = board.get_market_data("SIM-ALPHA")
        assert data is not None
        last = listener.ticks[-1]
        assert (data.price, data.ts, data.bid, data.ask) == (last.px, last.ts, last.bid, last.ask)
        assert data.volatility_ratio is not None
        assert 0 < data.volatility_ratio < 0.01
        candles = {c.ts: (c.open, c.high, c.low, c.close, c.volume) for c in board.candles("SIM-ALPHA")}
        bars = {bar.ts_open: bar.values()[1:] for bar in listener.bars("1s") if bar.ts_open in candles}
        assert bars.items() <= candles.items()
        assert len(bars) >= 58
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
