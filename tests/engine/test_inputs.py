"""What the engine refuses, and what its results export."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from engine import Bars, Costs, InputError, Portfolio, Rules, simulate, simulate_many
from engine.rules import costs_from, rules_from
from tests.engine.made import bars_of, flat, orders_of, random_bars, run

DAY = 86_400_000_000_000
THREE = ["stop_loss_pct", "sizing", "max_open_positions"]


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"stop_loss_pct": True}, ["stop_loss_pct"]),
        ({"stop_loss_pct": "2"}, ["stop_loss_pct"]),
        ({"stop_loss_pct": float("nan")}, ["stop_loss_pct"]),
        ({"size_value": float("inf")}, ["size_value"]),
        ({"stop_loss_pct": 0.0}, ["stop_loss_pct"]),
        (
            {"stop_loss_pct": -1.0, "sizing": "all", "max_open_positions": 1.5},
            ["stop_loss_pct", "sizing", "max_open_positions"],
        ),
        ({"max_holding_bars": 0}, ["max_holding_bars"]),
        ({"allow_short": 1}, ["allow_short"]),
        ({"fill_at": "this_close", "order_type": "limit"}, ["order_type"]),
        ({"fill_at": "this_close", "time_in_force": "opg"}, ["time_in_force"]),
        ({"fill_at": "this_close", "latency_ms": 5}, ["latency_ms"]),
        ({"order_type": "trailing_stop"}, ["stop_offset_pct"]),
        ({"order_type": "stop", "time_in_force": "cls"}, ["order_type"]),
        ({"rebalance": "daily", "sizing": "kelly"}, ["sizing"]),
        ({"min_confidence": 1.1}, ["min_confidence"]),
        ({"colour": "red"}, ["colour"]),
    ],
)
def test_rules_name_every_fault(fields: dict, paths: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        rules_from(fields)
    assert [fault.path for fault in caught.value.faults] == paths
    assert all(fault.message and fault.code for fault in caught.value.faults)


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    "fields",
    [
        {"commission_rate": -0.1},
        {"commission_rate": 0.6},
        {"slippage": "some"},
        {"slippage": "proportional", "slippage_value": 0.9},
        {"volume_cap_ratio": 0.0},
        {"fee": 1.0},
    ],
)
def test_costs_refuse_what_makes_no_sense(fields: dict) -> None:
    with pytest.raises(InputError):
        costs_from(fields)
    assert costs_from({"commission_rate": 0.001}) == Costs(commission_rate=0.001)


@pytest.mark.row("A8", "G14")
@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"high": [101, 98, 101]}, "row 1", "out_of_range"),
        ({"low": [99, 102, 99]}, "row 1", "out_of_range"),
        ({"close": [100, float("nan"), 100]}, "close[1]", "not_a_finite_number"),
        ({"open": [100, -1, 100]}, "open[1]", "out_of_range"),
        ({"volume": [1, 1, -1]}, "volume[2]", "out_of_range"),
        ({"ts": [0, DAY, DAY]}, "ts[2]", "duplicate"),
        ({"ts": [0, 2 * DAY, DAY]}, "ts[2]", "unsorted"),
        ({"ts": [0, DAY]}, "open", "wrong_length"),
        ({"close": ["a", "b", "c"]}, "close", "not_a_number"),
    ],
)
def test_bars_are_checked_once_with_row_and_column(change: dict, path: str, code: str) -> None:
    good = {
        "ts": [0, DAY, 2 * DAY],
        "open": [100, 100, 100],
        "high": [101, 101, 101],
        "low": [99, 99, 99],
        "close": [100, 100, 100],
        "volume": [1, 1, 1],
    }
    Bars("A", "1d", "24/7", **good)
    with pytest.raises(InputError) as caught:
        Bars("A", "1d", "24/7", **{**good, **change})
    assert (path, code) in [(fault.path, fault.code) for fault in caught.value.faults]
    assert len(caught.value.faults) <= 10


@pytest.mark.parametrize(
    ("legs", "path", "code"),
    [
        ("AB", "legs", "wrong_type"),
        (3, "legs", "wrong_type"),
        (["AB"], "legs[0]", "wrong_type"),
        ([["A", "X"]], "legs[0][1]", "unknown_field"),
        ([["A"], ["B", "A"]], "legs[1][1]", "conflict"),
        ([["A", ["B"]]], "legs[0][1]", "unknown_field"),
    ],
)
def test_legs_are_groups_of_traded_symbols(legs: object, path: str, code: str) -> None:
    bars = {name: bars_of(flat(100, 3), symbol=name) for name in "AB"}
    signals = dict.fromkeys("AB", np.zeros(3, np.int8))
    for refused in (
        lambda: simulate(bars, signals, legs=legs),
        lambda: simulate_many(bars, signals=[signals], legs=legs),
        lambda: Portfolio(bars, legs=legs),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert [(fault.path, fault.code) for fault in caught.value.faults] == [(path, code)]


def test_an_action_that_is_none_names_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        run(flat(100, 3), [0, 3, 0], Rules())
    assert caught.value.faults[0].path == "signals['A'][1]"
    assert "+2 exit short" in caught.value.faults[0].hint


def test_bars_from_a_frame_and_back() -> None:
    index = pd.date_range("2020-01-01", periods=3, freq="D", tz="America/New_York")
    frame = pd.DataFrame({"Open": [1.0] * 3, "High": [2.0] * 3, "Low": [0.5] * 3, "Close": [1.5] * 3}, index=index)
    bars = Bars.from_frame(frame, "A", "1d", lot_size=10.0)
    assert bars.frame().index[0] == pd.Timestamp("2020-01-01T05:00Z")
    assert bars.volume.tolist() == [0.0, 0.0, 0.0]
    assert len(bars[1:]) == 2
    assert bars[1:].lot_size == 10.0
    assert len(bars.between(int(bars.ts[1]), None)) == 2
    assert not bars.close.flags.writeable
    with pytest.raises(InputError):
        Bars.from_frame(frame.drop(columns="Low"), "A", "1d")
    with pytest.raises(InputError):
        Bars.from_frame(frame.reset_index(), "A", "1d")


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("signals", "options"),
    [
        ({"A": np.zeros(4, np.int8)}, {}),
        ({"A": np.full(5, 3, np.int8)}, {}),
        ({"A": np.zeros(5)}, {}),
        ({"B": np.zeros(5, np.int8)}, {}),
        ({}, {}),
        ({"A": orders_of({"confidence": 1.5}, *[{}] * 4)}, {}),
        ({"A": orders_of({"limit_px": -1.0}, *[{}] * 4)}, {}),
        ({"A": orders_of({"target_weight": np.inf}, *[{}] * 4)}, {}),
        ({"A": np.zeros(5, dtype=[("side", np.int8)])}, {}),
        ({"A": np.zeros(5, np.int8)}, {"starting_cash": 0}),
        ({"A": np.zeros(5, np.int8)}, {"starting_cash": float("nan")}),
        ({"A": np.zeros(5, np.int8)}, {"starting_cash": "much"}),
        ({"A": np.zeros(5, np.int8)}, {"rules": Rules(window=np.ones(4, dtype=bool))}),
        ({"A": np.zeros(5, np.int8)}, {"match_bars": {"B": bars_of(flat(1, 5))}}),
    ],
)
def test_simulate_refuses_inputs_that_do_not_fit(signals: dict, options: dict) -> None:
    with pytest.raises(InputError):
        simulate({"A": bars_of(flat(100, 5))}, signals, **options)


def test_symbols_of_one_run_share_a_timeframe_and_have_bars() -> None:
    minute = random_bars(1, 5)
    with pytest.raises(InputError, match="one timeframe"):
        simulate({"A": bars_of(flat(100, 5)), "B": minute}, {"A": np.zeros(5, np.int8), "B": np.zeros(5, np.int8)})
    with pytest.raises(InputError, match="no bars"):
        simulate({"A": minute[:0]}, {"A": np.zeros(0, np.int8)})
    with pytest.raises(InputError):
        simulate({}, {})


@pytest.mark.row("H6")
def test_the_export_is_plain_json() -> None:
    rows = [(100, 101, 99, 100), (102, 104, 101, 103), (104, 105, 102, 104), (105, 106, 104, 105)]
    result = run(rows, [1, -1, 1, 0], Rules(sizing="fixed", size_value=10.0), costs=Costs(commission_per_share=0.1))
    out = result.to_dict()
    assert json.loads(json.dumps(out, allow_nan=False)) == out
    trade = {key: out["trades"][0][key] for key in ("symbol", "side", "entry_time", "entry_price", "exit_time")}
    assert trade == {
        "symbol": "A",
        "side": "long",
        "entry_time": "2020-01-02T00:00:00Z",
        "entry_price": 102.0,
        "exit_time": "2020-01-03T00:00:00Z",
    }
    assert out["trades"][0]["pnl_net"] == 18.0
    assert out["trades"][0]["exit_reason"] == "signal"
    assert [(row["size"], row["price"], row["commission"]) for row in out["orders"]] == [
        (10.0, 102.0, 1.0),
        (-10.0, 104.0, 1.0),
        (10.0, 105.0, 1.0),
    ]
    assert out["open_position"][0]["size"] == 10.0
    assert out["open_position"][0]["entry_time"] == "2020-01-04T00:00:00Z"
    assert out["equity"][-1] == ["2020-01-04T00:00:00Z", out["final_equity"]]
    assert out["final_equity"] == 100_000.0 + 18.0 - 1.0
    assert out["metrics"]["trade_count"] == 1
    assert list(result.to_dict(["sharpe"])["metrics"]) == ["sharpe"]


@pytest.mark.row("H10")
def test_drawdown_is_counted_from_the_initial_cash_on_closing_marks() -> None:
    rows = [(100, 100, 100, 100), (100, 100, 50, 90), (90, 120, 60, 99), (99, 140, 99, 130), (130, 130, 65, 65)]
    result = run(rows, [1, 0, 0, 0, 0], Rules(sizing="fixed", size_value=100.0, max_position_size_pct=None))
    # equity 100,000, 99,000, 99,900, 103,000, 96,500
    assert result.to_dict()["max_drawdown"] == pytest.approx(6_500 / 103_000)
    assert result.metrics()["max_drawdown_start"].startswith("2020-01-04")
    early = run(rows[:3], [1, 0, 0], Rules(sizing="fixed", size_value=100.0, max_position_size_pct=None))
    assert early.to_dict()["max_drawdown"] == pytest.approx(0.01)


@pytest.mark.row("H11")
def test_a_benchmark_is_marked_on_the_same_dates() -> None:
    bars = bars_of([(price,) * 4 for price in (100.0, 110.0, 121.0)])
    flat_signals = np.zeros(3, dtype=np.int8)
    result = simulate({"A": bars}, {"A": flat_signals}, benchmark=bars)
    assert result.metrics()["benchmark_return_pct"] == pytest.approx(21.0)
    assert simulate({"A": bars}, {"A": flat_signals}).metrics()["benchmark_return_pct"] is None


def test_rules_cost_no_heavy_import() -> None:
    """A web process may check rules, errors and metrics' names without numba or pandas."""
    program = (
        "import sys; from engine.rules import Rules; from engine import InputError, Costs, metrics; Rules();"
        "print(sorted({'numba', 'pandas', 'talib', 'scipy', 'exchange_calendars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("order", ["simulate", "sweep", "resample", "portfolio"])
def test_the_public_names_are_the_same_whatever_was_imported_first(order: str) -> None:
    first = {
        "simulate": "import engine.backtest",
        "sweep": "import engine.sweep",
        "resample": "import engine.resample",
        "portfolio": "import engine.portfolio",
    }[order]
    program = f"{first}; import engine; print(all(callable(getattr(engine, n)) for n in ('simulate', 'simulate_many')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
