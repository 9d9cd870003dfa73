"""The packaged real prices: read as they are, their splits and dividends found from the adjusted closes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from django.core.management import call_command

from marketdata.adjust import adjusted
from marketdata.columns import DAY
from marketdata.models import CorporateAction, Coverage, ExchangeSession, Instrument
from marketdata.providers import ProviderError
from marketdata.providers.sample import SampleProvider
from marketdata.quality import check_bars
from marketdata.services import sample
from marketdata.zones import trading_days

EVER = (0, 2**62)


def test_the_series_are_what_the_package_holds() -> None:
    provider = SampleProvider()
    lengths = {one.symbol: len(provider.history(one.symbol, "1d", *EVER)) for one in provider.instruments()}
    assert lengths == {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}
    bars = provider.history("AAPL", "1d", *EVER)
    assert (bars.ts[0] // DAY, bars.open[0], bars.close[0], bars.volume[0]) == (11017, 118.56, 130.31, 9616100)
    assert all(check_bars(provider.history(symbol, "1d", *EVER)) == [] for symbol in lengths)
    with pytest.raises(ProviderError, match="no TSLA"):
        provider.history("TSLA", "1d", *EVER)
    with pytest.raises(ProviderError, match="only 1d"):
        provider.history("AAPL", "1m", *EVER)


def test_splits_and_dividends_of_apple() -> None:
    assert [(a.ex_date.isoformat(), a.split, a.dividend) for a in SampleProvider().actions("AAPL")] == [
        ("2000-06-21", 2.0, None),
        ("2005-02-28", 2.0, None),
        ("2012-08-09", None, 2.65),
        ("2012-11-07", None, 2.65),
        ("2013-02-07", None, 2.65),
    ]


def test_every_dividend_of_the_sample_comes_out_in_whole_cents() -> None:
    provider = SampleProvider()
    found = {symbol: provider.actions(symbol) for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT")}
    assert {symbol: len(actions) for symbol, actions in found.items()} == {
        "AAPL": 5, "FB": 0, "GOOG": 0, "IBM": 52, "MSFT": 38,
    }  # fmt: skip
    for symbol, actions in found.items():
        bars = provider.history(symbol, "1d", *EVER)
        for action in actions:
            if action.dividend is not None and action.price_factor is not None:
                close = bars.close[np.searchsorted(bars.ts, action.ex_day * DAY)]
                exact = close * (1 / action.price_factor - 1)
                assert abs(exact - round(exact, 2)) < 1e-6, (symbol, action)
    special = next(a for a in found["MSFT"] if a.ex_date == date(2004, 11, 15))
    assert special.dividend == 3.08  # 3.00 special and 0.08 regular on one day: one step in the file


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG", "IBM", "MSFT"])
def test_our_adjusted_closes_are_the_sources_own_up_to_what_happened_after_the_file(symbol: str) -> None:
    provider = SampleProvider()
    bars = provider.history(symbol, "1d", *EVER)
    ours = adjusted(bars, trading_days(bars.ts, "1d", "XNYS"), provider.actions(symbol), "split_dividend")
    theirs = provider.adjusted_close(symbol)
    later = theirs[-1] / bars.close[-1]
    np.testing.assert_allclose(ours.close * later, theirs, rtol=1e-11)
    assert ours.close[-1] == bars.close[-1]


def test_quotes_are_the_last_close_and_say_no_more_than_is_known() -> None:
    quote = SampleProvider().quote("AAPL")
    assert quote is not None
    assert (quote.price, quote.bid, quote.ask, quote.ts // DAY) == (430.47, None, None, 15765)


def test_loading_is_idempotent_quick_and_complete(db, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_sample_data")
    assert "10 instruments, 10 series, 7794 exchange sessions" in capsys.readouterr().out
    counts = [model.objects.count() for model in (Instrument, CorporateAction, Coverage, ExchangeSession)]
    assert counts == [10, 95, 10, 7794]
    stamps = dict(Coverage.objects.values_list("pk", "updated_at"))
    assert sample.load(now=datetime.now(UTC)) == sample.Loaded(0, 0, 0)
    call_command("load_sample_data")
    line = capsys.readouterr().out
    assert "complete" in line
    assert float(line.split("(")[1].split(" s")[0]) < 0.5
    assert [model.objects.count() for model in (Instrument, CorporateAction, Coverage, ExchangeSession)] == counts
    assert dict(Coverage.objects.values_list("pk", "updated_at")) == stamps
    aapl = Coverage.objects.get(instrument__symbol="AAPL")
    assert (aapl.bars, aapl.provider, aapl.quality["missing"], aapl.quality["outside"]) == (3270, "sample", 0, 0)
    synthetic = Instrument.objects.filter(synthetic=True)
    assert {row.symbol[:4] for row in synthetic} == {"SYN-"}
    assert all(row.notes.startswith("SYNTHETIC") for row in synthetic)
