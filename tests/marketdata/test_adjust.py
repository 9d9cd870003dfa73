"""Splits and dividends taken out of prices, against hand-made tables and against published factors."""

from __future__ import annotations

import csv
import io
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from marketdata.adjust import Action, adjusted, clean_adjustment, factors
from marketdata.columns import DAY, BarColumns
from marketdata.files import read_file
from marketdata.quality import jumps
from marketdata.zones import trading_days
from tests.marketdata.conftest import ns

_EPOCH = date(1970, 1, 1).toordinal()


def flat(prices: list[float], start: str = "2024-01-01") -> tuple[BarColumns, np.ndarray]:
    close = np.array(prices)
    bars = BarColumns(ns(start) + np.arange(len(close)) * DAY, close, close, close, close, np.full(len(close), 70.0))
    return bars, trading_days(bars.ts, "1d", "XNYS")


def test_a_split_scales_prices_down_and_volume_up_before_its_day_only() -> None:
    bars, days = flat([700, 707, 100, 101])
    made = adjusted(bars, days, [Action(date(2024, 1, 3), split=7.0)], "split")
    assert made.close.tolist() == pytest.approx([100, 101, 100, 101])
    assert made.volume.tolist() == [490, 490, 70, 70]


def test_a_reverse_split_and_a_dividend_multiply() -> None:
    bars, days = flat([1.0, 1.0, 20.0, 20.0])
    actions = [Action(date(2024, 1, 3), split=0.05), Action(date(2024, 1, 4), dividend=2.0)]
    assert adjusted(bars, days, actions, "split").close.tolist() == pytest.approx([20, 20, 20, 20])
    assert adjusted(bars, days, actions, "split_dividend").close.tolist() == pytest.approx([18, 18, 18, 20])
    assert adjusted(bars, days, actions, "raw") is bars


def test_what_goes_ex_outside_the_range_changes_nothing_in_it() -> None:
    bars, days = flat([100, 101, 102])
    actions = [Action(date(2024, 1, 1), dividend=5.0), Action(date(2024, 1, 4), split=2.0)]
    assert adjusted(bars, days, actions, "split_dividend").close.tolist() == [100, 101, 102]


def test_the_sources_own_factor_goes_before_ours_and_an_absurd_dividend_is_left_visible() -> None:
    bars, days = flat([100, 98])
    own = [Action(date(2024, 1, 2), dividend=2.0, price_factor=0.97)]
    assert adjusted(bars, days, own, "split_dividend").close.tolist() == pytest.approx([97, 98])
    absurd = [Action(date(2024, 1, 2), dividend=150.0)]
    assert adjusted(bars, days, absurd, "split_dividend").close.tolist() == [100, 98]


def test_only_the_three_adjustments_exist() -> None:
    with pytest.raises(InputError) as refused:
        clean_adjustment("total")
    assert refused.value.faults[0].code == "unknown_choice"


# --- against QuantConnect's factor file ------------------------------------------------------------------------------
def factor_rows(path: Path, symbol: str) -> list[tuple[date, float, float, float]]:
    """(last day the row applies to, price factor, split factor, reference price), oldest first."""
    with (path / "us_factor_file.csv").open(newline="") as handle:
        return [
            (
                date.fromisoformat(row["last_date"]),
                float(row["price_factor"]),
                float(row["split_factor"]),
                float(row["reference_price"]),
            )
            for row in csv.DictReader(handle)
            if row["symbol"] == symbol
        ]


def published_actions(rows: list[tuple[date, float, float, float]]) -> list[Action]:
    """Splits and dividends as the file's own readme says they are to be read."""
    found = []
    for (day, price, split, reference), (_, next_price, next_split, _) in pairwise(rows):
        ex_date = date.fromordinal(day.toordinal() + 1)
        if split != next_split:
            ratio = next_split / split
            found.append(Action(ex_date, split=float(round(ratio)) if ratio > 1 else 1.0 / round(1.0 / ratio)))
        if price != next_price and reference > 0:
            found.append(Action(ex_date, dividend=round(reference * (1.0 - price / next_price), 2)))
    return found


def raw(path: Path, name: str, symbol: str) -> tuple[BarColumns, np.ndarray]:
    bars = read_file(path / name, symbol=symbol).series[symbol]
    return bars, trading_days(bars.ts, "1d", "XNYS")


@pytest.mark.parametrize("symbol", ["SPY", "IBM", "BAC", "AIG", "AAPL"])
def test_factors_from_action_rows_are_those_of_the_published_file(shared_data: Path, symbol: str) -> None:
    rows = factor_rows(shared_data, symbol)
    name = "aapl_daily_raw_split_2014.csv" if symbol == "AAPL" else "us_daily_raw.csv"
    bars, days = raw(shared_data, name, symbol)
    price, split = factors(days, bars.close, published_actions(rows), "split_dividend")
    ends = np.array([row[0].toordinal() - _EPOCH for row in rows])
    at = np.searchsorted(ends, days)  # the row whose last day is the bar's or the next after it
    theirs = np.array([[row[1] * row[2], row[2]] for row in rows])[at]
    # The file prints seven digits, and its dividends are known to a cent only.
    np.testing.assert_allclose(split, theirs[:, 1] / theirs[-1, 1], rtol=2e-6)
    np.testing.assert_allclose(price, theirs[:, 0] / theirs[-1, 0], rtol=5e-4)


def test_apples_seven_for_one(shared_data: Path) -> None:
    bars, days = raw(shared_data, "aapl_daily_raw_split_2014.csv", "AAPL")
    split = next(a for a in published_actions(factor_rows(shared_data, "AAPL")) if a.split and a.ex_date.year == 2014)
    assert split.split == 7.0
    assert date(2014, 6, 6) < split.ex_date <= date(2014, 6, 9)
    before, after = int(np.searchsorted(bars.ts, ns("2014-06-06"))), int(np.searchsorted(bars.ts, ns("2014-06-09")))
    assert (bars.close[before], bars.open[after]) == (645.57, 92.69)
    made = adjusted(bars, days, [split], "split")
    assert made.close[before] == pytest.approx(645.57 / 7, rel=1e-12)
    assert made.volume[before] == pytest.approx(bars.volume[before] * 7)
    assert np.abs(np.diff(np.log(made.close))).max() < 0.14


def test_aigs_reverse_split_is_found_and_its_real_crashes_are_kept(shared_data: Path) -> None:
    bars, days = raw(shared_data, "us_daily_raw.csv", "AIG")
    at = int(np.searchsorted(bars.ts, ns("2009-07-01")))
    assert (bars.close[at - 1], bars.open[at]) == (1.13, 19.70)
    moves = {np.datetime64(j.ts, "ns").astype("datetime64[D]").item().isoformat(): j for j in jumps(bars, days, [])}
    assert moves["2009-07-01"].return_ratio == pytest.approx(bars.close[at] / 1.13 - 1)
    assert moves["2009-07-01"].looks_like == "1-for-17 reverse split"  # 19.70 ÷ 1.13; AIG also fell that night
    assert {j.looks_like for day, j in moves.items() if day != "2009-07-01"} == {""}
    for day, size in (("2008-09-15", -0.58), ("2008-09-19", 0.77), ("2009-08-05", 0.63)):
        assert moves[day].return_ratio == pytest.approx(size, abs=0.03)

    split = next(a for a in published_actions(factor_rows(shared_data, "AIG")) if a.split and a.ex_date.year == 2009)
    assert (split.split, split.ex_date) == (0.05, date(2009, 7, 1))
    made = adjusted(bars, days, [split], "split")
    assert made.close[at] / made.close[at - 1] - 1 == pytest.approx(bars.close[at] / (1.13 * 20) - 1)
    explained = {j.ts: j for j in jumps(bars, days, [split])}
    assert explained[ns("2009-07-01")].explained == "split 0.05:1"
    assert len(bars) == len(made) == 2014


@pytest.mark.row("G14")
def test_every_price_file_passes_the_checks(shared_data: Path) -> None:
    for path in sorted(shared_data.glob("*.csv")):
        if path.name not in ("us_factor_file.csv", "close_matrix_20_stocks.csv"):
            reading = read_file(path, symbol=None if "symbol" in path.read_text()[:60] else "X")
            assert reading.rows == sum(map(len, reading.series.values())) > 0


def test_empty_is_not_zero_in_the_matrix_of_closes(shared_data: Path) -> None:
    with (shared_data / "close_matrix_20_stocks.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    leading = {name: next(i for i, row in enumerate(rows) if row[name]) for name in rows[0] if name != "date"}
    assert {name: n for name, n in leading.items() if n} == {"FB": 599, "BABA": 1186, "GM": 222}
    # As bars, a cell that is empty is refused by its name; it never becomes a price of nothing.
    lines = ["date,open,high,low,close,volume"]
    lines += [f"{row['date'][:10]},{','.join([row['FB']] * 4)},0" for row in rows[595:603]]
    with pytest.raises(InputError) as refused:
        read_file(io.BytesIO("\n".join(lines).encode()), symbol="FB")
    assert [(f.path, f.code) for f in refused.value.faults[:2]] == [
        ("row 2, column open", "required"),
        ("row 2, column high", "required"),
    ]
