"""Two-sided quotes: what rests, which side fills, how a fill nets against the position. docs/fills.md section 17."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import Costs, InputError, Result, Rules, simulate
from engine.types import EXIT, EXIT_LONG, EXIT_SHORT, SIGNAL
from tests.engine.made import bars_of, denials, fills, flat, orders_of, run, statuses
from tests.engine.test_gates import Session, says

BOTH = Rules(allow_short=True, max_position_size_pct=None)
LONG = Rules(max_position_size_pct=None)
STILL = (100, 100.4, 99.6, 100)
DOWN, UP = (100, 100.4, 98.5, 99.5), (100, 101.5, 99.6, 100.5)
Row = dict[str, float]


def q(bid: float = np.nan, ask: float = np.nan, qty: float = 10.0) -> Row:
    return {"bid_px": bid, "ask_px": ask, "quote_qty": qty}


def quoted(rows: list[tuple[float, ...]], *stated: Row, rules: Rules = BOTH, **options: Any) -> Result:
    """Rows that state nothing after those given."""
    return run(rows, orders_of(*stated, *[{}] * (len(rows) - len(stated))), rules, **options)


def parts(result: Result) -> list[tuple[str, float, float, bool]]:
    rows = result.fills.frame()
    sides = np.where(rows["side"] > 0, "buy", "sell")
    return list(zip(sides, rows["qty"], rows["px"], rows["entry"] == 1, strict=True))


@pytest.mark.row("D12")
def test_the_story_of_the_table() -> None:
    rows = [
        (100, 101, 99, 100),
        (100, 100.5, 98, 99),
        (99.5, 103, 99.2, 102),
        (101, 102, 100, 101),
        (101, 120, 80, 101),
    ]
    result = quoted(rows, q(99, 101), q(99, 101), q(100, 102), q(qty=0))
    assert fills(result) == [
        (1, "buy", 10.0, 99.0, "quote"),
        (2, "sell", 10.0, 101.0, "quote"),
        (3, "buy", 10.0, 100.0, "quote"),
        (3, "sell", 10.0, 102.0, "quote"),
    ]
    assert result.ambiguous_bars == 1
    assert result.positions.frame()["exit_reason"].tolist() == ["quote", "quote"]
    # the ask of the first row was that of the second, too: five orders, not six
    assert statuses(result) == ["filled", "filled", "cancelled", "filled", "filled"]
    assert set(result.orders.frame()["kind"]) == {"limit"}
    assert set(result.orders.frame()["tif"]) == {"gtc"}


@pytest.mark.row("D12")
@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        (STILL, []),
        (DOWN, [("buy", 10.0, 99.0, True)]),
        (UP, [("sell", 10.0, 101.0, True)]),
        ((98, 99, 97, 98), [("buy", 10.0, 98.0, True)]),  # opens below the bid: filled there, without slippage
        ((102, 103, 101.5, 102), [("sell", 10.0, 102.0, True)]),
        ((99.5, 101, 99, 100), [("buy", 10.0, 99.0, True), ("sell", 10.0, 101.0, False)]),  # nearer to the bid
        ((100.5, 101, 99, 100), [("sell", 10.0, 101.0, True), ("buy", 10.0, 99.0, False)]),
    ],
)
def test_a_bar_fills_what_it_reaches(bar: tuple[float, ...], expected: list) -> None:
    costs = Costs(slippage="fixed", slippage_value=0.5)
    result = quoted([STILL, bar], q(99, 101), costs=costs)
    assert parts(result) == expected
    assert result.ambiguous_bars == (len(expected) == 2)


@pytest.mark.row("D12")
def test_unchanged_quotes_rest_on_and_write_no_orders() -> None:
    result = quoted([STILL] * 50, *[q(99, 101)] * 50)
    assert statuses(result) == ["working", "working"]
    moved = quoted([STILL] * 50, *[q(99, 101)] * 25, *[q(99, 102)] * 25)
    assert statuses(moved) == ["working", "cancelled", "working"], "only the side that moved is replaced"


def test_rows_without_quotes_leave_them_resting() -> None:
    assert fills(quoted([STILL] * 5 + [DOWN], q(99, 101))) == [(5, "buy", 10.0, 99.0, "quote")]


@pytest.mark.parametrize("row", [q(qty=0), q()])
def test_no_units_and_no_prices_withdraw(row: Row) -> None:
    result = quoted([STILL, STILL, DOWN], q(99, 101), row)
    assert statuses(result) == ["cancelled", "cancelled"]
    assert len(result.fills) == 0


def test_a_missing_price_is_no_quote_on_that_side() -> None:
    assert statuses(quoted([STILL, STILL], q(99, 101), q(ask=101))) == ["cancelled", "working"]


def test_what_was_filled_is_quoted_anew() -> None:
    """Half of the bid is filled; stated again, all of it rests once more."""
    small = (*DOWN, 50.0)
    result = quoted([STILL, small, STILL], q(99), q(99), costs=Costs(volume_cap_ratio=0.1))
    assert [(row["qty"], row["filled"]) for row in result.orders] == [(10.0, 5.0), (10.0, 0.0)]
    assert statuses(result) == ["cancelled", "working"]
    left = quoted([STILL, small, DOWN], q(99), costs=Costs(volume_cap_ratio=0.1))
    assert [part[1] for part in parts(left)] == [5.0, 5.0], "not stated again, the rest rests"


@pytest.mark.row("D12")
def test_a_quote_closes_first_and_opens_what_remains_in_one_order() -> None:
    """Short 4 by a signal, then a bid for 10."""
    rules = Rules(sizing="fixed", size_value=4.0, allow_short=True, max_position_size_pct=None)
    costs = Costs(commission_min=1.0)
    result = quoted([STILL, STILL, DOWN], {"action": -1}, q(99), rules=rules, costs=costs)
    assert parts(result)[1:] == [("buy", 4.0, 99.0, False), ("buy", 6.0, 99.0, True)]
    assert result.orders["qty"].tolist() == [4.0, 10.0]
    assert result.fills["commission"].tolist() == [1.0, 1.0, 1.0]
    assert result.positions.frame()["exit_reason"].tolist() == ["quote"]
    assert result.open_positions["qty"].tolist() == [6.0]


def test_without_shorting_an_ask_sells_what_is_held_and_no_more() -> None:
    rows = [STILL, DOWN, UP, UP]
    result = quoted(rows, q(99, 101), q(98, 101, qty=25), rules=LONG)
    assert parts(result) == [("buy", 10.0, 99.0, True), ("sell", 10.0, 101.0, False)]
    assert result.orders["entry"].tolist() == [1, 1, 0]
    assert denials(result) == []


def test_an_ask_that_has_nothing_left_to_close_is_cancelled_and_one_too_large_is_cut() -> None:
    """Long 10 with an ask for all of it; a stop closes the position, an exit of a part leaves some of it."""
    stop = Rules(stop_loss_pct=5.0, max_position_size_pct=None)
    crash = (94, 94.5, 93, 94)
    result = quoted([STILL, DOWN, STILL, crash], q(99, 101), q(ask=101), rules=stop)
    assert fills(result)[1] == (3, "sell", 10.0, 94.0, "stop_loss")
    assert statuses(result) == ["filled", "cancelled", "filled"]
    capped = quoted(
        [STILL, DOWN, (*crash, 40.0), crash], q(99), q(ask=101), rules=stop, costs=Costs(volume_cap_ratio=0.1)
    )
    asks = [row for row in capped.orders if row["side"] < 0 and row["limit_px"] == 101.0]
    assert [row["qty"] for row in asks] == [6.0], "4 were sold by the stop, so it can close 6"


@pytest.mark.row("D12")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"min_confidence": 0.5}, "low_confidence"),
        ({"window": np.array([False, False, False])}, "outside_window"),
        ({"price_collar_pct": 0.5}, "price_collar"),
        ({"vol_stop_atr": 1.0}, "no_volatility"),
        ({"max_gross_exposure_pct": 0.05}, "gross_cap"),
        ({"capital_per_trade": 50.0}, "capital_cap"),
        ({"max_position_size_pct": 0.05}, "position_cap"),
        ({"max_symbol_concentration_pct": 0.05}, "symbol_cap"),
    ],
)
def test_limits_refuse_the_part_that_opens_by_name(fields: dict, reason: str) -> None:
    rules = Rules(**({"allow_short": True, "max_position_size_pct": None} | fields))
    result = quoted([STILL] * 3, *[q(99, 101) | {"confidence": 0.2}] * 3, rules=rules)
    assert len(result.orders) == 0
    rows = result.denials.frame()
    assert list(zip(rows["reason"], rows["side"], rows["count"], strict=True)) == [(reason, 1, 3), (reason, -1, 3)]


@pytest.mark.row("D12")
def test_the_part_that_closes_rests_whatever_is_refused() -> None:
    rules = Rules(allow_short=True, max_position_size_pct=None, window=np.array([True, False, False, False]))
    result = quoted([STILL, DOWN, UP, UP], q(99), q(98, 101, qty=25), rules=rules)
    assert parts(result) == [("buy", 10.0, 99.0, True), ("sell", 10.0, 101.0, False)]
    assert [row[0] for row in denials(result)] == ["outside_window", "outside_window"]


def test_a_cut_names_its_cap_and_its_order() -> None:
    result = quoted([STILL] * 2, q(100.0, qty=500), rules=Rules(max_position_size_pct=20.0))
    assert denials(result) == [("position_cap", 500.0, 200.0, 1)]
    assert result.orders["qty"].tolist() == [200.0]
    again = quoted([STILL] * 9, *[q(99.0, qty=500)] * 9, rules=Rules(max_position_size_pct=20.0))
    assert statuses(again) == ["working"], "what the cap leaves rests already"


def test_the_position_cap_is_one_of_the_position() -> None:
    """20% of equity at 99 are 202 units; 10 are held."""
    rules = Rules(max_position_size_pct=20.0)
    result = quoted([STILL, DOWN, STILL], q(99.0), q(99.0, qty=500), rules=rules)
    assert result.orders["qty"].tolist() == [10.0, 192.0]


def test_cash_cuts_at_the_decision_and_again_at_the_fill() -> None:
    rules = Rules(max_position_size_pct=None)
    result = quoted([STILL, STILL, DOWN], q(99, qty=2_000), rules=rules)
    assert denials(result) == [("no_cash", 2_000.0, 1_010.0, 1)]
    assert fills(result) == [(2, "buy", 1_010.0, 99.0, "quote")]
    # two symbols quote for all of the cash; the second finds none at its fill
    bars = {name: bars_of([STILL, DOWN], symbol=name) for name in "AB"}
    both = simulate(bars, {name: orders_of(q(99, qty=1_000), {}) for name in "AB"}, rules=rules)
    assert [row["qty"] for row in both.fills] == [1_000.0, 10.0]
    assert denials(both) == [("no_cash", 1_000.0, 10.0, 1)]


def test_a_symbol_needs_one_slot_for_both_of_its_quotes() -> None:
    rules = Rules(allow_short=True, max_open_positions=1, max_position_size_pct=None)
    bars = {name: bars_of([STILL, STILL, DOWN], symbol=name) for name in "AB"}
    result = simulate(bars, {name: orders_of(q(99, 101), {}, {}) for name in "AB"}, rules=rules)
    assert result.orders["symbol"].tolist() == [0, 0]
    assert [row[0] for row in denials(result)] == ["no_slot", "no_slot"]


def test_quotes_wait_while_an_exit_works() -> None:
    """An OPG exit of a long waits for the next session: the ask at its price does not sell the position twice."""
    day = [(100, 100, 100, 100)] + [STILL] * 3
    rules = Rules(time_in_force="opg", sizing="fixed", size_value=10.0, max_position_size_pct=None)
    stated = orders_of({"action": 1}, {}, q(ask=100.1), {"action": EXIT}, {})
    result = run([*day, (103, 104, 102, 103)], stated, rules)
    assert fills(result) == [
        (1, "buy", 10.0, 100.0, "signal"),
        (3, "sell", 10.0, 100.1, "quote"),
    ], "daily bars are sessions of their own: the ask is reached before the exit is decided"
    later = run([*day, (103, 104, 102, 103)], orders_of({"action": 1}, {}, {"action": EXIT}, q(ask=102), {}), rules)
    assert fills(later)[-1] == (3, "sell", 10.0, 100.0, "signal")


@pytest.mark.parametrize(
    ("code", "left"),
    [(EXIT_LONG, ["cancelled", "working"]), (EXIT_SHORT, ["working", "cancelled"]), (EXIT, ["cancelled"] * 2)],
)
def test_exits_withdraw_the_quotes_that_may_open(code: int, left: list[str]) -> None:
    assert statuses(quoted([STILL, STILL], q(99, 101), {"action": code})) == left


def test_buying_and_selling_leave_quotes_alone() -> None:
    result = quoted([STILL] * 3, q(99, 101), {"action": 1}, {"action": -1})
    assert statuses(result)[:2] == ["working", "working"]


@pytest.mark.row("D12")
def test_a_position_that_a_quote_opened_is_protected_as_any_other() -> None:
    rules = Rules(allow_short=True, stop_loss_pct=2.0, take_profit_pct=3.0, max_position_size_pct=None)
    stopped = quoted([STILL, DOWN, (98, 98.5, 96, 97)], q(99), rules=rules)
    assert fills(stopped)[1] == (2, "sell", 10.0, 97.02, "stop_loss")
    aimed = quoted([STILL, DOWN, (100, 103, 99.5, 102)], q(99), rules=rules)
    assert fills(aimed)[1] == (2, "sell", 10.0, 101.97, "take_profit")
    same_bar = quoted([STILL, (100, 100.4, 96, 97)], q(99), rules=rules)
    assert fills(same_bar)[1] == (1, "sell", 10.0, 97.02, "stop_loss")
    held = quoted(
        [STILL, DOWN, STILL, STILL, STILL], q(99), rules=Rules(max_holding_bars=2, max_position_size_pct=None)
    )
    assert fills(held)[1] == (3, "sell", 10.0, 100.0, "max_holding")


def test_a_halt_withdraws_and_refuses() -> None:
    rules = Rules(daily_loss_limit_abs=5.0, max_position_size_pct=None, allow_short=True)
    result = quoted([STILL, DOWN, STILL], q(99.9, 101, qty=100), q(99, 101), rules=rules)
    assert statuses(result)[:2] == ["filled", "cancelled"]
    assert result.orders.frame()["reason"].tolist() == ["quote", "quote", "daily_loss"]
    assert [row[0] for row in denials(result)] == ["daily_loss_halt", "daily_loss_halt"]


def test_one_side_of_exposure_counts_for_other_symbols() -> None:
    """What the quotes of A may open, both sides, is taken from the gross cap of B."""
    rules = Rules(allow_short=True, max_position_size_pct=None, max_gross_exposure_pct=3.0)
    bars = {name: bars_of([STILL, STILL], symbol=name) for name in "AB"}
    result = simulate(bars, {"A": orders_of(q(99, 101), {}), "B": orders_of(q(99, 101), {})}, rules=rules)
    assert result.orders["qty"].tolist() == [10.0, 10.0, 10.0, 9.0]
    assert denials(result) == [("gross_cap", 10.0, 9.0, 1)]


def test_an_unchanged_quote_is_no_new_order_for_the_pace() -> None:
    rules = Rules(allow_short=True, max_position_size_pct=None, max_orders_per_minute=2)
    stated = orders_of(q(99, 101), q(99, 101), q(98, 101), {})
    seconds = run([STILL] * 4, stated, rules, timeframe="1s")
    assert statuses(seconds) == ["cancelled", "working"]
    assert denials(seconds)[0][0] == "order_rate"


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("row", "path", "code"),
    [
        ({"action": 1, "quote_qty": 5}, "quote_qty", "conflict"),
        ({"target_weight": 0.1, "quote_qty": 5}, "quote_qty", "conflict"),
        (q(101, 101), "bid_px", "conflict"),
        (q(99, 101, qty=-1), "quote_qty", "out_of_range"),
        (q(-1, 101), "bid_px", "out_of_range"),
        (q(99, np.inf), "ask_px", "out_of_range"),
    ],
)
def test_quotes_that_make_no_market_are_refused(row: Row, path: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        quoted([STILL] * 3, {}, row)
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [(f"signals['A'].{path}[1]", code)]


def test_arrays_without_the_fields_of_quotes_stay_valid() -> None:
    old = np.zeros(3, dtype=[(name, SIGNAL[name]) for name in (SIGNAL.names or ())[:5]])
    for name in old.dtype.names[1:]:
        old[name] = np.nan
    old["action"][0] = 1
    assert len(run([STILL] * 3, old, Rules()).fills) == 1


@pytest.mark.row("W5")
def test_a_request_and_a_block_on_quotes() -> None:
    one = Session("A", rules=BOTH)
    row = says(bid_px=99.0, ask_px=101.0, quote_qty=10.0)
    assert one.go({"A": row}) == []
    assert [(order.side, order.reason, order.entry) for order in one.portfolio.working_orders()] == [
        (1, "quote", True),
        (-1, "quote", True),
    ]
    assert one.go({"A": row}, blocked="paused") == ["paused", "paused"]
    assert one.portfolio.working_orders() == []
    one.go({"A": row})
    assert len(one.portfolio.cancel_entry("A").changed) == 2
    one.go({"A": row})
    assert one.portfolio.exits_due() == {}
    assert len(one.portfolio.request_exit(None, "flatten").changed) == 2


def test_flat_bars_between_quotes_are_the_steps_they_are() -> None:
    """Quotes far away: what happens quickly where nothing works (engine/calm.py) must not be taken for that."""
    result = quoted([*flat(100, 30), (100, 100, 89, 90), *flat(90, 5)], q(90, 120))
    assert fills(result) == [(30, "buy", 10.0, 90.0, "quote")]
