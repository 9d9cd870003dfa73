"""Bars for a run: found, completed, adjusted, resampled, hashed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from accounts.models import User
from engine.errors import InputError
from marketdata.columns import DAY, SECOND
from marketdata.models import Coverage, Instrument
from marketdata.services import filling, load_bars, series
from tests.marketdata.conftest import made_bars, ns

MINUTE = 60 * SECOND


@pytest.fixture
def sample(sample_prices: None) -> None:
    """In the store and in the database."""


def refused(*args: object, **options: object) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as error:
        load_bars(*args, **options)  # type: ignore[arg-type]
    return [(fault.path, fault.code) for fault in error.value.faults]


def test_several_real_symbols_with_both_ends_included(sample) -> None:
    loaded = load_bars(["MSFT", "aapl"], "1d", "2010-01-04", "2010-12-31")
    assert list(loaded.bars) == ["MSFT", "AAPL"]
    assert {len(bars) for bars in loaded.bars.values()} == {252}
    bars = loaded.bars["AAPL"]
    assert (bars.ts[0], bars.ts[-1]) == (ns("2010-01-04"), ns("2010-12-31"))
    assert (bars.calendar, bars.tick_size, bars.lot_size, bars.currency) == ("XNYS", 0.01, 1.0, "USD")
    assert (loaded.synthetic, loaded.notes) == (False, [])
    assert bars.close[-1] == pytest.approx(322.56)  # no action within the range: as traded


def test_adjusted_for_what_happened_in_the_range_and_not_after_it(sample) -> None:
    raw = load_bars(["AAPL"], "1d", "2005-01-03", "2005-12-30", adjustment="raw").bars["AAPL"]
    split = load_bars(["AAPL"], "1d", "2005-01-03", "2005-12-30", adjustment="split").bars["AAPL"]
    ex = int(np.searchsorted(raw.ts, ns("2005-02-28")))
    assert split.close[ex - 1] == raw.close[ex - 1] / 2
    assert split.volume[ex - 1] == raw.volume[ex - 1] * 2
    assert split.close[ex:].tolist() == raw.close[ex:].tolist()
    before = load_bars(["AAPL"], "1d", "2005-01-03", "2005-02-25").bars["AAPL"]
    assert before.close.tolist() == raw.close[:ex].tolist()
    dividend = load_bars(["AAPL"], "1d", "2012-11-06", "2012-11-07").bars["AAPL"]
    assert dividend.close[0] == pytest.approx(582.8495 * 558.0019 / (558.0019 + 2.65))


def test_the_data_hash_is_stable_and_feels_every_bar_and_every_choice(sample) -> None:
    def hashed(**changes: str) -> str:
        options = {"timeframe": "1d", "start": "2010-01-04", "end": "2010-12-31", "adjustment": "raw"} | changes
        return load_bars(["AAPL"], **options).data_hash  # type: ignore[arg-type]

    base = hashed()
    assert hashed() == base
    assert len({base, hashed(end="2010-12-30"), hashed(adjustment="split_dividend")}) == 2  # no action in 2010
    instrument = Instrument.objects.get(symbol="AAPL")
    stored = Coverage.objects.get(instrument=instrument)
    from marketdata import selectors

    bars = selectors.stored_bars(stored)
    at = int(np.searchsorted(bars.ts, ns("2010-06-15")))
    volume = bars.volume.copy()
    volume[at] += 1
    series.put(instrument, "1d", replace(bars, volume=volume), (int(bars.ts[0]), int(bars.ts[-1])))
    changed = hashed()
    assert changed != base
    series.put(instrument, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1])))
    assert hashed() == base
    Instrument.objects.filter(pk=instrument.pk).update(lot_size=100)
    assert hashed() != base


@pytest.mark.row("G9")
def test_what_is_missing_is_made_once_hits_and_misses_are_counted(sample) -> None:
    def ask(start: str, end: str) -> int:
        return len(load_bars(["SYN-AAPL"], "1m", start, end, source="synthetic").bars["SYN-AAPL"])

    def row() -> Coverage:
        return Coverage.objects.get(instrument__symbol="SYN-AAPL")

    begun = row()
    assert (begun.hits, begun.misses, begun.first_at.year) == (0, 1, 2025)
    assert ask("2025-06-02", "2025-06-06") == 5 * 390
    assert (row().hits, row().misses) == (1, 1)
    assert ask("2023-12-28", "2024-01-03") == 4 * 390
    after = row()
    assert (after.hits, after.misses) == (1, 2)
    assert after.first_at == datetime(2023, 12, 28, 14, 30, tzinfo=UTC)
    assert after.quality["missing"] == 0  # the hole between was filled as well
    assert ask("2024-03-01", "2024-03-01") == 390
    assert (row().hits, row().misses) == (2, 2)


@pytest.mark.row("G9")
@pytest.mark.parametrize(
    ("asked", "wanted", "missing"),
    [
        (None, (5, 9), [(5, 9)]),
        ((5, 9), (5, 9), []),
        ((5, 9), (6, 8), []),
        ((5, 9), (2, 7), [(2, 5)]),
        ((5, 9), (7, 12), [(9, 12)]),
        ((5, 9), (2, 12), [(2, 5), (9, 12)]),
        ((5, 9), (11, 12), [(9, 12)]),
        ((5, 9), (1, 2), [(1, 5)]),
        ((5, 9), (7, 7), []),
    ],
)
def test_date_coverage(asked: tuple[int, int] | None, wanted: tuple[int, int], missing: list[tuple[int, int]]) -> None:
    assert filling.missing_ranges(asked, wanted) == missing


@pytest.mark.row("G15")
@pytest.mark.parametrize(("timeframe", "bars_a_day"), [("5m", 78), ("15m", 26), ("1h", 7), ("4h", 2), ("1d", 1)])
def test_every_timeframe_is_made_from_the_finest_within_the_sessions(sample, timeframe: str, bars_a_day: int) -> None:
    fine = load_bars(["SYN-IBM"], "1m", "2025-03-06", "2025-03-11", source="synthetic").bars["SYN-IBM"]
    coarse = load_bars(["SYN-IBM"], timeframe, "2025-03-06", "2025-03-11", source="synthetic").bars["SYN-IBM"]
    assert len(fine) == 4 * 390  # Thursday to Tuesday, clocks change on the Sunday between
    assert len(coarse) == 4 * bars_a_day
    day = (fine.ts // DAY).astype(int)
    for number in np.unique(day):
        of_fine, of_coarse = fine.ts // DAY == number, coarse.ts // DAY == number
        assert coarse.open[of_coarse][0] == fine.open[of_fine][0]
        assert coarse.close[of_coarse][-1] == fine.close[of_fine][-1]
        assert coarse.high[of_coarse].max() == fine.high[of_fine].max()
        assert coarse.low[of_coarse].min() == fine.low[of_fine].min()
        assert coarse.volume[of_coarse].sum() == pytest.approx(fine.volume[of_fine].sum())
    if timeframe != "1d":
        opens = {"2025-03-06": "14:30", "2025-03-10": "13:30"}
        assert {ns(f"{d}T{t}") for d, t in opens.items()} <= set(coarse.ts.tolist())


@pytest.mark.row("A8")
def test_seconds_of_one_month_do_not_bar_the_way_to_those_of_another(sample) -> None:
    first = load_bars(["SYN-AAPL"], "1s", "2015-02-02", "2015-02-03", source="synthetic")
    later = load_bars(["SYN-AAPL"], "1s", "2020-03-02", "2020-03-03", source="synthetic")
    assert later.bars["SYN-AAPL"].ts[0] >= ns("2020-03-02")
    again = load_bars(["SYN-AAPL"], "1s", "2015-02-02", "2015-02-03", source="synthetic")
    assert again.data_hash == first.data_hash
    with pytest.raises(InputError, match="31 days"):
        load_bars(["SYN-AAPL"], "1s", "2016-01-01", "2016-12-31", source="synthetic")


def test_refusals_name_the_field_of_the_request(sample, instrument) -> None:
    assert refused(["NOPE", "SYN-AAPL"], "1d", "2010-01-01", "2010-02-01") == [
        ("symbols[0]", "not_found"),
        ("symbols[1]", "not_found"),
    ]
    assert refused([], "1d", "2010-01-01", "2010-02-01") == [("symbols", "required")]
    assert refused(["AAPL", "aapl"], "1d", "2010-01-01", "2010-02-01") == [("symbols[1]", "conflict")]
    assert refused([7], "1d", "2010-01-01", "2010-02-01") == [("symbols[0]", "wrong_type")]
    assert refused(["AAPL"], "2d", "2010-01-01", "2010-02-01") == [("timeframe", "unknown_choice")]
    assert refused(["AAPL"], "1m", "2010-01-01", "2010-02-01") == [("timeframe", "unknown_choice")]
    assert refused(["AAPL"], "1d", "2010-02-01", "2010-01-01") == [("end_date", "out_of_range")]
    assert refused(["AAPL"], "1d", "2014-01-01", "2015-01-01") == [("start_date", "no_data")]
    assert refused(["AAPL"], "1d", "soon", "2015-01-01") == [("start_date", "bad_time")]
    assert refused(["AAPL"], "1d", datetime(2010, 1, 1), "2010-02-01") == [("start_date", "naive_time")]
    assert refused(["AAPL"], "1d", "2010-01-01", "2010-02-01", source="moon") == [("source", "unknown_choice")]
    assert refused(["AAPL"], "1d", "2010-01-01", "2010-02-01", adjustment="all") == [("adjustment", "unknown_choice")]
    assert refused(["TEST"], "1d", "2010-01-01", "2010-02-01", source="file") == [("timeframe", "unknown_choice")]


@pytest.mark.row("A5")
def test_a_users_import_is_hers_alone_and_comes_before_everybodys(alice: User, bob: User, instrument) -> None:
    hers = Instrument.objects.create(source="file", symbol="TEST", calendar="24/7", owner=alice)
    for row, seed in ((instrument, 1), (hers, 2)):
        bars = made_bars(20, seed=seed)
        series.put(row, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    secret = Instrument.objects.create(source="file", symbol="SECRET", calendar="24/7", owner=alice)
    bars = made_bars(20, seed=3)
    series.put(secret, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))

    def closes(owner: User | None) -> list[float]:
        return (
            load_bars(["TEST"], "1d", "2024-01-01", "2024-01-20", source="file", owner=owner)
            .bars["TEST"]
            .close.tolist()
        )

    assert closes(alice) == made_bars(20, seed=2).close.tolist()
    assert closes(bob) == closes(None) == made_bars(20, seed=1).close.tolist()
    options = {"source": "file", "owner": bob}
    theirs = refused(["SECRET"], "1d", "2024-01-01", "2024-01-20", **options)
    assert theirs == refused(["NOTHING"], "1d", "2024-01-01", "2024-01-20", **options) == [("symbols[0]", "not_found")]


def test_what_is_synthetic_says_so_and_a_short_range_is_told(sample) -> None:
    loaded = load_bars(["SYN-COIN"], "1d", "2025-12-01", "2027-01-01", source="synthetic")
    assert loaded.synthetic
    assert loaded.notes == ["Synthetic prices: made up from a seed, never traded.", "SYN-COIN: bars end on 2025-12-31."]
    assert loaded.bars["SYN-COIN"].fractionable
    assert len(loaded.bars["SYN-COIN"]) == 31
