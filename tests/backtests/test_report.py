"""The shapes that pages draw: thinning keeps what the eye looks for, tables sort and filter, months add up."""

from __future__ import annotations

import numpy as np
import pytest

from backtests import parts
from backtests.runner import benchmark, report
from engine.errors import InputError
from engine.types import EQUITY, FILL, ROUND_TRIP

DAY = 86_400_000_000_000


def trips(rows: list[dict[str, float]]) -> np.ndarray:
    array = np.zeros(len(rows), dtype=ROUND_TRIP)
    for i, row in enumerate(rows):
        for name, value in row.items():
            array[name][i] = value
    return array


SOME = trips(
    [
        {"symbol": 1, "side": 1, "qty": 10, "entry_px": 100, "pnl_net": 100, "exit_ts": 5, "exit_reason": 3},
        {"symbol": 0, "side": -1, "qty": 10, "entry_px": 50, "pnl_net": -100, "exit_ts": 6, "exit_reason": 2},
        {"symbol": 0, "side": 1, "qty": 10, "entry_px": 10, "pnl_net": 100, "exit_ts": 7},
    ]
)


def test_thinning_keeps_both_ends_and_every_extreme() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=100_000).cumsum()
    values[12_345], values[77_777] = 1e6, -1e6
    index = report.kept(values)
    assert len(index) <= report.CHART_POINTS
    assert {0, 12_345, 77_777, 99_999} <= set(index.tolist())
    assert (np.diff(index) > 0).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3_999, 4_000, 4_001, 4_002, 8_001, 491_400])
def test_thinning_never_exceeds_its_limit_and_keeps_short_lines_whole(n: int) -> None:
    index = report.kept(np.sin(np.arange(n)))
    assert len(index) <= report.CHART_POINTS
    if n <= report.CHART_POINTS:
        assert len(index) == n


def test_bars_that_share_a_candle_keep_its_range_and_volume() -> None:
    n = 10_000
    ts = np.arange(n, dtype=np.int64) * 60_000_000_000
    close = 100 + np.sin(np.arange(n) / 50)
    fills = np.zeros(1, dtype=FILL)
    fills["ts"], fills["px"], fills["qty"], fills["side"], fills["entry"] = ts[5_000], close[5_000], 3, -1, 1
    overlay = {"name": "sma", "label": "SMA", "pane": "price", "values": np.where(np.arange(n) < 10, np.nan, close)}
    chart = report.price_chart("X", ts, [close, close + 1, close - 1, close, np.ones(n)], [overlay], fills)
    assert chart["bars_per_candle"] == 3
    assert len(chart["time"]) == len(chart["high"]) == len(chart["overlays"][0]["values"]) <= report.CHART_POINTS
    assert max(chart["high"]) == pytest.approx(close.max() + 1)
    assert sum(chart["volume"]) == n
    assert chart["overlays"][0]["values"][0] is None
    trade = chart["trades"][0]
    assert trade["qty"] == -3
    assert trade["time"] <= 5_000 * 60 < trade["time"] + 180, "the trade is drawn on the candle that holds its bar"


def test_drawdown_counts_from_the_initial_cash() -> None:
    assert report.drawdown_pct(np.array([90.0, 120.0, 60.0]), 100.0).tolist() == pytest.approx([-10.0, 0.0, -50.0])


def test_months_and_years_compound_to_the_total() -> None:
    days = np.arange("2010-11-15", "2012-02-10", dtype="datetime64[D]")
    equity = 100.0 * np.exp(np.linspace(0, 0.5, len(days)))
    table = report.monthly_returns(days, equity, 100.0)
    assert [row["year"] for row in table] == [2010, 2011, 2012]
    assert table[0]["months"][9] is None
    assert table[0]["months"][10] is not None
    grown = 1.0
    for row in table:
        year = 1.0
        for month in row["months"]:
            year *= 1 + (month or 0.0) / 100
        assert year == pytest.approx(1 + row["year_pct"] / 100)
        grown *= year
    assert grown == pytest.approx(equity[-1] / 100.0)


def test_the_histogram_counts_every_day_once() -> None:
    equity = np.array([101.0, 50.0, 51.0, 51.0, 52.0])
    counted = report.histogram(equity, 100.0)
    assert sum(counted["counts"]) == 5
    assert len(counted["edges_pct"]) == len(counted["counts"]) + 1
    assert report.histogram(np.empty(0), 100.0) == {"edges_pct": [], "counts": []}


def test_round_trips_sort_both_ways_with_ties_in_order_of_exit() -> None:
    symbols = ["A", "B"]
    up = report.round_trip_rows(report.select(SOME, symbols, "pnl_net", {}), symbols)
    down = report.round_trip_rows(report.select(SOME, symbols, "-pnl_net", {}), symbols)
    assert [row["exit_time"] for row in up] == [row["exit_time"] for row in [up[0], down[0], down[1]]]
    assert [(row["symbol"], row["side"]) for row in down] == [("B", "LONG"), ("A", "LONG"), ("A", "SHORT")]
    assert [row["return_pct"] for row in report.round_trip_rows(SOME, symbols)] == [10.0, -20.0, 100.0]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"symbol": "A"}, 2),
        ({"symbol": "nobody"}, 0),
        ({"side": "SHORT"}, 1),
        ({"result": "win"}, 2),
        ({"result": "loss", "symbol": "B"}, 0),
        ({"exit_reason": "stop_loss"}, 1),
        ({"exit_reason": "no_such"}, 0),
    ],
)
def test_round_trips_are_filtered(filters: dict[str, str], count: int) -> None:
    assert len(report.select(SOME, ["A", "B"], "symbol", filters)) == count


@pytest.mark.parametrize(
    ("sort", "filters"), [("nope", {}), ("--qty", {}), ("qty", {"owner": "1"}), ("qty", {"side": "UP"})]
)
def test_unknown_sorts_and_filters_are_refused(sort: str, filters: dict[str, str]) -> None:
    with pytest.raises(InputError):
        report.select(SOME, ["A", "B"], sort, filters)


def test_parts_come_back_bit_for_bit() -> None:
    rng = np.random.default_rng(2)
    equity = np.zeros(1_000, dtype=EQUITY)
    equity["ts"], equity["equity"] = np.arange(1_000) * DAY, rng.normal(size=1_000)
    equity["cash"][3] = np.nan
    for array in (equity, SOME, np.zeros(0, dtype=FILL)):
        back = parts.unpack(parts.pack(array))
        assert back.dtype.names == array.dtype.names
        for name in array.dtype.names or ():
            assert back[name].tobytes() == np.ascontiguousarray(array[name]).tobytes()
    assert parts.unpack(parts.pack({"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}


def test_holding_waits_in_cash_for_a_symbol_that_lists_later() -> None:
    class Series:
        def __init__(self, ts: list[int], close: list[float]) -> None:
            self.ts, self.close = np.array(ts, dtype=np.int64) * DAY, np.array(close)

    held = benchmark.held({"A": Series([0, 1, 2], [10, 11, 12]), "B": Series([1, 2], [5, 10])}, np.arange(3) * DAY)
    assert held.tolist() == pytest.approx([1.0, 1.05, 1.6])
    daily = benchmark.daily(np.array([0, DAY // 2, DAY]), np.array([1.0, 2.0, 3.0]))
    assert daily["date"].tolist() == [0, 1]
    assert daily["equity"].tolist() == [2.0, 3.0]
