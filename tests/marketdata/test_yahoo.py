"""The Yahoo adapter against a real HTTP server that speaks the chart protocol on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from marketdata import selectors
from marketdata.adjust import Action
from marketdata.columns import SECOND
from marketdata.models import CorporateAction, Coverage, Instrument
from marketdata.providers import ProviderError
from marketdata.providers.yahoo import YahooProvider
from marketdata.services import load_bars
from tests.marketdata.conftest import ns

NOW = datetime(2024, 7, 10, 18, tzinfo=UTC)


def stamp(text: str) -> int:
    return ns(text) // SECOND


def daily_chart() -> dict[str, Any]:
    """Four days around a 4:1 split on 2024-07-03, as Yahoo sends them: everything before divided by four."""
    days = ["2024-07-01T13:30", "2024-07-02T13:30", "2024-07-03T13:30", "2024-07-05T13:30", "2024-07-08T13:30"]
    return {
        "chart": {
            "result": [
                {
                    "meta": {
                        "currency": "USD",
                        "symbol": "SPLT",
                        "exchangeTimezoneName": "America/New_York",
                        "regularMarketPrice": 103.5,
                        "regularMarketTime": stamp("2024-07-10T17:59:30"),
                        "regularMarketVolume": 4321,
                    },
                    "timestamp": [stamp(day) for day in days],
                    "events": {
                        "splits": {
                            "1": {
                                "date": stamp("2024-07-03T13:30"),
                                "numerator": 4,
                                "denominator": 1,
                                "splitRatio": "4:1",
                            }
                        },
                        "dividends": {
                            "1": {"date": stamp("2024-07-02T13:30"), "amount": 0.25},
                            "2": {"date": stamp("2024-07-08T13:30"), "amount": 0.3},
                        },
                    },
                    "indicators": {
                        "quote": [
                            {
                                "open": [100.0, 101.0025, 102.0, None, 103.0],
                                "high": [101.0, 102.0, 103.0, None, 104.0],
                                "low": [99.0, 100.0, 101.0, None, 102.0],
                                "close": [100.5, 101.5, 102.5, None, 103.5],
                                "volume": [4000, 4004, 5000, None, 6000],
                            }
                        ],
                        "adjclose": [{"adjclose": [1, 1, 1, None, 1]}],
                    },
                }
            ],
            "error": None,
        }
    }


class Venue:
    """The loopback server: `answer(path, query)` gives (status, body); `asked` keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[str, dict[str, str]], tuple[int, bytes]] = lambda path, query: (
            200,
            json.dumps(daily_chart()).encode(),
        )
        self.asked: list[tuple[str, dict[str, str], str]] = []
        venue = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = urlparse(self.path)
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                venue.asked.append((address.path, query, self.headers.get("User-Agent", "")))
                status, body = venue.answer(address.path, query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def provider(venue: Venue) -> YahooProvider:
    return YahooProvider(venue.url, timeout_s=2, now=lambda: NOW)


@pytest.mark.row("G3")
def test_prices_come_back_raw_on_their_trading_day_and_null_is_no_bar(provider: YahooProvider, venue: Venue) -> None:
    bars = provider.history("SPLT", "1d", ns("2024-07-01"), ns("2024-07-06"))
    assert bars.ts.tolist() == [ns("2024-07-01"), ns("2024-07-02"), ns("2024-07-03")]
    assert bars.open.tolist() == [400.0, 404.01, 102.0]
    assert bars.close.tolist() == [402.0, 406.0, 102.5]
    assert bars.volume.tolist() == [1000, 1001, 5000]
    path, query, agent = venue.asked[0]
    assert (path, query["interval"], query["events"]) == ("/v8/finance/chart/SPLT", "1d", "div,splits")
    # Up to now, not up to the end asked for: a later split has been divided out of earlier prices.
    assert (int(query["period1"]), int(query["period2"])) == (stamp("2024-07-01"), int(NOW.timestamp()))
    assert agent.startswith("Mozilla/")


@pytest.mark.row("G3")
def test_actions_are_as_they_were_paid_and_the_quote_is_honest(provider: YahooProvider) -> None:
    assert provider.actions("SPLT") == [
        Action(date(2024, 7, 2), dividend=1.0),  # Yahoo's 0.25 is per share of today
        Action(date(2024, 7, 3), split=4.0),
        Action(date(2024, 7, 8), dividend=0.3),
    ]
    quote = provider.quote("SPLT")
    assert quote is not None
    assert (quote.price, quote.bid, quote.ask, quote.volume) == (103.5, None, None, 4321)


def test_minutes_are_asked_for_week_by_week_and_not_beyond_what_is_kept(provider: YahooProvider, venue: Venue) -> None:
    venue.answer = lambda path, query: (
        200,
        json.dumps(
            {
                "chart": {
                    "result": [{"meta": {"exchangeTimezoneName": "America/New_York"}, "indicators": {"quote": [{}]}}],
                    "error": None,
                }
            }
        ).encode(),
    )
    assert len(provider.history("SPLT", "1m", ns("2020-01-01"), ns("2024-07-09"))) == 0
    starts = [int(query["period1"]) for _path, query, _agent in venue.asked]
    assert len(starts) == 5
    assert NOW.timestamp() - starts[0] == 29 * 86_400
    assert set(np.diff(starts)) == {7 * 86_400}
    assert {query["interval"] for _path, query, _agent in venue.asked} == {"1m"}


@pytest.mark.row("G3")
@pytest.mark.parametrize(
    ("status", "body", "words", "retryable"),
    [
        (404, b'{"chart":{"result":null,"error":{"code":"Not Found"}}}', "knows no SPLT", False),
        (429, b"Too Many Requests", "refuses more requests", True),
        (502, b"<html>bad gateway</html>", "status 502", True),
        (200, b"<html>consent</html>", "no JSON", True),
        (200, b'{"chart":{"result":[{"meta":{},"timestamp":[1]}]}}', "not understood", True),
        (200, b'{"chart":{"result":null,"error":{"code":"x","description":"broken"}}}', "broken", False),
        (200, json.dumps(daily_chart()).replace("[101.0, 102.0", "[1.0, 102.0").encode(), "impossible bar", False),
    ],
)
def test_every_bad_answer_is_one_named_failure(
    provider: YahooProvider, venue: Venue, status: int, body: bytes, words: str, retryable: bool
) -> None:
    venue.answer = lambda path, query: (status, body)
    with pytest.raises(ProviderError, match=words) as failed:
        provider.history("SPLT", "1d", ns("2024-07-01"), ns("2024-07-06"))
    assert failed.value.retryable is retryable


def test_a_silent_host_and_a_poisoned_symbol(venue: Venue) -> None:
    venue.server.shutdown()
    venue.server.server_close()
    gone = YahooProvider(venue.url, timeout_s=0.5, now=lambda: NOW)
    with pytest.raises(ProviderError, match="cannot be reached"):
        gone.history("SPLT", "1d", ns("2024-07-01"), ns("2024-07-06"))
    with pytest.raises(ProviderError, match="not a symbol"):
        gone.history("../../x?y", "1d", ns("2024-07-01"), ns("2024-07-06"))
    assert venue.asked == []


@pytest.mark.row("G3", "G9")
def test_a_run_fetches_what_is_missing_once_and_then_lives_from_the_store(xnys, venue: Venue, settings) -> None:
    settings.YAHOO_BASE_URL = venue.url
    loaded = load_bars(["splt"], "1d", "2024-07-01", "2024-07-05", source="yahoo", adjustment="split")
    assert loaded.bars["SPLT"].close.tolist() == [100.5, 101.5, 102.5]
    assert CorporateAction.objects.count() == 3
    asked = len(venue.asked)
    venue.answer = lambda path, query: (500, b"")
    again = load_bars(["SPLT"], "1d", "2024-07-01", "2024-07-05", source="yahoo", adjustment="split")
    assert (again.data_hash, len(venue.asked)) == (loaded.data_hash, asked)
    row = Coverage.objects.get()
    assert (row.hits, row.misses) == (1, 1)

    later = load_bars(["SPLT"], "1d", "2024-07-01", "2024-07-09", source="yahoo", adjustment="split")
    assert len(later.bars["SPLT"]) == 3
    assert "status 500; the stored bars are used" in later.notes[0]
    venue.answer = lambda path, query: (200, json.dumps(daily_chart()).encode())
    full = load_bars(["SPLT"], "1d", "2024-07-01", "2024-07-09", source="yahoo", adjustment="raw")
    assert full.bars["SPLT"].close.tolist() == [402.0, 406.0, 102.5, 103.5]
    instrument = Instrument.objects.get()
    assert (instrument.source, instrument.owner_id, instrument.synthetic) == ("yahoo", None, False)
    assert selectors.stored_bars(Coverage.objects.get()).close.tolist() == [402.0, 406.0, 102.5, 103.5]
