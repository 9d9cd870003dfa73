"""The data pages: what is there, its labels, its quality; filters in the address; nothing of anybody else."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from marketdata.columns import DAY
from marketdata.models import Instrument
from marketdata.services import series
from tests.marketdata.conftest import made_bars


@pytest.fixture
def page(client, alice: User):
    """`page(address)` → the page's text as alice sees it."""
    client.force_login(alice)

    def get(address: str, status: int = 200) -> str:
        answer = client.get(address)
        assert answer.status_code == status, answer.content[:500]
        return answer.content.decode()

    return get


@pytest.fixture
def sample(sample_prices: None) -> None:
    """In the store and in the database."""


def imported(owner: User, symbol: str, **fields: str) -> Instrument:
    row = Instrument.objects.create(source="file", symbol=symbol, calendar="24/7", owner=owner, **fields)
    bars = made_bars(20)
    series.put(row, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    return row


def test_the_list_shows_coverage_source_and_the_synthetic_label(sample, page) -> None:
    text = page("/data/")
    assert text.count('<span class="tag">synthetic</span>') == 5
    assert "3,270" in text
    assert "2013-03-01" in text
    assert "100.00 %" in text


def test_lists_leave_the_long_columns_in_the_database(sample, page) -> None:
    with CaptureQueriesContext(connection) as asked:
        page("/data/")
        page("/backtests/new/symbols/?q=apple")
    read = [query["sql"] for query in asked if 'FROM "marketdata_coverage"' in query["sql"]]
    assert len(read) == 2, "one for each list, however many rows"
    # A word of the report is taken out of its column by the database, in brackets.
    assert not any(re.search(r'"files"|(?<!\()"marketdata_coverage"."quality"', sql) for sql in read)


def test_filters_stand_in_the_address_and_an_empty_result_offers_the_way_back(sample, page) -> None:
    text = page("/data/?q=apple&source=sample")
    assert 'value="apple"' in text
    assert "AAPL" in text
    assert "SYN-AAPL" not in text
    assert "MSFT" not in text
    nothing = page("/data/?q=zzz")
    assert "Nothing matches" in nothing
    assert 'href="/data/"' in nothing
    page("/data/?q=%3Cscript%3E&source=moon&timeframe=9x&page=999999")


def test_without_any_data_the_page_says_what_to_do(page) -> None:
    assert "No instruments yet" in page("/data/")


def test_an_instrument_shows_chart_gaps_and_corporate_actions(sample, page, client) -> None:
    aapl = Instrument.objects.get(symbol="AAPL")
    text = page(f"/data/instruments/{aapl.pk}/?adjustment=raw")
    assert "2-for-1 split" in text
    assert "dividend 2.65 USD" in text
    assert "No bar is missing" in text
    assert f'data-bars="/data/instruments/{aapl.pk}/bars?timeframe=1d&amp;adjustment=raw"' in text
    assert "Delete this import" not in text
    bars = client.get(f"/data/instruments/{aapl.pk}/bars?timeframe=1d&adjustment=raw").json()
    assert (len(bars["time"]), bars["per_candle"], bars["close"][-1]) == (3270, 1, 430.47)
    assert client.get(f"/data/instruments/{aapl.pk}/bars?timeframe=1m").status_code == 404


def test_many_bars_are_put_together_for_the_chart_and_lose_no_extreme(sample, page, client) -> None:
    synthetic = Instrument.objects.get(symbol="SYN-AAPL")
    text = page(f"/data/instruments/{synthetic.pk}/")
    assert "Synthetic prices." in text
    bars = client.get(f"/data/instruments/{synthetic.pk}/bars?timeframe=1m").json()
    from marketdata import selectors

    raw = selectors.stored_bars(synthetic.coverages.get())
    assert len(bars["time"]) <= 4_000
    assert bars["per_candle"] == -(-len(raw) // 4_000)
    assert (max(bars["high"]), min(bars["low"])) == (raw.high.max(), raw.low.min())
    assert sum(bars["volume"]) == pytest.approx(raw.volume.sum())


@pytest.mark.row("A5")
def test_another_users_instrument_is_not_there(page, client, alice: User, bob: User) -> None:
    theirs = imported(bob, "THEIRS")
    assert "THEIRS" not in page("/data/")
    for path in ("", "bars?timeframe=1d"):
        assert client.get(f"/data/instruments/{theirs.pk}/{path}").status_code == 404
    assert client.post(f"/data/instruments/{theirs.pk}/delete").status_code == 404
    assert Instrument.objects.filter(pk=theirs.pk).exists()


def test_ones_own_import_is_labelled_and_can_be_deleted(page, client, alice: User) -> None:
    mine = imported(alice, "MINE", name="<i>odd</i> " + "very long name " * 7)
    assert '<span class="tag">only you</span>' in page("/data/")
    text = page(f"/data/instruments/{mine.pk}/")
    assert "<i>odd" not in text
    assert "Delete this import" in text
    assert client.get(f"/data/instruments/{mine.pk}/delete").status_code == 405
    assert client.post(f"/data/instruments/{mine.pk}/delete").status_code == 302
    assert not Instrument.objects.filter(pk=mine.pk).exists()


def test_operators_see_every_table_and_change_no_bar(sample, client, carol: User) -> None:
    client.force_login(carol)
    for model in ("instrument", "corporateaction", "coverage", "exchangesession", "dataimport"):
        assert client.get(f"/operators/marketdata/{model}/").status_code == 200, model
    assert client.get("/operators/marketdata/coverage/add/").status_code == 403
    row = Instrument.objects.get(symbol="AAPL").coverages.get()
    assert b'name="files"' not in client.get(f"/operators/marketdata/coverage/{row.pk}/change/").content
