"""Orders and the exchange's day: DAY, OPG, CLS, daily limits, finer matching. docs/fills.md sections 5, 10 and 13."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from engine import Bars, Costs, InputError, Rules, TradingWindow, simulate
from tests.engine.made import bars_of, fills, flat, orders_of, run, statuses

HOUR = 3_600_000_000_000
# XNYS in January 2020 opens at 14:30Z and closes at 21:00Z.
MONDAY = 1_578_268_800_000_000_000  # 2020-01-06T00:00Z


def half_hours(first_day_prices: list[float], second_day_prices: list[float]) -> Bars:
    """15-minute bars of XNYS, flat at one price each: from 20:00Z on Monday, from 14:30Z on Tuesday."""
    ts = [MONDAY + 20 * HOUR + k * HOUR // 4 for k in range(len(first_day_prices))]
    ts += [MONDAY + 38 * HOUR + HOUR // 2 + k * HOUR // 4 for k in range(len(second_day_prices))]
    px = np.array(first_day_prices + second_day_prices)
    return Bars.from_arrays("A", "15m", ts, px, px, px, px, np.full(len(px), 1e6), calendar="XNYS")


def trade(bars: Bars, at: int, **fields: object) -> list[float]:
    """Prices of the fills after a buy signal on bar `at`."""
    signals = np.zeros(len(bars), dtype=np.int8)
    signals[at] = 1
    base: dict = {"sizing": "fixed", "size_value": 1.0, "max_position_size_pct": None}
    result = simulate({"A": bars}, {"A": signals}, rules=Rules(**{**base, **fields}))
    return [float(px) for px in result.fills["px"]]


@pytest.mark.row("I4")
def test_a_day_order_ends_with_the_session() -> None:
    below = half_hours([100, 101, 102, 103], [98, 97])
    limit = {"order_type": "limit", "limit_offset_pct": 1.0}
    assert trade(below, 1, time_in_force="day", **limit) == []  # 99.99 is not reached on Monday
    assert trade(below, 1, time_in_force="gtc", **limit) == [98.0]


@pytest.mark.row("I4")
def test_a_day_order_placed_at_the_close_belongs_to_the_next_session() -> None:
    bars = half_hours([100, 101, 102, 103], [104, 105])
    assert trade(bars, 3, time_in_force="day") == [104.0]  # decided at 21:00Z sharp
    assert trade(bars, 2, time_in_force="day") == [103.0]


@pytest.mark.row("I4")
def test_a_day_order_dies_when_the_session_has_no_further_bar() -> None:
    bars = half_hours([100, 101, 102], [104, 105])  # the 20:45Z bar is missing
    assert trade(bars, 2, time_in_force="day") == []
    assert trade(bars, 2, time_in_force="gtc") == [104.0]


@pytest.mark.row("I4")
def test_opg_takes_the_open_of_a_session_and_cls_its_close() -> None:
    bars = half_hours([100, 101, 102, 103], [104, 105, 106])
    assert trade(bars, 0, time_in_force="opg") == [104.0]
    assert trade(bars, 0, time_in_force="cls") == [103.0]
    assert trade(bars, 3, time_in_force="cls") == []  # Tuesday's close is not in the data


@pytest.mark.row("I4")
def test_an_auction_exit_leaves_the_stop_live_until_its_auction() -> None:
    bars = half_hours([100, 100, 90, 103], [104, 105])
    signals = np.array([0, 0, 0, 0, 0, 0], dtype=np.int8)
    signals[0] = 1
    base = Rules(sizing="fixed", size_value=1.0, time_in_force="cls", stop_loss_pct=5.0)
    assert len(simulate({"A": bars}, {"A": signals}, rules=base).fills) == 1
    daily = [(100, 101, 99, 100)] * 2 + [(100, 101, 90, 99), (99, 100, 98, 99)]
    result = run(daily, [1, -1, 0, 0], base)
    assert fills(result)[1:] == [(2, "sell", 1.0, 95.0, "stop_loss")]
    assert statuses(result) == ["filled", "cancelled", "filled"]
    calm = run(daily[:2] * 2, [1, -1, 0, 0], base)
    assert [(bar, px) for bar, _, _, px, _ in fills(calm)] == [(1, 100.0), (2, 100.0)]


@pytest.mark.row("J6")
@pytest.mark.parametrize("limit", [{"daily_loss_limit_pct": 1.0}, {"daily_loss_limit_abs": 1_000.0}])
def test_the_daily_loss_limit_closes_all_and_ends_the_day(limit: dict) -> None:
    rows = [(100, 100, 100, 100)] * 2 + [(99, 99, 88, 89)] + flat(88, 24) + flat(90, 3)
    signals = [1, 0, 0, 1] + [0] * 20 + [1] + [0] * 5
    base: dict = {"sizing": "fixed", "size_value": 100.0, "max_position_size_pct": None, "time_in_force": "gtc"}
    result = run(rows, signals, Rules(**base, **limit), timeframe="1h")
    frame = result.fills.frame()
    assert frame["reason"].tolist() == ["signal", "daily_loss", "signal"]
    assert frame["px"].tolist() == [100.0, 88.0, 88.0]  # lost 1,100 at the close of bar 2, sold at the next open
    assert str(frame["ts"].iloc[2]) == "2020-01-02 01:00:00+00:00"  # the bar of midnight is on the next day
    assert result.denials.frame()["reason"].tolist() == ["daily_loss_halt"]


@pytest.mark.row("J6")
def test_the_drawdown_halt_ends_the_run() -> None:
    rows = [*flat(100, 2), (100, 100, 80, 80), *flat(80, 5)]
    rules = Rules(sizing="fixed", size_value=500.0, max_position_size_pct=None, max_drawdown_pct=10.0)
    result = run(rows, [1, 0, 0, 0, 1, 1, 0, 0], rules)
    assert [row[-1] for row in fills(result)] == ["signal", "max_drawdown"]
    assert result.denials.frame()[["reason", "count"]].iloc[0].tolist() == ["drawdown_halt", 2]


@pytest.mark.row("J7", "H2")
def test_a_window_holds_back_entries_never_exits() -> None:
    mask = np.array([False, True, False, False, True])
    rules = Rules(sizing="fixed", size_value=1.0, window=mask)
    result = run(flat(100, 5), [1, 1, -1, 1, 0], rules)
    assert [(bar, side) for bar, side, *_ in fills(result)] == [(2, "buy"), (3, "sell")]
    assert result.denials.frame()[["reason", "count"]].values.tolist() == [["outside_window", 2]]


@pytest.mark.row("J7", "W13")
def test_a_trading_window_reads_the_exchanges_clock() -> None:
    bars = half_hours([100, 101, 102, 103], [104, 105, 106, 107])
    signals = np.ones(8, dtype=np.int8)
    until_ten = TradingWindow(start=dt.time(9, 30), end=dt.time(10, 0))
    rules = Rules(sizing="fixed", size_value=1.0, window=until_ten)
    result = simulate({"A": bars}, {"A": signals}, rules=rules)
    # the first decision allowed is at 09:45 New York on Tuesday, so the fill is the next bar's open
    assert result.fills["px"].tolist() == [105.0]
    assert result.denials["count"].tolist() == [4]


@pytest.mark.row("J9")
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # at 200, 500 units are 100,000 of 150,000: half is 375. At 400 these are 150,000 of 225,000: half is 281
        ("daily", [(1, "buy", 500.0), (3, "sell", 125.0), (6, "sell", 94.0)]),
        ("weekly", [(1, "buy", 500.0), (6, "sell", 188.0)]),  # 200,000 of 250,000: half is 312
        ("monthly", [(1, "buy", 500.0)]),
        ("on_target_weights", [(1, "buy", 500.0)]),
    ],
)
def test_target_weights_are_restored_when_due(mode: str, expected: list) -> None:
    """Half of equity in a market that doubles twice: rebalancing sells what has grown too large.

    2020-01-01 is a Wednesday: bar 5 is the first of a week.
    """
    rows = [(100,) * 4, (100,) * 4, (200,) * 4, (200,) * 4, (200,) * 4, (400,) * 4, (400,) * 4]
    signals = orders_of({"target_weight": 0.5}, *[{}] * 6)
    result = run(rows, signals, Rules(rebalance=mode, max_position_size_pct=None))
    assert [(bar, side, qty) for bar, side, qty, *_ in fills(result)] == expected
    assert set(result.fills.frame()["reason"]) == {"rebalance"}


@pytest.mark.row("J9")
def test_on_signal_restores_the_weights_of_the_sizing_method() -> None:
    rows = [(100,) * 4, (100,) * 4, (200,) * 4, (200,) * 4]
    bars = {name: bars_of(rows if name == "A" else flat(50, 4), symbol=name) for name in "AB"}
    signals = {"A": np.array([1, 0, 0, 0], np.int8), "B": np.array([0, 0, 1, 0], np.int8)}
    rules = Rules(sizing="equal_weight", rebalance="on_signal", max_position_size_pct=None)
    frame = simulate(bars, signals, rules=rules).fills.frame()
    # A: 500 at 100. At 200 equity is 150,000; half of it is 375 A and 1,500 B
    assert frame[["symbol", "side", "qty", "reason"]].values.tolist() == [
        ["A", 1, 500.0, "signal"],
        ["A", -1, 125.0, "rebalance"],
        ["B", 1, 1_500.0, "signal"],
    ]


def test_a_negative_weight_needs_shorting() -> None:
    signals = orders_of({"target_weight": -0.2}, {})
    none = run(flat(100, 2), signals, Rules(rebalance="on_target_weights"))
    assert none.denials.frame()["reason"].tolist() == ["short_not_allowed"]
    short = run(flat(100, 2), signals, Rules(rebalance="on_target_weights", allow_short=True))
    assert fills(short) == [(1, "sell", 200.0, 100.0, "rebalance")]


@pytest.mark.row("H15", "G15")
def test_deciding_on_hours_and_matching_on_quarters() -> None:
    """The hour's signal sits on its last quarter; the stop is found inside the hour."""
    quarters = [(100, 101, 99, 100)] * 4 + [
        (101, 102, 100, 101),
        (101, 101, 94, 95),
        (95, 120, 95, 119),
        (119, 119, 118, 118),
    ]
    hours = [(100, 101, 99, 100), (101, 120, 94, 118)]
    fine, coarse = bars_of(quarters, timeframe="15m"), bars_of(hours, timeframe="1h")
    rules = Rules(sizing="fixed", size_value=1.0, stop_loss_pct=5.0, take_profit_pct=10.0, time_in_force="gtc")
    signals = {"A": np.array([1, 0], dtype=np.int8)}
    result = simulate({"A": coarse}, signals, rules=rules, match_bars={"A": fine})
    assert result.fills["px"].tolist() == [101.0, 95.95]
    assert result.ambiguous_bars == 0
    assert len(result.equity) == 8
    held = simulate({"A": coarse}, signals, rules=Rules(max_holding_bars=1), match_bars={"A": fine})
    assert len(held.fills) == 1  # the hour it is held for ends with the data
    with pytest.raises(InputError, match="finer"):
        simulate({"A": coarse}, signals, rules=rules, match_bars={"A": coarse})


def test_costs_of_a_volume_cap_do_not_touch_a_run_without_one() -> None:
    capped = run(flat(100, 3), [1, 0, 0], Rules(), costs=Costs(volume_cap_ratio=1.0))
    free = run(flat(100, 3), [1, 0, 0], Rules())
    assert np.array_equal(np.asarray(capped.fills), np.asarray(free.fills))
