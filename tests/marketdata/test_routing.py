"""Which source "auto" asks, why, and what happens when one does not answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.models import User
from bots.practice.server import Venue
from engine.errors import InputError
from marketdata import routing
from marketdata.columns import SECOND
from marketdata.models import Coverage, Instrument, SourceChoice, SourceComparison, SourceRule
from marketdata.services import load_bars, series
from tests.marketdata.conftest import made_bars
from tests.marketdata.vendor_rig import FIRST, KEY, LAST, SECRET, ns

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def vendors(vendors_venue: tuple[Venue, str], alpha_vantage: str, settings: Any, db: None) -> Venue:
    """Alpaca, Polygon and Binance at the practice venue, Alpha Vantage at its server; nobody at Yahoo's."""
    made, url = vendors_venue
    settings.ALPACA_DATA_URL = settings.POLYGON_BASE_URL = settings.BINANCE_BASE_URL = url
    settings.ALPACA_API_KEY, settings.ALPACA_API_SECRET = KEY, SECRET
    settings.ALPHA_VANTAGE_BASE_URL, settings.ALPHA_VANTAGE_API_KEY = alpha_vantage, KEY
    settings.POLYGON_API_KEY = ""
    settings.YAHOO_BASE_URL = NOBODY
    cache.clear()
    return made


def order(symbol: str = "AAPL", timeframe: str = "1d") -> dict[str, str]:
    return {one.source: one.refusal for one in routing.ranked(symbol, timeframe, FIRST, LAST)}


@pytest.mark.row("G8")
def test_a_source_that_fails_gives_way_to_the_next_and_the_reason_is_kept(vendors: Venue) -> None:
    loaded = load_bars(["AAPL"], "1d", FIRST, LAST, source="auto")
    [used] = {loaded.sources["AAPL"]}
    assert used in ("alpaca", "alpha_vantage")
    assert Coverage.objects.get().instrument.source == used, "what was fetched keeps its true source"
    choice = SourceChoice.objects.get()
    assert (choice.symbol, choice.timeframe, choice.source, choice.times) == ("AAPL", "1d", used, 1)
    assert "Yahoo: Yahoo cannot be reached" in choice.reason
    assert "Polygon: it has no key here" in choice.reason
    assert "Binance" not in choice.reason, "which has pairs only"
    assert loaded.notes[0] == f"AAPL: {choice.reason}"
    assert routing.failing("yahoo"), "and is not asked again at once"
    assert "failed a moment ago" in order()["yahoo"]
    again = load_bars(["AAPL"], "1d", FIRST, LAST, source="auto")
    assert again.data_hash == loaded.data_hash
    assert SourceChoice.objects.get().times == 2


@pytest.mark.row("G7")
def test_the_default_comes_first_and_an_operators_rule_before_it(vendors: Venue, settings: Any) -> None:
    assert next(iter(order())) == "yahoo", "for backtests, unless the installation says otherwise"
    settings.DATA_PROVIDER, settings.POLYGON_API_KEY = "polygon", KEY
    assert next(iter(order())) == "polygon"
    assert load_bars(["AAPL"], "1d", FIRST, LAST, source="auto").sources == {"AAPL": "polygon"}
    assert SourceChoice.objects.get().reason.startswith("Polygon answered: the installation's first choice.")
    SourceRule.objects.create(symbol="AAPL", source="alpaca")
    loaded = load_bars(["AAPL"], "1d", FIRST, LAST, source="auto")
    assert loaded.sources == {"AAPL": "alpaca"}
    assert "an operator's rule for this symbol" in loaded.notes[0]
    assert {row.instrument.source for row in Coverage.objects.all()} == {"polygon", "alpaca"}, "side by side, unmixed"


@pytest.mark.row("G7")
def test_live_prices_come_from_polygon_unless_it_has_no_key(vendors: Venue, settings: Any) -> None:
    assert routing.live_feed("AAPL") == "alpaca"
    settings.POLYGON_API_KEY = KEY
    assert routing.live_feed("AAPL") == "polygon"
    settings.DATA_PROVIDER = "alpaca"
    assert routing.live_feed("AAPL") == "alpaca"
    settings.ALPACA_API_KEY = settings.POLYGON_API_KEY = ""
    assert routing.live_feed("AAPL") is None
    assert routing.live_feed("BTCUSDT") == "binance"
    assert routing.live_feed("BTC-USD") == "alpaca"


@pytest.mark.row("G8")
def test_names_timeframes_and_budgets_decide_who_can_be_asked(vendors: Venue, settings: Any) -> None:
    assert [s for s, refusal in order("BTCUSDT").items() if not refusal] == ["binance"]
    assert [s for s, refusal in order("BTC-USD").items() if not refusal] == ["alpaca"]
    assert [s for s, refusal in order("^GSPC").items() if not refusal] == ["yahoo"]
    assert not [s for s, refusal in order("SIM-ALPHA").items() if not refusal]
    assert order(timeframe="1m")["alpha_vantage"] == "it has no 1m bars"
    assert order()["alpaca"] == ""
    settings.ALPACA_DATA_REQUESTS_PER_MINUTE = 3  # two of them for history: the bars, and what happened to them
    load_bars(["AAPL"], "15m", FIRST, FIRST, source="alpaca")
    assert order()["alpaca"] == "its budget is used up"
    assert order(timeframe="15m")["alpaca"] == "its budget is used up", "of this range not all is stored"


@pytest.mark.row("G8")
def test_what_is_stored_whole_or_not_doubted_comes_before_the_rest(vendors: Venue, settings: Any) -> None:
    settings.DATA_PROVIDER = "binance"  # none of the two
    assert [s for s, refusal in order().items() if not refusal] == ["alpaca", "alpha_vantage", "yahoo"]
    rows = {
        name: Instrument.objects.create(source=name, symbol="AAPL") for name in ("alpaca", "yahoo", "alpha_vantage")
    }
    for row in rows.values():
        series.put(row, "1d", made_bars(40, start="2026-02-01"), (ns(date(2026, 2, 1)), ns(FIRST)))
    held = {row.instrument.source: row for row in Coverage.objects.all()}
    SourceComparison.objects.create(
        symbol="AAPL", first=held["alpaca"], second=held["alpha_vantage"], days=40, differing=9, max_diff_pct=3.0,
        hashes="", compared_at=timezone.now(),
    )  # fmt: skip
    assert next(s for s, refusal in order().items() if not refusal) == "yahoo", "the others stand against each other"
    Coverage.objects.filter(pk=held["alpha_vantage"].pk).update(asked_to=held["alpaca"].asked_to + timedelta(days=30))
    settings.ALPHA_VANTAGE_API_KEY = ""
    assert next(s for s, refusal in order().items() if not refusal) == "alpha_vantage", "stored: it needs no key"
    minutes = made_bars(40, start="2026-02-01", step_ns=60 * SECOND)
    series.put(held["alpaca"].instrument, "1m", minutes, (ns(date(2026, 2, 1)), ns(date(2026, 4, 1))))
    settings.ALPACA_API_KEY = ""
    assert order()["alpaca"] == "it has no key here", "its days are not made of its minutes"
    assert order(timeframe="1m")["alpaca"] == ""


@pytest.mark.row("G8")
def test_nobody_answers(vendors: Venue, settings: Any) -> None:
    vendors.faults.add({"kind": "drop", "path": "/.*", "times": 99})
    settings.ALPHA_VANTAGE_API_KEY = ""
    with pytest.raises(InputError) as error:
        load_bars(["AAPL"], "1d", FIRST, LAST, source="auto")
    [fault] = error.value.faults
    assert (fault.path, fault.code) == ("symbols[0]", "no_data")
    assert "Alpaca: Alpaca cannot be reached" in fault.hint
    assert "Alpha Vantage: it has no key here" in fault.hint
    assert KEY not in str(error.value)
    assert SourceChoice.objects.get().source == ""


@pytest.mark.row("G8")
def test_where_nobody_has_all_what_is_stored_is_used_and_said(vendors: Venue, settings: Any) -> None:
    settings.ALPHA_VANTAGE_API_KEY = ""
    load_bars(["AAPL"], "1d", FIRST, date(2026, 3, 6), source="alpaca")
    vendors.faults.add({"kind": "drop", "path": "/.*", "times": 99})
    loaded = load_bars(["AAPL"], "1d", FIRST, LAST, source="auto")
    assert loaded.sources == {"AAPL": "alpaca"}
    assert any("the stored bars are used" in note for note in loaded.notes)
    assert len(loaded.bars["AAPL"]) == 2


@pytest.mark.row("G8")
def test_a_run_that_matches_on_finer_bars_has_both_from_one_source(vendors: Venue) -> None:
    finer = load_bars(["AAPL"], "15m", FIRST, FIRST, source="auto")
    assert finer.sources == {"AAPL": "alpaca"}
    SourceRule.objects.create(symbol="AAPL", source="alpha_vantage")
    assert load_bars(["AAPL"], "1d", FIRST, FIRST, source="auto").sources == {"AAPL": "alpha_vantage"}
    deciding = load_bars(["AAPL"], "1d", FIRST, FIRST, source="auto", chosen=finer.sources)
    assert deciding.sources == finer.sources


@pytest.mark.row("G8")
def test_auto_is_a_choice_of_a_backtest(vendors: Venue, client: Any, alice: User) -> None:
    client.force_login(alice)
    page = client.get("/backtests/new/?source=auto").content.decode()
    assert '<option value="auto" selected' in page
    with pytest.raises(InputError) as error:
        load_bars(["AAPL"], "1d", FIRST, LAST, source="moon")
    assert "auto" in error.value.faults[0].hint
