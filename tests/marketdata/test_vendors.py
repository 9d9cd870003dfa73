"""One contract for every source of prices by network: the real client library, a real socket, the same made-up market.

The practice venue speaks Alpaca's, Polygon's and Binance's protocols; what it makes up can be worked out here, too.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from bots.practice.clock import Clock
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from marketdata.columns import DAY, TIMEFRAME_NS, BarColumns
from marketdata.feeds import synthetic
from marketdata.providers import Provider, ProviderError
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.alpha_vantage import AlphaVantageProvider
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.services import load_bars
from marketdata.services.filling import exchange_sessions
from marketdata.zones import to_ns

KEY, SECRET = "VENDORKEY", "vendor-secret"
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 3, 5), date(2026, 3, 10)  # a weekend with the clocks' change in New York within


@dataclass
class Vendor:
    """A provider, the symbol that it knows, and the name of that in the market."""

    provider: Provider
    symbol: str
    name: str
    is_stock: bool
    venue: Venue | None = None

    def expected(self, timeframe: str, start: int, end: int) -> BarColumns:
        """What the market made, at the labels and in the hours that our own bars have."""
        ended = min(end + TIMEFRAME_NS[timeframe], to_ns(NOW))
        bars = synthetic.history(self.name, timeframe, start, ended).between(start, end)
        if not self.is_stock or timeframe == "1d":
            return bars
        sessions = exchange_sessions("XNYS", FIRST, LAST)
        inside = np.zeros(len(bars), bool)
        for opens, closes in zip(sessions.open_ns.tolist(), sessions.close_ns.tolist(), strict=True):
            inside |= (bars.ts >= opens) & (bars.ts < closes)
        return BarColumns(bars.ts[inside], *(column[inside] for column in bars.arrays()))


class AlphaVantage(BaseHTTPRequestHandler):
    """The vendor's daily series of the made-up market; always status 200."""

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
        body: dict[str, Any]
        if asked["apikey"] != KEY:
            body = {
                "Information": "Thank you for using Alpha Vantage! Our standard API rate limit is 25 requests per day."
            }
        elif asked["symbol"] != "AAPL":
            body = {"Error Message": "Invalid API call. Please retry or visit the documentation."}
        else:
            bars = synthetic.history("AAPL", "1d", to_ns(NOW - timedelta(days=30)), to_ns(NOW))
            days = {}
            for ts, *values in zip(bars.ts.tolist(), *(c.tolist() for c in bars.arrays()), strict=True):
                names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
                days[str(date.fromordinal(719_163 + ts // DAY))] = dict(zip(names, map(str, values), strict=True))
            body = {"Meta Data": {}, "Time Series (Daily)": dict(reversed(days.items()))}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def venue() -> Iterator[tuple[Venue, str]]:
    clock = Clock(lambda: 0.0)
    clock.go_to(NOW)
    coin = Instrument("BTC/USDT", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), base="BTC", quote="USDT")
    made = Venue([Instrument("AAPL"), coin], clock=clock)
    made.open_account(KEY, SECRET)
    with in_thread(made) as address:
        yield made, f"http://{address}"


@pytest.fixture
def alpha_vantage() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), AlphaVantage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["alpaca", "alpaca coins", "polygon", "binance", "alpha_vantage"])
def vendor(request: pytest.FixtureRequest, db: None) -> Vendor:
    if request.param == "alpha_vantage":
        return Vendor(
            AlphaVantageProvider(request.getfixturevalue("alpha_vantage"), KEY), "AAPL", "AAPL", is_stock=True
        )
    made, url = request.getfixturevalue("venue")
    alpaca = AlpacaProvider(url, KEY, SECRET, exchange_sessions)
    return {
        "alpaca": Vendor(alpaca, "AAPL", "AAPL", is_stock=True, venue=made),
        "alpaca coins": Vendor(alpaca, "BTC-USDT", "BTC/USDT", is_stock=False, venue=made),
        "polygon": Vendor(PolygonProvider(url, KEY, exchange_sessions), "AAPL", "AAPL", is_stock=True, venue=made),
        "binance": Vendor(BinanceProvider(url, now=lambda: NOW), "BTCUSDT", "BTC/USDT", is_stock=False, venue=made),
    }[request.param]


def ns(day: date) -> int:
    return to_ns(datetime(day.year, day.month, day.day, tzinfo=UTC))


def same(found: BarColumns, wanted: BarColumns) -> None:
    assert found.ts.tolist() == wanted.ts.tolist()
    for ours, theirs in zip(found.arrays(), wanted.arrays(), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.row("G5")
def test_history_is_what_was_traded(vendor: Vendor) -> None:
    start, end = ns(FIRST), ns(LAST)
    for timeframe in vendor.provider.capabilities.timeframes:
        if TIMEFRAME_NS[timeframe] <= TIMEFRAME_NS["1m"]:
            end = ns(FIRST + timedelta(days=1))  # a day of minutes is enough, and more than a page
        same(vendor.provider.history(vendor.symbol, timeframe, start, end), vendor.expected(timeframe, start, end))
        end = ns(LAST)


def test_an_odd_range_cuts_exactly_and_the_bar_that_goes_on_is_left_out(vendor: Vendor) -> None:
    timeframe = vendor.provider.capabilities.timeframes[0]
    step = TIMEFRAME_NS[timeframe]
    start = ns(date(2026, 3, 9)) + (15 * 60 * 60 * 10**9 if timeframe != "1d" else 0) + 1
    end = start + 3 * step
    same(vendor.provider.history(vendor.symbol, timeframe, start, end), vendor.expected(timeframe, start, end))
    late = vendor.provider.history(vendor.symbol, timeframe, to_ns(NOW) - 5 * step, to_ns(NOW) + 50 * step)
    assert (late.ts + step <= to_ns(NOW)).all()
    assert len(vendor.provider.history(vendor.symbol, timeframe, end, end)) == 0


def test_what_goes_wrong_is_said_in_plain_words_without_the_key(vendor: Vendor) -> None:
    if vendor.venue is None:
        pytest.skip("Alpha Vantage answers with status 200 whatever happens; its refusals have a test of their own")
    start, end = ns(FIRST), ns(LAST)
    timeframe = vendor.provider.capabilities.timeframes[-1]

    def asked() -> ProviderError:
        with pytest.raises(ProviderError) as error:
            vendor.provider.history(vendor.symbol, timeframe, start, end)
        assert KEY not in error.value.message
        assert "127.0.0.1" not in error.value.message
        return error.value

    limits = {"status": 429, "body": '{"status":"ERROR","error":"You\'ve exceeded the maximum requests per minute"}'}
    for fault, words, retryable in (
        ({"kind": "status", **limits}, "more requests", True),
        ({"kind": "status", "status": 500, "body": "<html>"}, "", True),
        ({"kind": "drop"}, "cannot be reached", True),
    ):
        # Client libraries ask again by themselves; the script outlives that.
        vendor.venue.faults.add(fault | {"path": "/(v2/stocks|v1beta3|v2/aggs|api/v3)/?.*", "times": 8})
        told = asked()
        assert words in told.message, told.message
        assert told.retryable is retryable
        vendor.venue.faults.clear()


def test_what_a_vendor_does_not_know_or_not_allow(venue: tuple[Venue, str], alpha_vantage: str, db: None) -> None:
    _, url = venue
    refusals = [
        (BinanceProvider(url, now=lambda: NOW), "NOPEUSDT", "Binance knows no NOPEUSDT"),
        (AlphaVantageProvider(alpha_vantage, KEY), "NOPE", "Alpha Vantage knows no NOPE"),
        (AlphaVantageProvider(alpha_vantage, "other"), "AAPL", "Alpha Vantage refuses more requests"),
        (AlphaVantageProvider(alpha_vantage, ""), "AAPL", "need ALPHA_VANTAGE_API_KEY"),
        (PolygonProvider(url, "other", exchange_sessions), "AAPL", "Polygon refuses the key"),
        (PolygonProvider(url, "", exchange_sessions), "AAPL", "need POLYGON_API_KEY"),
        (AlpacaProvider(url, "other", "x", exchange_sessions), "AAPL", "Alpaca refuses the key"),
        (AlpacaProvider(url, "", "", exchange_sessions), "AAPL", "need ALPACA_API_KEY"),
        (BinanceProvider(url), "b-t", "is not a pair Binance could know"),
    ]
    for provider, symbol, words in refusals:
        with pytest.raises(ProviderError) as error:
            provider.history(symbol, "1d", ns(FIRST), ns(LAST))
        assert words in error.value.message, error.value.message


@pytest.mark.django_db
def test_a_run_loads_bars_of_a_vendor_and_keeps_them(venue: tuple[Venue, str], settings: Any) -> None:
    made, url = venue
    settings.BINANCE_BASE_URL = url
    bars = load_bars(["BTCUSDT"], "15m", FIRST, FIRST, source="binance")
    [series] = bars.bars.values()
    assert (len(series), series.calendar, series.fractionable) == (96, "24/7", True)
    assert series.close.tolist() == synthetic.history("BTC/USDT", "15m", ns(FIRST), ns(FIRST) + DAY).close.tolist()
    made.faults.add({"kind": "drop", "path": "/api/.*", "times": 99})
    again = load_bars(["BTCUSDT"], "15m", FIRST, FIRST, source="binance")
    assert again.data_hash == bars.data_hash, "what is stored is not asked for again"
