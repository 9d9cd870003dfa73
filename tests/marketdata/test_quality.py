"""What cannot be true of a bar or a quote, each under its own name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from marketdata.columns import SECOND, BarColumns
from marketdata.quality import Quote, check_bars, check_quote
from tests.marketdata.conftest import made_bars

NOW = 1_700_000_000 * SECOND
GOOD = Quote("AAPL", NOW - SECOND, 190.0, bid=189.9, ask=190.1, bid_size=100, ask_size=200)


@pytest.mark.row("G13")
@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"price": 0.0}, "price", "price_not_positive"),
        ({"price": float("nan")}, "price", "not_a_finite_number"),
        ({"bid": -1.0}, "bid", "price_not_positive"),
        ({"ask": float("inf")}, "ask", "not_a_finite_number"),
        ({"bid_size": 0.0}, "bid_size", "size_not_positive"),
        ({"ask_size": -5.0}, "ask_size", "size_not_positive"),
        ({"ask": 189.9}, "ask", "crossed_quote"),
        ({"ask": 189.0}, "ask", "crossed_quote"),
        ({"ts": NOW + 1}, "ts", "in_the_future"),
        ({"ts": NOW - 300 * SECOND - 1}, "ts", "stale"),
    ],
)
def test_a_wrong_quote_is_named(change: dict[str, float], path: str, code: str) -> None:
    assert [(f.path, f.code) for f in check_quote(replace(GOOD, **change), NOW)] == [(path, code)]


@pytest.mark.row("G13")
def test_a_good_quote_passes_also_at_the_edges_and_without_a_book() -> None:
    assert check_quote(GOOD, NOW) == []
    assert check_quote(replace(GOOD, ts=NOW), NOW) == []
    assert check_quote(replace(GOOD, ts=NOW - 300 * SECOND), NOW) == []
    assert check_quote(Quote("AAPL", NOW, 190.0), NOW) == []


def spoilt(field: str, index: int, value: float) -> BarColumns:
    bars = made_bars()
    array = getattr(bars, field).copy()
    array[index] = value
    return replace(bars, **{field: array})


@pytest.mark.row("G14")
@pytest.mark.parametrize(
    ("field", "value", "codes"),
    [
        ("open", 0.0, {"price_not_positive", "open_out_of_range"}),
        ("close", -3.0, {"price_not_positive", "close_out_of_range"}),
        ("open", 1e6, {"open_out_of_range"}),
        ("close", 1.0, {"close_out_of_range"}),
        ("high", 1.0, {"high_below_low"}),
        ("volume", -1.0, {"negative_volume"}),
        ("low", np.nan, {"not_a_finite_number"}),
        ("volume", np.inf, {"not_a_finite_number"}),
        ("high", 1e300, {"out_of_range"}),
        ("low", 1e-300, {"out_of_range"}),
        ("volume", 1e300, {"out_of_range"}),
    ],
)
def test_a_wrong_bar_is_named_with_its_place(field: str, value: float, codes: set[str]) -> None:
    faults = check_bars(spoilt(field, 3, value))
    assert {f.code for f in faults} == codes
    assert {f.path.split(",")[0] for f in faults} == {"bar 3"}


@pytest.mark.row("G14")
def test_times_must_increase_and_the_first_ten_faults_come_in_order() -> None:
    bars = made_bars(30)
    ts = bars.ts.copy()
    ts[4], ts[9] = ts[3], ts[2]
    volume = bars.volume.copy()
    volume[12:] = -1
    faults = check_bars(replace(bars, ts=ts, volume=volume))
    assert [f.code for f in faults[:2]] == ["duplicate_time", "not_sorted"]
    assert len(faults) == 10
    assert faults[-1].path == "bar 19, column volume"
    assert check_bars(bars) == []
