"""Sources of prices by network as tests meet them: real client libraries, real sockets, one made-up market behind all.

The practice venue speaks Alpaca's, Polygon's and Binance's protocols; Yahoo and Alpha Vantage have servers of their own
here. What the market makes up can be worked out here, too.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
from marketdata.columns import DAY, SECOND, TIMEFRAME_NS, BarColumns
from marketdata.feeds import synthetic
from marketdata.gaps import Sessions
from marketdata.providers import Provider
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.alpha_vantage import AlphaVantageProvider
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.providers.yahoo import YahooProvider
from marketdata.services.filling import exchange_sessions
from marketdata.zones import to_ns

KEY, SECRET = "VENDORKEY", "vendor-secret"
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
SPLIT_DAY, DIVIDEND_DAY = date(2026, 3, 4), date(2026, 3, 6)
FIRST, LAST = date(2026, 3, 5), date(2026, 3, 10)  # a weekend with the clocks' change in New York within


@dataclass
class Vendor:
    """A provider, the symbol that it knows, and the name of that in the market."""

    provider: Provider
    symbol: str
    name: str
    is_stock: bool
    venue: Venue | None = None

    @property
    def timeframes(self) -> tuple[str, ...]:
        """Those whose bars the market makes alike: hours of stocks begin with the session at Yahoo."""
        return tuple(t for t in self.provider.capabilities.timeframes if not (self.is_stock and t == "1h"))

    def expected(self, timeframe: str, start: int, end: int) -> BarColumns:
        """What the market made, at the labels and in the hours that our own bars have."""
        ended = min(end + TIMEFRAME_NS[timeframe], to_ns(NOW))
        bars = synthetic.history(self.name, timeframe, start, ended).between(start, end)
        if not self.is_stock or timeframe == "1d":
            return bars
        return in_hours(bars, exchange_sessions("XNYS", FIRST, LAST))


@functools.cache
def made(timeframe: str, start: int, end: int) -> BarColumns:
    """What the market made of AAPL; once, because servers here are asked again and again for days full of trades."""
    return synthetic.history("AAPL", timeframe, start, end)


TEN_DAYS = "1d", to_ns(NOW - timedelta(days=10)), to_ns(NOW)


class AlphaVantage(BaseHTTPRequestHandler):
    """The vendor's daily series of the made-up market; always status 200."""

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
        body: dict[str, Any]
        if asked["apikey"] != KEY:
            body = {
                "Information": "Thank you for using Alpha Vantage! Our standard API rate limit is 25 requests per day."
            }
        elif asked["function"] == "TIME_SERIES_DAILY_ADJUSTED" and asked["symbol"] == "FREE":
            body = {"Information": "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe."}
        elif asked["symbol"] not in ("AAPL", "FREE"):
            body = {"Error Message": "Invalid API call. Please retry or visit the documentation."}
        else:
            bars = made(*TEN_DAYS)
            days = {}
            for ts, *values in zip(bars.ts.tolist(), *(c.tolist() for c in bars.arrays()), strict=True):
                names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
                day = str(date.fromordinal(719_163 + ts // DAY))
                days[day] = dict(zip(names, map(str, values), strict=True))
                if asked["function"] == "TIME_SERIES_DAILY_ADJUSTED":
                    days[day] |= {
                        "7. dividend amount": "0.2500" if day == str(DIVIDEND_DAY) else "0.0000",
                        "8. split coefficient": "4.0" if day == str(SPLIT_DAY) else "1.0",
                    }
            body = {"Meta Data": {}, "Time Series (Daily)": dict(reversed(days.items()))}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: Any) -> None:
        pass


class Yahoo(BaseHTTPRequestHandler):
    """The chart service's answers about the made-up market: regular hours, days at half past nine in New York; its
    history begins on FIRST. sessions: the exchange's."""

    sessions: Sessions

    def do_GET(self) -> None:
        address = urlparse(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        if not address.path.endswith("/AAPL"):
            self._answer(404, {"chart": {"result": None, "error": {"description": "No data found"}}})
            return
        timeframe = {"60m": "1h"}.get(asked["interval"], asked["interval"])
        start, end = (int(asked[name]) * SECOND for name in ("period1", "period2"))
        start = max(start, ns(FIRST))
        all_day = made(timeframe, start // DAY * DAY, end)
        bars = in_hours(all_day, self.sessions) if timeframe != "1d" else all_day
        bars = bars.between(start if timeframe != "1d" else start // DAY * DAY, end)
        at = bars.ts // SECOND + (14 * 3600 + 1800 if timeframe == "1d" else 0)
        names = ("open", "high", "low", "close", "volume")
        quote = {name: column.tolist() for name, column in zip(names, bars.arrays(), strict=True)}
        result = {
            "meta": {"exchangeTimezoneName": "America/New_York"},
            "timestamp": at.tolist(),
            "indicators": {"quote": [quote]},
        }
        self._answer(200, {"chart": {"result": [result], "error": None}})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: Any) -> None:
        pass


def in_hours(bars: BarColumns, sessions: Sessions) -> BarColumns:
    """Those that the exchange was open for."""
    inside = np.zeros(len(bars), bool)
    for opens, closes in zip(sessions.open_ns.tolist(), sessions.close_ns.tolist(), strict=True):
        inside |= (bars.ts >= opens) & (bars.ts < closes)
    return bars.take(inside)


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def vendors_venue() -> Iterator[tuple[Venue, str]]:
    clock = Clock(lambda: 0.0)
    clock.go_to(NOW)
    coin = Instrument("BTC/USDT", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), base="BTC", quote="USDT")
    made = Venue([Instrument("AAPL"), coin], clock=clock)
    made.open_account(KEY, SECRET)
    with in_thread(made) as address:
        yield made, f"http://{address}"


@pytest.fixture
def alpha_vantage() -> Iterator[str]:
    made(*TEN_DAYS)  # not while somebody waits for an answer
    with served(AlphaVantage) as url:
        yield url


@pytest.fixture
def yahoo(db: None) -> Iterator[str]:
    Yahoo.sessions = exchange_sessions("XNYS", FIRST, NOW.date())
    with served(Yahoo) as url:
        yield url


@pytest.fixture(params=["alpaca", "alpaca coins", "polygon", "binance", "alpha_vantage", "yahoo"])
def vendor(request: pytest.FixtureRequest, db: None) -> Vendor:
    if request.param == "alpha_vantage":
        return Vendor(
            AlphaVantageProvider(request.getfixturevalue("alpha_vantage"), KEY), "AAPL", "AAPL", is_stock=True
        )
    if request.param == "yahoo":
        url = request.getfixturevalue("yahoo")
        return Vendor(YahooProvider(url, now=lambda: NOW), "AAPL", "AAPL", is_stock=True)
    made, url = request.getfixturevalue("vendors_venue")
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
