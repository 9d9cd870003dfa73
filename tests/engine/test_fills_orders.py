"""Entries as tables of bars: every order type, and what it pays. docs/fills.md sections 1, 4 and 5."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Costs, Rules
from tests.engine.made import fills, flat, orders_of, run, statuses

ALL_IN = {"sizing": "fixed", "size_value": 10.0, "max_position_size_pct": None}


def rules(**fields: object) -> Rules:
    return Rules(**{**ALL_IN, **fields})  # type: ignore[arg-type]


@pytest.mark.row("H3", "I1")
def test_a_market_order_fills_at_the_next_open() -> None:
    rows = [(100, 101, 99, 100), (102, 104, 101, 103), (103, 105, 102, 104)]
    result = run(rows, [1, 0, 0], rules())
    assert fills(result) == [(1, "buy", 10.0, 102.0, "signal")]
    assert result.equity["equity"].tolist() == [100_000.0, 100_010.0, 100_020.0]
    assert result.equity["cash"].tolist() == [100_000.0, 98_980.0, 98_980.0]


def test_a_signal_on_the_last_bar_never_fills() -> None:
    result = run(flat(100, 3), [0, 0, 1], rules())
    assert fills(result) == []
    assert statuses(result) == ["working"]


@pytest.mark.row("H3", "I15")
@pytest.mark.parametrize(
    ("costs", "bought", "sold"),
    [
        (Costs(), 102.0, 104.0),
        (Costs(slippage="fixed", slippage_value=0.05), 102.05, 103.95),
        (Costs(slippage="proportional", slippage_value=0.01), 103.02, 102.96),
        # 10 of 1000 traded: the square root of a hundredth is a tenth of 5%
        (Costs(slippage="volume_impact", slippage_value=0.05), 102.51, 103.48),
    ],
)
def test_slippage_is_against_you(costs: Costs, bought: float, sold: float) -> None:
    rows = [(100, 101, 99, 100, 1000), (102, 104, 101, 103, 1000), (104, 105, 102, 104, 1000)]
    result = run(rows, [1, -1, 0], rules(), costs=costs)
    assert [row[3] for row in fills(result)] == [bought, sold]
    assert result.fills["slippage"].tolist() == pytest.approx([bought - 102.0, 104.0 - sold])
    assert result.positions["slippage"][0] == pytest.approx(10 * (bought - 102.0 + 104.0 - sold))


@pytest.mark.row("J10", "I15")
@pytest.mark.parametrize(
    ("costs", "bought", "sold"),
    [
        (Costs(commission_rate=0.001), 1.02, 1.04),
        (Costs(commission_per_share=0.02), 0.2, 0.2),
        (Costs(commission_rate=0.001, commission_per_share=0.02), 1.22, 1.24),
        (Costs(commission_rate=0.001, commission_min=5.0), 5.0, 5.0),
    ],
)
def test_commission_is_part_of_the_fill_not_of_the_price(costs: Costs, bought: float, sold: float) -> None:
    rows = [(100, 101, 99, 100), (102, 104, 101, 103), (104, 105, 102, 104)]
    result = run(rows, [1, -1, 0], rules(), costs=costs)
    assert result.fills["px"].tolist() == [102.0, 104.0]
    assert result.fills["commission"].tolist() == pytest.approx([bought, sold])
    assert result.positions["pnl_net"][0] == pytest.approx(20.0 - bought - sold)
    assert result.final_equity == pytest.approx(100_020.0 - bought - sold)


@pytest.mark.row("I1", "I5")
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((97, 99, 96, 98), [(1, "buy", 10.0, 97.0, "signal")]),  # opens below the limit: at the open
        ((99, 100, 97, 98), [(1, "buy", 10.0, 98.0, "signal")]),  # comes down to it: at the limit
        ((98, 100, 98, 99), [(1, "buy", 10.0, 98.0, "signal")]),  # opens on it
        ((99, 100, 98, 99), [(1, "buy", 10.0, 98.0, "signal")]),  # touches it
        ((99, 100, 98.01, 99), []),  # stays a cent above: rests
    ],
)
def test_a_limit_buy_fills_at_its_price_or_better_without_slippage(second: tuple[float, ...], expected: list) -> None:
    rows = [(100, 101, 99, 100), second, (105, 106, 104, 105)]
    costs = Costs(slippage="fixed", slippage_value=0.5)
    result = run(rows, [1, 0, 0], rules(order_type="limit", limit_offset_pct=2.0, time_in_force="gtc"), costs=costs)
    assert fills(result) == expected


def test_a_limit_sell_short_mirrors_the_buy() -> None:
    rows = [(100, 101, 99, 100), (101, 102.5, 100, 101), (104, 106, 104, 105)]
    result = run(rows, [-1, 0, 0], rules(order_type="limit", limit_offset_pct=2.0, allow_short=True))
    assert fills(result) == [(1, "sell", 10.0, 102.0, "signal")]


@pytest.mark.row("I1")
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((103, 104, 102, 103), [(1, "buy", 10.0, 103.5, "signal")]),  # gaps over the trigger: at the open, + 0.5
        ((100, 102, 99, 101), [(1, "buy", 10.0, 102.5, "signal")]),  # reaches it: at the trigger, + 0.5
        ((100, 101.99, 99, 101), []),
    ],
)
def test_a_stop_buy_fills_at_its_trigger_or_the_gap(second: tuple[float, ...], expected: list) -> None:
    rows = [(100, 101, 99, 100), second, (100, 101, 99, 100)]
    costs = Costs(slippage="fixed", slippage_value=0.5)
    result = run(rows, [1, 0, 0], rules(order_type="stop", stop_offset_pct=2.0), costs=costs)
    assert fills(result) == expected


@pytest.mark.row("I1")
def test_a_stop_limit_becomes_a_limit_at_its_trigger() -> None:
    """The table of docs/fills.md: the gap over the trigger is refused, the way back is taken."""
    rows = [(100, 101, 99, 100), (101, 104, 100, 103), (108, 110, 107, 109), (107, 108, 105, 107)]
    signals = orders_of({"action": 1, "stop_px": 105.0, "limit_px": 106.0}, {}, {}, {})
    result = run(rows, signals, rules(order_type="stop_limit", time_in_force="gtc"))
    assert fills(result) == [(3, "buy", 10.0, 106.0, "signal")]


@pytest.mark.row("I1")
@pytest.mark.parametrize(
    ("second", "price"),
    [
        ((101, 106, 100, 103), 105.0),  # triggered inside the bar: at the trigger, which the limit allows
        ((105.5, 107, 105, 106), 105.5),  # triggered at the open, below the limit
        ((107, 108, 105.9, 107), 106.0),  # triggered at the open above the limit, which the bar reaches
    ],
)
def test_a_stop_limit_may_fill_in_the_bar_that_triggers_it(second: tuple[float, ...], price: float) -> None:
    signals = orders_of({"action": 1, "stop_px": 105.0, "limit_px": 106.0}, {}, {})
    result = run([(100, 101, 99, 100), second, (99, 100, 98, 99)], signals, rules(order_type="stop_limit"))
    assert fills(result) == [(1, "buy", 10.0, price, "signal")]


def test_a_stop_limit_whose_limit_is_below_its_trigger_waits_a_bar() -> None:
    rows = [(100, 101, 99, 100), (101, 106, 100, 103), (104, 105, 103, 104)]
    signals = orders_of({"action": 1, "stop_px": 105.0, "limit_px": 104.0}, {}, {})
    result = run(rows, signals, rules(order_type="stop_limit", time_in_force="gtc"))
    assert fills(result) == [(2, "buy", 10.0, 104.0, "signal")]


@pytest.mark.row("I1")
def test_a_trailing_stop_entry_follows_the_market_down_and_buys_the_turn() -> None:
    rows = [
        (100, 101, 99, 100),  # decided: extreme 100, level 102
        (99, 100, 96, 97),  # extreme 99 at the open, level 100.98: not reached; then 96
        (95, 96.5, 94, 96),  # extreme 95 at the open, level 96.90: not reached; then 94
        (95, 97, 94, 96),  # extreme 94, level 95.88: reached
    ]
    result = run(rows, [1, 0, 0, 0], rules(order_type="trailing_stop", stop_offset_pct=2.0, time_in_force="gtc"))
    assert fills(result) == [(3, "buy", 10.0, 95.88, "signal")]


def test_prices_of_the_signal_come_before_the_offsets() -> None:
    rows = [(100, 101, 99, 100), (100, 101, 95, 99), (99, 100, 98, 99)]
    signals = orders_of({"action": 1, "limit_px": 96.0}, {}, {})
    result = run(rows, signals, rules(order_type="limit", limit_offset_pct=1.0))
    assert fills(result) == [(1, "buy", 10.0, 96.0, "signal")]


@pytest.mark.row("I4")
def test_a_day_order_of_daily_bars_lives_for_the_next_bar() -> None:
    rows = [(100, 101, 99, 100), (100, 101, 99, 100), (96, 97, 95, 96), (96, 97, 95, 96)]
    result = run(rows, [1, 0, 0, 0], rules(order_type="limit", limit_offset_pct=2.0, time_in_force="day"))
    assert fills(result) == []
    assert statuses(result) == ["expired"]


@pytest.mark.row("I4")
def test_gtc_rests_until_it_fills() -> None:
    rows = [(100, 101, 99, 100), *flat(100, 5), (99, 100, 97, 98)]
    result = run(rows, [1, 0, 0, 0, 0, 0, 0], rules(order_type="limit", limit_offset_pct=2.0, time_in_force="gtc"))
    assert fills(result) == [(6, "buy", 10.0, 98.0, "signal")]


@pytest.mark.row("I4")
@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_ioc_and_fok_have_one_chance_at_the_next_open(tif: str) -> None:
    rows = [(100, 101, 99, 100), (99, 100, 97, 98), (97, 98, 96, 97)]
    limit = rules(order_type="limit", limit_offset_pct=2.0, time_in_force=tif)
    result = run(rows, [1, 0, 0], limit)  # the bar trades at 98, its open does not
    assert fills(result) == []
    assert statuses(result) == ["cancelled"]
    result = run([(100, 101, 99, 100), (97, 100, 97, 98)], [1, 0], limit)
    assert fills(result) == [(1, "buy", 10.0, 97.0, "signal")]


@pytest.mark.row("I4", "I6")
@pytest.mark.parametrize(
    ("fields", "expected", "status"),
    [
        ({"time_in_force": "gtc"}, [(1, 100.0), (2, 40.0), (3, 110.0)], "filled"),
        ({"time_in_force": "ioc"}, [(1, 100.0)], "cancelled"),
        ({"time_in_force": "fok"}, [], "cancelled"),
        ({"time_in_force": "gtc", "allow_partial_fills": False}, [(3, 250.0)], "filled"),
        ({"time_in_force": "day"}, [(1, 100.0)], "expired"),
    ],
)
def test_the_volume_cap_fills_in_parts(fields: dict, expected: list, status: str) -> None:
    rows = [(50, 51, 49, 50, 9_999), (50, 51, 49, 50, 1_000), (51, 52, 50, 51, 409), (52, 53, 51, 52, 5_000)]
    result = run(rows, [1, 0, 0, 0], rules(size_value=250.0, **fields), costs=Costs(volume_cap_ratio=0.1))
    assert [(bar, qty) for bar, _, qty, _, _ in fills(result)] == expected
    assert statuses(result) == [status]


@pytest.mark.row("I6")
def test_an_exit_takes_what_volume_there_is() -> None:
    """Reducing risk does not wait for volume, also where entries are all or nothing."""
    rows = [(50, 51, 49, 50, 9_999), (50, 51, 49, 50, 9_999), (51, 52, 50, 51, 300), (52, 53, 51, 52, 5_000)]
    whole = rules(size_value=100.0, allow_partial_fills=False, time_in_force="gtc")
    result = run(rows, [1, -1, 0, 0], whole, costs=Costs(volume_cap_ratio=0.1))
    assert [(bar, side, qty) for bar, side, qty, _, _ in fills(result)] == [
        (1, "buy", 100.0),
        (2, "sell", 30.0),
        (3, "sell", 70.0),
    ]
    assert result.positions["exit_px"][0] == pytest.approx((30 * 51 + 70 * 52) / 100)


def test_an_unfilled_order_is_cancelled_after_its_timeout() -> None:
    rows = [(100, 101, 99, 100), *flat(100, 3), (99, 100, 90, 98)]
    resting = rules(order_type="limit", limit_offset_pct=2.0, time_in_force="gtc", order_timeout_bars=3)
    result = run(rows, [1, 0, 0, 0, 0], resting)
    assert fills(result) == []
    assert statuses(result) == ["cancelled"]


@pytest.mark.row("H3")
def test_latency_is_counted_from_the_decision_to_an_opening() -> None:
    """Minute bars: decided at 00:01, live 90 seconds later, so in the bar that opens at 00:03."""
    rows = [(100 + k, 101 + k, 99 + k, 100 + k) for k in range(6)]
    result = run(rows, [1, 0, 0, 0, 0, 0], rules(latency_ms=90_000), timeframe="1m")
    assert result.fills["px"].tolist() == [103.0]


@pytest.mark.row("H3")
def test_this_close_fills_where_the_signal_was() -> None:
    rows = [(100, 101, 99, 100), (102, 120, 80, 100), (104, 106, 103, 105), (90, 91, 89, 90)]
    both = rules(fill_at="this_close", stop_loss_pct=5.0, take_profit_pct=3.0)
    result = run(rows, [0, 1, 0, 0], both)
    # the wild bar came before the fill at its close; stop and target are live from the next bar on
    assert fills(result) == [(1, "buy", 10.0, 100.0, "signal"), (2, "sell", 10.0, 104.0, "take_profit")]
    assert result.ambiguous_bars == 0
    assert result.equity["equity"][1] == 100_000.0


def test_close_at_end_sells_at_the_last_close() -> None:
    rows = [(100, 101, 99, 100), (102, 104, 101, 103), (103, 105, 102, 104)]
    result = run(rows, [1, 0, 0], rules(close_at_end=True), costs=Costs(slippage="fixed", slippage_value=1.0))
    assert fills(result) == [(1, "buy", 10.0, 103.0, "signal"), (2, "sell", 10.0, 103.0, "end")]
    assert result.final_equity == 100_000.0
    assert len(result.open_positions) == 0
    kept = run(rows, [1, 0, 0], rules())
    assert kept.open_positions["unrealised"].tolist() == [20.0]


def test_a_rate_of_fills_and_orders_is_told_in_frames() -> None:
    result = run([(100, 101, 99, 100), (102, 104, 101, 103)], [1, 0], rules())
    frame = result.orders.frame()
    assert frame[["symbol", "kind", "tif", "status", "reason"]].iloc[0].tolist() == [
        "A",
        "market",
        "day",
        "filled",
        "signal",
    ]
    assert str(frame["done_ts"][0]) == "2020-01-02 00:00:00+00:00"
    assert np.array_equal(result.fills.frame()["qty"], [10.0])
