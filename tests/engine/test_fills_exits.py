"""Protective exits as tables of bars: stop, target, trailing stop, time. docs/fills.md sections 1 and 6."""

from __future__ import annotations

import pytest

from engine import Costs, Rules
from tests.engine.made import fills, flat, orders_of, run, statuses

ENTRY = (100, 101, 99, 100)  # the bar that decides; the next one opens at 100


def rules(**fields: object) -> Rules:
    base: dict = {"sizing": "fixed", "size_value": 10.0, "max_position_size_pct": None}
    return Rules(**{**base, **fields})


@pytest.mark.row("H4", "J1", "J2")
def test_the_story_of_the_first_table() -> None:
    """docs/fills.md section 1, to the share."""
    rows = [(100, 101, 99, 100), (102, 104, 101, 103), (95, 99, 94, 98), (99, 112, 93, 97)]
    result = run(rows, [1, 0, 1, 0], Rules(stop_loss_pct=5.0, take_profit_pct=10.0))
    assert fills(result) == [
        (1, "buy", 100.0, 102.0, "signal"),
        (2, "sell", 100.0, 95.0, "stop_loss"),
        (3, "buy", 101.0, 99.0, "signal"),
        (3, "sell", 101.0, 94.05, "stop_loss"),
    ]
    assert result.ambiguous_bars == 1


@pytest.mark.row("H4", "J1")
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((100, 101, 95, 96), [(1, 95.0, "stop_loss")]),  # live on the entry bar, after its open
        ((100, 101, 95.01, 96), []),
        ((100, 111, 95, 96), [(1, 95.0, "stop_loss")]),  # both in range: the stop
        ((100, 110, 96, 96), [(1, 110.0, "take_profit")]),
    ],
)
def test_stop_and_target_are_live_on_the_entry_bar(second: tuple[float, ...], expected: list) -> None:
    result = run([ENTRY, second, (100, 101, 99, 100)], [1, 0, 0], rules(stop_loss_pct=5.0, take_profit_pct=10.0))
    assert [(bar, px, reason) for bar, side, _, px, reason in fills(result) if side == "sell"] == expected


@pytest.mark.row("H4", "J1", "J2")
@pytest.mark.parametrize(
    ("third", "expected", "ambiguous"),
    [
        ((94, 99, 90, 98), (94.0, "stop_loss"), 0),  # a gap is paid in full
        ((95, 99, 94, 98), (95.0, "stop_loss"), 0),  # opens on the stop
        ((98, 99, 94, 98), (95.0, "stop_loss"), 0),
        ((112, 113, 99, 100), (112.0, "take_profit"), 0),  # opens beyond the target: at the open
        ((112, 113, 94, 100), (112.0, "take_profit"), 0),  # … even if the stop is reached later
        ((100, 113, 99, 100), (110.0, "take_profit"), 0),
        ((100, 113, 94, 100), (95.0, "stop_loss"), 1),  # nobody knows which came first
    ],
)
def test_long_exits(third: tuple[float, ...], expected: tuple[float, str], ambiguous: int) -> None:
    rows = [ENTRY, (100, 101, 99, 100), third, (100, 101, 99, 100)]
    result = run(rows, [1, 0, 0, 0], rules(stop_loss_pct=5.0, take_profit_pct=10.0))
    assert [(px, reason) for _, side, _, px, reason in fills(result) if side == "sell"] == [expected]
    assert result.ambiguous_bars == ambiguous


@pytest.mark.row("J1", "J2")
@pytest.mark.parametrize(
    ("third", "expected"),
    [
        ((106, 110, 101, 102), (106.0, "stop_loss")),
        ((102, 106, 101, 102), (105.0, "stop_loss")),
        ((89, 90, 88, 90), (89.0, "take_profit")),
        ((95, 96, 88, 90), (90.0, "take_profit")),
        ((95, 106, 88, 90), (105.0, "stop_loss")),
    ],
)
def test_short_exits_mirror(third: tuple[float, ...], expected: tuple[float, str]) -> None:
    rows = [ENTRY, (100, 101, 99, 100), third, (100, 101, 99, 100)]
    result = run(rows, [-1, 0, 0, 0], rules(stop_loss_pct=5.0, take_profit_pct=10.0, allow_short=True))
    assert [(px, reason) for _, side, _, px, reason in fills(result) if side == "buy"] == [expected]


def test_levels_come_from_the_fill_price_with_its_slippage_and_stops_slip_too() -> None:
    rows = [ENTRY, (100, 101, 97, 100), (100, 101, 95, 97)]
    costs = Costs(slippage="fixed", slippage_value=2.0)
    result = run(rows, [1, 0, 0], rules(stop_loss_pct=5.0), costs=costs)
    # bought at 102, so the stop is at 96.90: the next bar reaches it, and the sale slips to 94.90
    assert fills(result)[1] == (2, "sell", 10.0, 94.9, "stop_loss")


def test_a_target_does_not_slip() -> None:
    rows = [ENTRY, (100, 101, 97, 100), (100, 120, 99, 110)]
    result = run(rows, [1, 0, 0], rules(take_profit_pct=10.0), costs=Costs(slippage="fixed", slippage_value=2.0))
    assert fills(result)[1] == (2, "sell", 10.0, 112.2, "take_profit")


@pytest.mark.row("J3")
def test_a_trailing_stop_never_uses_its_own_bars_high() -> None:
    """docs/fills.md section 6."""
    rows = [ENTRY, (100, 120, 95, 118), (121, 122, 109, 110), (112, 113, 105, 106)]
    result = run(rows, [1, 0, 0, 0], rules(trailing_stop_pct=10.0))
    assert fills(result)[1:] == [(3, "sell", 10.0, 109.8, "trailing_stop")]


@pytest.mark.row("J3")
def test_a_trailing_stop_counts_the_open_of_its_own_bar() -> None:
    rows = [ENTRY, (100, 101, 99, 100), (120, 121, 108, 110), (110, 111, 109, 110)]
    result = run(rows, [1, 0, 0, 0], rules(trailing_stop_pct=10.0))
    assert fills(result)[1:] == [(2, "sell", 10.0, 108.0, "trailing_stop")]


@pytest.mark.row("J3")
def test_the_higher_of_fixed_and_trailing_stop_is_in_force() -> None:
    both = rules(stop_loss_pct=5.0, trailing_stop_pct=10.0)
    low = run([ENTRY, (100, 101, 99, 100), (100, 101, 94, 95)], [1, 0, 0], both)
    assert fills(low)[1:] == [(2, "sell", 10.0, 95.0, "stop_loss")]
    high = run([ENTRY, (100, 120, 99, 118), (118, 119, 107, 110)], [1, 0, 0], both)
    assert fills(high)[1:] == [(2, "sell", 10.0, 108.0, "trailing_stop")]


@pytest.mark.row("J3")
def test_a_short_trails_downwards() -> None:
    rows = [ENTRY, (100, 101, 80, 81), (81, 89, 80, 88), (88, 89, 87, 88)]
    result = run(rows, [-1, 0, 0, 0], rules(trailing_stop_pct=10.0, allow_short=True))
    assert fills(result)[1:] == [(2, "buy", 10.0, 88.0, "trailing_stop")]


@pytest.mark.parametrize(("bars_held", "exit_bar"), [(1, 2), (3, 4)])
def test_max_holding_closes_at_the_open_after_so_many_closed_bars(bars_held: int, exit_bar: int) -> None:
    rows = [(100 + k, 101 + k, 99 + k, 100 + k) for k in range(6)]
    result = run(rows, [1, 0, 0, 0, 0, 0], rules(max_holding_bars=bars_held))
    assert fills(result)[1] == (exit_bar, "sell", 10.0, 100.0 + exit_bar, "max_holding")
    assert result.positions["bars"].tolist() == [bars_held]


@pytest.mark.row("H4")
def test_a_pending_exit_fills_at_the_open_before_any_stop_is_looked_at() -> None:
    rows = [ENTRY, (100, 101, 99, 100), (98, 120, 90, 97), (97, 98, 96, 97)]
    result = run(rows, [1, -1, 0, 0], rules(stop_loss_pct=5.0, take_profit_pct=10.0))
    assert fills(result)[1:] == [(2, "sell", 10.0, 98.0, "signal")]
    assert result.ambiguous_bars == 0


@pytest.mark.row("H4")
def test_after_a_stop_the_signal_of_the_same_bar_enters_again() -> None:
    rows = [ENTRY, (100, 101, 94, 96), (97, 98, 96, 97)]
    result = run(rows, [1, 1, 0], rules(stop_loss_pct=5.0))
    assert fills(result) == [
        (1, "buy", 10.0, 100.0, "signal"),
        (1, "sell", 10.0, 95.0, "stop_loss"),
        (2, "buy", 10.0, 97.0, "signal"),
    ]


def test_entries_are_ignored_while_a_position_is_open() -> None:
    result = run([ENTRY, *flat(100, 4)], [1, 1, 1, 1, 1], rules())
    assert len(result.fills) == 1
    assert len(result.orders) == 1
    assert len(result.denials) == 0


def test_scaling_in_adds_and_averages() -> None:
    rows = [ENTRY, (100, 101, 99, 100), (110, 111, 109, 110), (104, 105, 99, 100)]
    result = run(rows, [1, 1, 0, 0], rules(allow_scale_in=True, stop_loss_pct=5.0))
    # 10 at 100 and 10 at 110: average 105, stop at 99.75
    assert fills(result) == [
        (1, "buy", 10.0, 100.0, "signal"),
        (2, "buy", 10.0, 110.0, "signal"),
        (3, "sell", 20.0, 99.75, "stop_loss"),
    ]
    assert result.positions["entry_px"].tolist() == [105.0]


def test_a_limit_entry_inside_a_bar_can_be_stopped_in_that_bar_but_not_reach_its_target() -> None:
    limit = rules(order_type="limit", limit_offset_pct=2.0, stop_loss_pct=5.0, take_profit_pct=1.0)
    stopped = run([ENTRY, (100, 101, 93, 95), (99, 99.5, 98.5, 99)], [1, 0, 0], limit)
    assert fills(stopped) == [(1, "buy", 10.0, 98.0, "signal"), (1, "sell", 10.0, 93.1, "stop_loss")]
    assert stopped.ambiguous_bars == 0  # the price went through 98 before it was at 93.10
    kept = run([ENTRY, (100, 105, 97, 98.5), (98.5, 98.9, 98, 98.5), (99.5, 100, 99, 99)], [1, 0, 0, 0], limit)
    assert fills(kept)[1:] == [(3, "sell", 10.0, 99.5, "take_profit")]


def test_a_stop_entry_whose_bar_also_reaches_its_stop_is_ambiguous() -> None:
    stop = rules(order_type="stop", stop_offset_pct=2.0, stop_loss_pct=5.0)
    result = run([ENTRY, (100, 103, 96, 100), (100, 101, 99, 100)], [1, 0, 0], stop)
    assert fills(result) == [(1, "buy", 10.0, 102.0, "signal"), (1, "sell", 10.0, 96.9, "stop_loss")]
    assert result.ambiguous_bars == 1


def test_the_signals_own_stop_takes_the_place_of_the_percentage() -> None:
    rows = [ENTRY, (100, 101, 96, 97), (97, 98, 91, 92)]
    result = run(rows, orders_of({"action": 1, "stop_px": 92.0}, {}, {}), rules(stop_loss_pct=2.0))
    assert fills(result)[1:] == [(2, "sell", 10.0, 92.0, "stop_loss")]


@pytest.mark.row("I1")
def test_protective_exits_are_orders_with_their_kind_and_price() -> None:
    rows = [ENTRY, (100, 101, 99, 100), (100, 101, 90, 95)]
    result = run(rows, [1, 0, 0], rules(stop_loss_pct=5.0, take_profit_pct=10.0))
    order = result.orders.frame().iloc[1]
    assert (order["kind"], order["stop_px"], order["reason"], order["status"]) == ("stop", 95.0, "stop_loss", "filled")
    target = run([ENTRY, (100, 111, 99, 100)], [1, 0], rules(take_profit_pct=10.0)).orders.frame().iloc[1]
    assert (target["kind"], round(target["limit_px"], 9), target["reason"]) == ("limit", 110.0, "take_profit")


def test_a_stop_that_volume_cannot_fill_goes_on_as_a_market_exit() -> None:
    rows = [(100, 101, 99, 100, 9999), (100, 101, 99, 100, 9999), (100, 101, 90, 95, 40), (96, 97, 95, 96, 9999)]
    result = run(rows, [1, 0, 0, 0], rules(stop_loss_pct=5.0), costs=Costs(volume_cap_ratio=0.1))
    assert fills(result)[1:] == [(2, "sell", 4.0, 95.0, "stop_loss"), (3, "sell", 6.0, 96.0, "stop_loss")]
    assert statuses(result) == ["filled", "filled"]
    assert result.positions["exit_reason"].tolist() == [2]


@pytest.mark.row("H2")
def test_with_shorting_a_signal_turns_the_position_round_at_one_open() -> None:
    rows = [ENTRY, (100, 101, 99, 100), (102, 103, 101, 102), (104, 105, 103, 104), (103, 104, 102, 103)]
    result = run(rows, [1, -1, 0, 1, 0], rules(allow_short=True))
    assert fills(result) == [
        (1, "buy", 10.0, 100.0, "signal"),
        (2, "sell", 10.0, 102.0, "signal"),
        (2, "sell", 10.0, 102.0, "signal"),
        (4, "buy", 10.0, 103.0, "signal"),
        (4, "buy", 10.0, 103.0, "signal"),
    ]
    assert result.positions["side"].tolist() == [1, -1]
    assert result.positions["pnl_net"].tolist() == [20.0, -10.0]
    assert result.open_positions["qty"].tolist() == [10.0]


def test_without_shorting_a_sell_signal_only_closes() -> None:
    rows = [ENTRY, *flat(100, 4)]
    result = run(rows, [-1, 1, -1, -1, 0], rules())
    assert [(bar, side) for bar, side, *_ in fills(result)] == [(2, "buy"), (3, "sell")]
    assert len(result.denials) == 0
