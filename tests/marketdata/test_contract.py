"""One contract of every source of prices, whatever it is: by network, from files, made up.

`python -m bench.contract --of prices` prints it as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from marketdata.columns import DAY, TIMEFRAME_NS
from marketdata.files import read_file
from marketdata.providers import Provider, ProviderError
from marketdata.providers.alpaca import AlpacaProvider
from marketdata.providers.alpha_vantage import AlphaVantageProvider
from marketdata.providers.binance import BinanceProvider
from marketdata.providers.file import FileProvider
from marketdata.providers.polygon import PolygonProvider
from marketdata.providers.polygon_files import PolygonFilesProvider
from marketdata.providers.sample import SampleProvider
from marketdata.providers.synthetic import SyntheticProvider
from marketdata.providers.yahoo import YahooProvider
from marketdata.quality import check_bars
from marketdata.services.filling import exchange_sessions
from tests.marketdata.vendor_rig import KEY, NOW, SECRET, ns


@dataclass(frozen=True, slots=True)
class Case:
    """A provider, a symbol that it has, one that it has not, and days on which it has bars."""

    provider: Provider
    symbol: str
    unknown: str
    first: date
    last: date


def _file(folder: Path) -> Provider:
    lines = ["time,open,high,low,close,volume"]
    lines += [f"2024-03-{day:02d},10,12,9,11,{100 + day}" for day in (1, 4, 5, 6, 7, 8)]
    path = folder / "bars.csv"
    path.write_text("\n".join(lines))
    return FileProvider(read_file(path, symbol="ACME", timeframe="1d"))


WEEK = (date(2026, 3, 5), date(2026, 3, 10))
NAMES = (
    "alpaca", "polygon", "flat files", "binance", "alpha_vantage", "yahoo", "file", "sample", "synthetic",
)  # fmt: skip


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, db: None, tmp_path: Path) -> Case:
    def at(fixture: str) -> str:
        found = request.getfixturevalue(fixture)
        return found if isinstance(found, str) else found[1]

    makers: dict[str, Callable[[], Case]] = {
        "alpaca": lambda: Case(
            AlpacaProvider(at("vendors_venue"), KEY, SECRET, exchange_sessions), "AAPL", "NOPE", *WEEK
        ),
        "polygon": lambda: Case(PolygonProvider(at("vendors_venue"), KEY, exchange_sessions), "AAPL", "NOPE", *WEEK),
        "flat files": lambda: Case(
            PolygonFilesProvider(at("vendors_venue"), "flatfiles", KEY, SECRET, exchange_sessions),
            "AAPL",
            "NOPE",
            *WEEK,
        ),
        "binance": lambda: Case(BinanceProvider(at("vendors_venue"), now=lambda: NOW), "BTCUSDT", "NOPEUSDT", *WEEK),
        "alpha_vantage": lambda: Case(AlphaVantageProvider(at("alpha_vantage"), KEY), "AAPL", "NOPE", *WEEK),
        "yahoo": lambda: Case(YahooProvider(at("yahoo"), now=lambda: NOW), "AAPL", "NOPE", *WEEK),
        "file": lambda: Case(_file(tmp_path), "ACME", "NOPE", date(2024, 3, 1), date(2024, 3, 8)),
        "sample": lambda: Case(SampleProvider(), "AAPL", "NOPE", date(2010, 3, 1), date(2010, 3, 8)),
        "synthetic": lambda: Case(
            SyntheticProvider(exchange_sessions), "SYN-AAPL", "NOPE", date(2020, 3, 2), date(2020, 3, 6)
        ),
    }
    return makers[request.param]()


def test_it_says_what_it_is(case: Case) -> None:
    able = case.provider.capabilities
    assert case.provider.source
    assert able.timeframes
    assert set(able.timeframes) <= set(TIMEFRAME_NS)
    assert set(able.unstored) <= set(able.timeframes)
    assert bool(case.provider.budget_scope) == able.network, "what asks over the network has a budget"
    assert KEY not in case.provider.budget_scope


@pytest.mark.row("G8")
def test_bars_are_possible_in_order_and_of_one_shape(case: Case) -> None:
    for timeframe in case.provider.capabilities.timeframes:
        if timeframe == "1s":
            continue
        last = case.last if timeframe == "1d" else case.first + timedelta(days=1)
        bars = case.provider.history(case.symbol, timeframe, ns(case.first), ns(last))
        assert len(bars), timeframe
        assert check_bars(bars) == []
        assert bars.ts.dtype == np.int64
        assert {column.dtype for column in bars.arrays()} == {np.dtype(np.float64)}
        assert (bars.ts >= ns(case.first)).all()
        assert (bars.ts < ns(last)).all()
        if timeframe == "1d":
            assert (bars.ts % DAY == 0).all(), "a day is labelled by midnight UTC of its date"


def test_the_same_request_gives_the_same_bars_and_a_range_is_the_sum_of_its_parts(case: Case) -> None:
    timeframe = case.provider.capabilities.timeframes[-1]
    start, end = ns(case.first), ns(case.last)
    middle = ns(case.first + (case.last - case.first) // 2)
    whole = case.provider.history(case.symbol, timeframe, start, end)
    assert whole.content_hash() == case.provider.history(case.symbol, timeframe, start, end).content_hash()
    parts = [case.provider.history(case.symbol, timeframe, a, b) for a, b in ((start, middle), (middle, end))]
    assert parts[0].merged_with(parts[1]).content_hash() == whole.content_hash()
    assert len(case.provider.history(case.symbol, timeframe, end, end)) == 0


def test_what_it_does_not_have_is_refused_or_empty_and_never_made_up(case: Case) -> None:
    timeframe = case.provider.capabilities.timeframes[-1]
    found, refused = [], None
    try:
        found = case.provider.history(case.unknown, timeframe, ns(case.first), ns(case.last))
    except ProviderError as error:
        refused = error
    assert len(found) == 0
    if refused is not None:
        assert not refused.retryable
        assert case.unknown in refused.message
        assert KEY not in refused.message
    lacking = next((t for t in TIMEFRAME_NS if t not in case.provider.capabilities.timeframes), None)
    if lacking is not None:
        with pytest.raises(ProviderError, match=f"no {lacking} bars") as error:
            case.provider.history(case.symbol, lacking, ns(case.first), ns(case.last))
        assert not error.value.retryable


def test_splits_and_dividends_are_in_order_one_of_a_kind_each_day(case: Case) -> None:
    actions = case.provider.actions(case.symbol)
    if not case.provider.capabilities.corporate_actions:
        assert list(actions) == [] or not case.provider.capabilities.network
    days = [action.ex_date for action in actions]
    assert days == sorted(days)
    assert len({(a.ex_date, a.split is None) for a in actions}) == len(actions)
    assert all((a.split is None) != (a.dividend is None) for a in actions)


def test_symbols_that_it_lists_have_bars(case: Case) -> None:
    listed = case.provider.instruments()
    if case.provider.capabilities.network:
        assert list(listed) == [], "a source by network lists what it is asked for"
        return
    assert case.symbol in {listing.symbol for listing in listed}
    assert case.unknown not in {listing.symbol for listing in listed}
