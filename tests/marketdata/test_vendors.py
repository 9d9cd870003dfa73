"""Sources of prices by network against what was traded: the real client library, a real socket, one made-up market."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bots.practice.orders import Split
from bots.practice.server import Venue
from marketdata.adjust import Action
from marketdata.columns import DAY, TIMEFRAME_NS
from marketdata.feeds import synthetic
from marketdata.providers import Provider, ProviderError, Unavailable
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.alpha_vantage import AlphaVantageProvider
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.services import load_bars
from marketdata.services.filling import exchange_sessions
from marketdata.zones import to_ns
from tests.marketdata.vendor_rig import DIVIDEND_DAY, FIRST, KEY, LAST, NOW, SECRET, SPLIT_DAY, Vendor, ns, same


@pytest.mark.row("G5")
def test_history_is_what_was_traded(vendor: Vendor) -> None:
    start, end = ns(FIRST), ns(LAST)
    for timeframe in vendor.timeframes:
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
    if vendor.provider.source != "yahoo":  # its bar that goes on is left out by `ensure`, which asks for whole days
        late = vendor.provider.history(vendor.symbol, timeframe, to_ns(NOW) - 5 * step, to_ns(NOW) + 50 * step)
        assert (late.ts + step <= to_ns(NOW)).all()
    assert len(vendor.provider.history(vendor.symbol, timeframe, end, end)) == 0


def test_what_goes_wrong_is_said_in_plain_words_without_the_key(vendor: Vendor) -> None:
    if vendor.venue is None:
        pytest.skip("the refusals of Yahoo and Alpha Vantage have tests of their own")
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


def test_what_a_vendor_does_not_know_or_not_allow(
    vendors_venue: tuple[Venue, str], alpha_vantage: str, db: None
) -> None:
    _, url = vendors_venue
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
def test_a_run_loads_bars_of_a_vendor_and_keeps_them(vendors_venue: tuple[Venue, str], settings: Any) -> None:
    made, url = vendors_venue
    settings.BINANCE_BASE_URL = url
    bars = load_bars(["BTCUSDT"], "15m", FIRST, FIRST, source="binance")
    [series] = bars.bars.values()
    assert (len(series), series.calendar, series.fractionable) == (96, "24/7", True)
    assert series.close.tolist() == synthetic.history("BTC/USDT", "15m", ns(FIRST), ns(FIRST) + DAY).close.tolist()
    made.faults.add({"kind": "drop", "path": "/api/.*", "times": 99})
    again = load_bars(["BTCUSDT"], "15m", FIRST, FIRST, source="binance")
    assert again.data_hash == bars.data_hash, "what is stored is not asked for again"


@pytest.mark.django_db
@pytest.mark.row("W17")
def test_splits_and_dividends_of_the_venue_by_both_vendors(vendors_venue: tuple[Venue, str]) -> None:
    made, url = vendors_venue
    assert [list(provider.actions("AAPL")) for provider in _both(url)] == [[], []]
    made.exchange.split("AAPL", 4, 1)
    made.exchange.dividend("AAPL", Decimal("0.24"))
    made.exchange.dividend("AAPL", Decimal("1.00"))  # a special one of the same day
    made.clock.go_to(NOW + timedelta(days=1))
    made.exchange.split("AAPL", 1, 20)
    made.exchange.dividend("BTC/USDT", Decimal(5))
    wanted = [
        Action(NOW.date(), split=4.0),
        Action(NOW.date(), dividend=1.24),
        Action(NOW.date() + timedelta(days=1), split=0.05),
    ]
    for provider in _both(url):
        assert sorted(provider.actions("AAPL"), key=lambda a: (a.ex_date, a.split is None)) == wanted
        for refused in (type(provider)(url, *keys, exchange_sessions) for keys in _wrong(provider)):
            with pytest.raises(ProviderError) as error:
                refused.actions("AAPL")
            assert not error.value.retryable
    assert list(AlpacaProvider(url, KEY, SECRET, exchange_sessions).actions("BTC-USDT")) == []


def _both(url: str) -> tuple[AlpacaProvider, PolygonProvider]:
    return AlpacaProvider(url, KEY, SECRET, exchange_sessions), PolygonProvider(url, KEY, exchange_sessions)


def _wrong(provider: Provider) -> list[tuple[str, ...]]:
    return [("other", "x"), ("", "")] if provider.source == "alpaca" else [("other",), ("",)]


@pytest.mark.row("W17")
def test_many_splits_come_in_pages(vendors_venue: tuple[Venue, str]) -> None:
    made, url = vendors_venue
    for day in range(1_005):
        at = NOW - timedelta(days=2_000 - day)
        made.exchange.splits.append(Split(str(day), at, "AAPL", 3, 2))
    for provider in _both(url):
        assert len(provider.actions("AAPL")) == 1_005


def test_alpha_vantage_tells_them_where_the_plan_does(alpha_vantage: str) -> None:
    provider = AlphaVantageProvider(alpha_vantage, KEY)
    assert list(provider.actions("AAPL")) == [Action(SPLIT_DAY, split=4.0), Action(DIVIDEND_DAY, dividend=0.25)]
    with pytest.raises(Unavailable, match="plan does not include"):
        provider.actions("FREE")


@pytest.mark.django_db
@pytest.mark.row("W17", "G5")
def test_a_run_adjusts_by_them_and_says_where_there_are_none(alpha_vantage: str, settings: Any) -> None:
    settings.ALPHA_VANTAGE_BASE_URL, settings.ALPHA_VANTAGE_API_KEY = alpha_vantage, KEY
    first, last = date(2026, 3, 2), date(2026, 3, 9)

    def closes(symbol: str, adjustment: str) -> tuple[list[float], list[str]]:
        loaded = load_bars([symbol], "1d", first, last, source="alpha_vantage", adjustment=adjustment)
        return loaded.bars[symbol].close.tolist(), loaded.notes

    raw, _ = closes("AAPL", "raw")
    split, notes = closes("AAPL", "split")
    assert notes == []
    assert split[:2] == [raw[0] / 4, raw[1] / 4]  # the second and the third; the split is of the fourth
    assert split[2:] == raw[2:]
    paid, _ = closes("AAPL", "split_dividend")
    assert paid[3] == pytest.approx(raw[3] * (1 - 0.25 / raw[3]))
    free, notes = closes("FREE", "split")
    assert free == closes("FREE", "raw")[0]
    assert notes == ["FREE: no splits and dividends from this source; prices are as traded."]
