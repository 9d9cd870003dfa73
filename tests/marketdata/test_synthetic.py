"""Made-up minutes and ticks: the same from the same seed, laid on the exchange's sessions, shaped like real ones."""

from __future__ import annotations

import time
from datetime import date

import numpy as np
import pytest

from marketdata.columns import DAY, SECOND, BarColumns
from marketdata.gaps import gap_report
from marketdata.providers import ProviderError
from marketdata.providers.synthetic import SyntheticProvider
from marketdata.quality import check_bars
from marketdata.services.filling import exchange_sessions
from tests.marketdata.conftest import ns

MINUTE = 60 * SECOND
YEAR = (ns("2024-01-01"), ns("2025-01-01"))


@pytest.fixture
def provider(xnys) -> SyntheticProvider:
    return SyntheticProvider(exchange_sessions)


def test_the_same_seed_gives_the_same_bars_and_another_seed_others(provider: SyntheticProvider) -> None:
    bars = provider.history("SYN-AAPL", "1m", *YEAR)
    again = SyntheticProvider(exchange_sessions).history("SYN-AAPL", "1m", *YEAR)
    assert again.content_hash() == bars.content_hash()
    # Pinned, because a stored result names the hash of its data: a change here breaks every rerun.
    assert bars.content_hash()[:16] == "28056b41ec02bdf8"
    other = SyntheticProvider(exchange_sessions, seed=1).history("SYN-AAPL", "1m", *YEAR)
    assert other.content_hash() != bars.content_hash()
    assert provider.history("SYN-IBM", "1m", *YEAR).content_hash() != bars.content_hash()


def test_any_part_is_a_part_of_the_same_series(provider: SyntheticProvider) -> None:
    whole = provider.history("SYN-MSFT", "1m", ns("2023-06-01"), ns("2024-07-01"))
    for start, end in (("2023-12-29T20:00", "2024-01-02T15:00"), ("2024-03-01", "2024-03-02")):
        part = provider.history("SYN-MSFT", "1m", ns(start), ns(end))
        assert len(part) > 0
        assert part.content_hash() == whole.between(ns(start), ns(end)).content_hash()


@pytest.mark.row("G14")
def test_the_bars_are_valid_complete_and_on_the_sessions(provider: SyntheticProvider) -> None:
    bars = provider.history("SYN-GOOG", "1m", *YEAR)
    assert check_bars(bars) == []
    report = gap_report(bars.ts, "1m", "XNYS", exchange_sessions("XNYS", date(2023, 12, 1), date(2025, 1, 31)))
    assert (report.gaps, report.outside) == ([], 0)
    assert report.session_bars[ns("2024-11-29") // DAY] == (210, 210)  # the half day after Thanksgiving
    assert len(bars) == 249 * 390 + 3 * 210
    coin = provider.history("SYN-COIN", "1m", ns("2024-02-28"), ns("2024-03-01"))
    assert (len(coin), check_bars(coin)) == (2 * 1440, [])


def test_volume_and_movement_have_the_shape_of_a_session_and_the_size_of_the_real_stock(
    provider: SyntheticProvider,
) -> None:
    bars = provider.history("SYN-IBM", "1m", ns("2022-01-01"), ns("2025-01-01"))
    open_of_day = np.flatnonzero(np.diff(bars.ts, prepend=0) > 60 * MINUTE)
    full = open_of_day[np.diff(open_of_day, append=len(bars)) == 390]
    grid = full[:, None] + np.arange(390)
    ends, noon = np.r_[0:30, 360:390], np.r_[180:210]
    assert bars.volume[grid][:, ends].mean() > 2 * bars.volume[grid][:, noon].mean()
    moves = np.log(bars.close[grid] / bars.open[grid])
    assert moves[:, ends].std() > 1.4 * moves[:, noon].std()
    daily = np.diff(np.log(bars.close[full + 389]))
    assert 0.008 < daily.std() < 0.03  # IBM 2000–2013: 1.7% a day


def test_ticks_add_up_to_the_minutes_exactly(provider: SyntheticProvider) -> None:
    day = date(2024, 7, 3)
    ticks = provider.ticks("SYN-AAPL", day)
    bars = provider.history("SYN-AAPL", "1m", ns("2024-07-03"), ns("2024-07-04"))
    assert (np.diff(ticks["ts"]) > 0).all()
    assert (ticks["size"] > 0).all()
    assert (ticks["bid"] < ticks["price"]).all()
    assert (ticks["price"] < ticks["ask"]).all()
    minute = ticks["ts"] // MINUTE * MINUTE
    first = np.flatnonzero(np.diff(minute, prepend=0) > 0)
    last = np.append(first[1:], len(ticks)) - 1
    made = BarColumns(
        minute[first],
        ticks["price"][first],
        np.maximum.reduceat(ticks["price"], first),
        np.minimum.reduceat(ticks["price"], first),
        ticks["price"][last],
        np.add.reduceat(ticks["size"], first),
    )
    assert made.content_hash() == bars.content_hash()
    assert len(provider.ticks("SYN-AAPL", date(2024, 7, 4))) == 0
    quote = provider.quote("SYN-AAPL")
    assert quote is not None
    assert quote.bid < quote.price < quote.ask  # type: ignore[operator]


def test_seconds_come_from_the_ticks_for_a_month_at_most(provider: SyntheticProvider) -> None:
    seconds = provider.history("SYN-AAPL", "1s", ns("2024-07-01"), ns("2024-07-04"))
    assert check_bars(seconds) == []
    minutes = provider.history("SYN-AAPL", "1m", ns("2024-07-01"), ns("2024-07-04"))
    assert (seconds.high.max(), seconds.volume.sum()) == (minutes.high.max(), minutes.volume.sum())
    with pytest.raises(ProviderError, match="31 days"):
        provider.history("SYN-AAPL", "1s", *YEAR)
    with pytest.raises(ProviderError, match="no synthetic"):
        provider.history("AAPL", "1m", *YEAR)


def test_five_years_of_minutes_are_made_in_a_second_or_two(provider: SyntheticProvider) -> None:
    begun = time.perf_counter()
    bars = provider.history("SYN-AAPL", "1m", ns("2021-01-01"), ns("2026-01-01"))
    assert time.perf_counter() - begun < 3  # about 0.3 s on an idle core
    assert len(bars) > 480_000
