"""What a broker tells a portfolio, case by case: docs/fills.md §18."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine import Bars, InputError, Portfolio, Rules
from engine.portfolio import StepLog
from tests.engine.made import START, orders_of

DAY = 86_400_000_000_000
FLAT = (100.0, 101.0, 99.0, 100.0, 1_000.0)


def portfolio(*symbols: str, cash: float = 100_000.0, rules: Rules | None = None, **options: Any) -> Portfolio:
    empty = np.empty(0)
    bars = {name: Bars(name, "1d", "24/7", np.empty(0, np.int64), *([empty] * 5)) for name in symbols or ("A",)}
    rules = rules or Rules(stop_loss_pct=5.0, take_profit_pct=10.0, time_in_force="gtc")
    return Portfolio(bars, rules=rules, starting_cash=cash, external_fills=True, **options)


def go(one: Portfolio, signals: dict[str, Any] | None = None, bar: tuple[float, ...] = FLAT, **options: Any) -> StepLog:
    ts = START if one.last_ts is None else one.last_ts + DAY
    return one.step(ts, dict.fromkeys(one.symbols, bar), signals or {}, **options)


def changes(log: StepLog) -> list[tuple[int, str, float, float]]:
    rows = log.changed.frame()
    return list(zip(rows["serial"], rows["status"], rows["qty"], rows["filled"], strict=True))


def holding(qty: float = 100.0, **options: Any) -> Portfolio:
    """A portfolio that was filled whole at 100."""
    one = portfolio(**options)
    go(one, {"A": 1 if qty > 0 else -1})
    one.fill(0, abs(qty), 100.0)
    return one


@pytest.mark.row("I8")
def test_nothing_fills_expires_or_stops_by_itself() -> None:
    one = holding()
    assert changes(go(one, bar=(80.0, 150.0, 50.0, 90.0, 1e6))) == []  # through the stop at 95 and the target at 110
    (position,) = one.positions()
    assert (position.qty, position.stop_px, position.target_px) == (100.0, 95.0, 110.0)
    waiting = portfolio(rules=Rules(order_type="limit", time_in_force="day"))
    go(waiting, {"A": 1})
    assert [changes(go(waiting)) for _ in range(3)] == [[], [], []]
    assert [order.status for order in waiting.working_orders()] == ["working"]


@pytest.mark.row("I8")
def test_partial_fills_average_the_entry_and_set_the_levels() -> None:
    one = portfolio()
    assert changes(go(one, {"A": 1})) == [(0, "working", 100.0, 0.0)]
    log = one.fill(0, 40.0, 101.0, 1.0, START + 7)
    assert changes(log) == [(0, "partially_filled", 100.0, 40.0)]
    assert log.fills.frame()[["qty", "px", "commission", "entry"]].values.tolist() == [[40.0, 101.0, 1.0, 1]]
    assert log.fills["ts"].tolist() == [START + 7]
    assert changes(one.fill(0, 60.0, 99.0)) == [(0, "filled", 100.0, 100.0)]
    (position,) = one.positions()
    assert position.avg_px == pytest.approx(99.8)
    assert position.stop_px == pytest.approx(94.81)
    assert one.cash == 100_000.0 - 40 * 101.0 - 60 * 99.0 - 1.0
    assert one.equity == one.cash + 100 * position.mark


@pytest.mark.row("I8")
def test_the_peak_of_a_trailing_stop_follows_the_bars() -> None:
    one = holding(rules=Rules(trailing_stop_pct=10.0, time_in_force="gtc"))
    go(one, bar=(100.0, 120.0, 99.0, 118.0, 1.0))
    assert one.positions()[0].trailing_px == 108.0
    go(one, bar=(118.0, 119.0, 90.0, 100.0, 1.0))
    assert one.positions()[0].trailing_px == 108.0


@pytest.mark.row("I8")
@pytest.mark.parametrize(
    ("reason", "px", "kind", "limit_px", "stop_px"),
    [
        ("stop_loss", 94.0, "stop", None, 95.0),
        ("take_profit", 111.0, "limit", 110.0, None),
        ("user", 100.0, "market", None, None),
    ],
)
def test_an_order_that_rests_at_the_venue_closes_the_position(
    reason: str, px: float, kind: str, limit_px: float | None, stop_px: float | None
) -> None:
    one = holding()
    log = one.fill_exit("A", 100.0, px, reason, 0.5)
    (row,) = log.orders.frame().to_dict("records")
    assert (row["kind"], row["status"], row["reason"], row["filled"]) == (kind, "filled", reason, 100.0)
    assert [None if math.isnan(row[name]) else row[name] for name in ("limit_px", "stop_px")] == [limit_px, stop_px]
    assert log.trips.frame()[["exit_reason", "pnl_net"]].values.tolist() == [[reason, 100 * (px - 100.0) - 0.5]]
    assert one.positions() == []


@pytest.mark.row("I8")
def test_a_stop_that_closes_the_position_cancels_its_working_exit_and_one_that_does_not_shrinks_it() -> None:
    one = holding()
    one.request_exit("A", "flatten")
    part = one.fill_exit("A", 30.0, 94.0, "stop_loss")
    assert changes(part) == [(1, "working", 70.0, 0.0), (2, "filled", 30.0, 30.0)]
    assert changes(one.fill(1, 20.0, 93.0)) == [(1, "partially_filled", 70.0, 20.0)]
    assert changes(one.fill_exit("A", 50.0, 92.0, "stop_loss")) == [
        (1, "cancelled", 70.0, 20.0),
        (3, "filled", 50.0, 50.0),
    ]
    assert one.exits_due() == {}


@pytest.mark.row("I8")
@pytest.mark.parametrize("status", ["cancelled", "expired", "denied"])
def test_an_exit_of_all_that_the_venue_ended_is_decided_again(status: str) -> None:
    one = holding()
    one.request_exit("A", "flatten")
    one.fill(1, 40.0, 99.0)
    assert changes(one.end_order(1, status)) == [(1, status, 100.0, 40.0)]
    assert one.exits_due() == {}
    log = go(one)
    assert log.orders.frame()[["reason", "qty", "status"]].values.tolist() == [["flatten", 60.0, "working"]]
    assert len(go(one).orders) == 0
    one.fill(2, 60.0, 99.0)
    assert one.positions() == []
    go(one, {"A": 1})
    one.fill(3, 10.0, 100.0)
    assert len(go(one).orders) == 0  # that was another position


@pytest.mark.parametrize("status", ["cancelled", "expired", "denied"])
def test_an_entry_that_the_venue_ended_leaves_what_it_filled(status: str) -> None:
    one = portfolio()
    go(one, {"A": 1})
    one.fill(0, 40.0, 100.0)
    assert changes(one.end_order(0, status)) == [(0, status, 100.0, 40.0)]
    assert one.working_orders() == []
    assert changes(go(one, {"A": 1})) == []  # a position is open: the signal is ignored
    assert one.positions()[0].qty == 40.0


@pytest.mark.row("I8")
def test_a_late_fill_is_booked_and_what_is_being_exited_is_exited_whole() -> None:
    one = portfolio(rules=Rules(stop_loss_pct=5.0, time_in_force="gtc", allow_scale_in=True))
    go(one, {"A": 1})
    one.fill(0, 60.0, 100.0)
    one.request_exit(None, "flatten")  # cancels the rest of the entry
    late = one.book_execution("A", 1, 40.0, 100.5, reason="signal")
    assert late.orders.frame()[["reason", "status", "entry"]].values.tolist() == [["signal", "filled", 1]]
    log = one.fill(1, 60.0, 99.0)
    assert [row[:3] for row in changes(log)] == [(1, "filled", 60.0), (3, "working", 40.0)]
    assert one.exits_due() == {"A": "flatten"}
    one.fill(3, 40.0, 99.0)
    assert one.positions() == []


@pytest.mark.parametrize("side", [1, -1])
def test_an_execution_that_nobody_asked_for_opens_by_the_rules_of_now(side: int) -> None:
    one = portfolio()
    one.book_execution("A", side, 10.0, 50.0, 1.0, START)
    (position,) = one.positions()
    assert (position.qty, position.avg_px) == (10.0 * side, 50.0)
    assert (position.stop_px, position.target_px) == (50.0 - 2.5 * side, 50.0 + 5.0 * side)
    one.book_execution("A", -side, 10.0, 60.0, 0.0, START, reason="liquidation")
    assert one.positions() == []
    assert one.cash == 100_000.0 + 100.0 * side - 1.0


@pytest.mark.row("I15")
def test_units_that_the_venue_keeps_as_its_fee_are_commission() -> None:
    one = portfolio(rules=Rules(sizing="fixed", size_value=2.0, time_in_force="gtc"))
    go(one, {"A": 1})
    log = one.fill(0, 2.0, 100.0, kept=0.005)
    assert changes(log) == [(0, "filled", 2.0, 2.0)]
    assert log.fills.frame()[["qty", "commission"]].values.tolist() == [[1.995, 0.5]]
    assert one.positions()[0].qty == 1.995
    assert one.cash == pytest.approx(100_000.0 - 200.0)


@pytest.mark.row("W17")
@pytest.mark.parametrize(("ratio", "qty"), [(4.0, 400.0), (0.1, 10.0)])
def test_a_split_rescales_position_levels_and_working_orders(ratio: float, qty: float) -> None:
    rules = Rules(
        stop_loss_pct=5.0, take_profit_pct=10.0, trailing_stop_pct=20.0, order_type="limit", limit_offset_pct=2.0,
        time_in_force="gtc", allow_scale_in=True, max_position_size_pct=None,
    )  # fmt: skip
    one = holding(rules=rules)
    go(one, {"A": 1})
    one.fill(1, 50.0, 98.0)
    before, cash, equity = one.positions()[0], one.cash, one.equity
    (entry,) = one.working_orders()
    log = one.split("A", ratio)
    after = one.positions()[0]
    assert after.qty == pytest.approx(before.qty * ratio)
    for name in ("avg_px", "mark", "stop_px", "target_px", "trailing_px"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) / ratio)
    (changed,) = one.working_orders()
    assert (changed.limit_px, changed.filled) == (pytest.approx(98.0 / ratio), pytest.approx(50.0 * ratio))
    assert changed.qty - changed.filled == math.floor((entry.qty - entry.filled) * ratio)
    assert [row[0] for row in changes(log)] == [1]
    assert (one.cash, one.equity) == (cash, pytest.approx(equity))
    go(one, bar=(*(px / ratio for px in FLAT[:4]), 1.0))
    assert one.equity == pytest.approx(cash + 150 * 100.0)


@pytest.mark.row("W17")
def test_a_split_shrinks_an_exit_with_its_position_and_ends_an_entry_of_which_no_lot_is_left() -> None:
    one = holding()
    one.request_exit("A", "user")
    assert changes(one.split("A", 0.25)) == [(1, "working", 25.0, 0.0)]
    assert [row[1] for row in changes(one.fill(1, 25.0, 400.0))] == ["filled"]
    waiting = portfolio(rules=Rules(sizing="fixed", size_value=3.0, time_in_force="gtc"))
    go(waiting, {"A": 1})
    assert changes(waiting.split("A", 0.1)) == [(0, "cancelled", 0.0, 0.0)]


@pytest.mark.row("W17")
def test_a_split_is_no_move_of_the_market() -> None:
    """Neither a collar nor an ATR takes it for one."""
    one = portfolio(rules=Rules(price_collar_pct=5.0, vol_stop_atr=2.0, atr_period=2, time_in_force="gtc"))
    for _ in range(3):
        go(one)
    one.split("A", 10.0)
    assert go(one, {"A": 1}, bar=(10.0, 10.1, 9.9, 10.0, 1.0)).orders["qty"].tolist() == [1_000.0]
    one.fill(0, 1_000.0, 10.0)
    assert one.positions()[0].stop_px == pytest.approx(10.0 - 2 * 0.2)


@pytest.mark.row("W17")
def test_money_that_comes_is_a_result_or_a_flow() -> None:
    one = portfolio(rules=Rules(daily_loss_limit_pct=5.0, max_drawdown_pct=5.0, time_in_force="gtc"))
    go(one)
    one.move_cash(-20_000.0, is_flow=True)
    go(one)
    assert (one.day_halted, one.run_halted) == (False, False)  # a withdrawal is no loss
    assert (one.cash, one.top_equity, one.day_start_equity) == (80_000.0, 80_000.0, 80_000.0)
    one.move_cash(100.0, is_flow=False)
    assert (one.cash, one.equity, one.day_start_equity) == (80_100.0, 80_100.0, 80_000.0)
    one.move_cash(-5_000.0, is_flow=False)
    go(one)
    assert (one.day_halted, one.run_halted) == (True, True)


def test_a_position_changes_hands_without_a_trade() -> None:
    one = portfolio()
    log = one.adopt("A", 50.0, 80.0, START)
    assert len(log.orders) == len(log.fills) == 0
    (position,) = one.positions()
    assert (position.qty, position.avg_px, position.stop_px) == (50.0, 80.0, 76.0)
    assert (one.cash, one.equity) == (96_000.0, 100_000.0)
    go(one, bar=(90.0, 91.0, 89.0, 90.0, 1.0))
    assert one.equity == 100_500.0
    one.release("A", 20.0, 90.0)
    assert (one.cash, one.equity, one.positions()[0].qty) == (97_800.0, 100_500.0, 30.0)
    closed = one.release("A", 30.0, 90.0)
    assert closed.trips["pnl_net"].tolist() == [500.0]
    assert (one.positions(), one.cash) == ([], 100_500.0)


def test_an_entry_is_paid_for_when_it_is_decided() -> None:
    """Nothing looks at cash later, so working entries of other symbols count as spent and exits as sold."""
    half = Rules(size_value=60.0, max_position_size_pct=None, time_in_force="gtc")
    one = portfolio("A", "B", "C", cash=10_000.0, rules=half)
    log = go(one, {"A": 1, "B": 1})
    assert log.orders["qty"].tolist() == [60.0, 40.0]
    assert log.denials.frame()[["reason", "asked", "allowed"]].values.tolist() == [["no_cash", 60.0, 40.0]]
    refused = go(one, {"C": 1})
    assert refused.denials.frame()["reason"].tolist() == ["no_cash"]
    assert [gate.name for gate in one.gates("C") if not gate.ok] == ["no_cash"]
    one.fill(0, 60.0, 100.0)
    one.fill(1, 40.0, 100.0)
    log = go(one, {"A": -1, "C": 1})
    assert log.orders["qty"].tolist() == [60.0, 60.0]


def test_limits_still_act_and_a_halted_portfolio_gives_up_what_it_holds() -> None:
    one = holding(rules=Rules(max_drawdown_pct=0.5, time_in_force="gtc"))
    low = (90.0, 91.0, 89.0, 90.0, 1.0)
    assert go(one, bar=low).orders.frame()["reason"].tolist() == ["max_drawdown"]
    one.fill(1, 100.0, 90.0)
    assert len(go(one, bar=low).orders) == 0
    one.book_execution("A", 1, 5.0, 90.0)  # the broker was late
    log = go(one, {"A": 1}, bar=low)
    assert log.orders.frame()[["reason", "qty"]].values.tolist() == [["max_drawdown", 5.0]]
    assert len(go(one, bar=low).orders) == 0
    timed = holding(rules=Rules(max_holding_bars=2, time_in_force="gtc"))
    assert [len(go(timed).orders) for _ in range(3)] == [0, 1, 0]


@pytest.mark.row("I8")
def test_an_entry_that_waits_too_long_is_cancelled() -> None:
    one = portfolio(rules=Rules(order_type="limit", order_timeout_bars=2, time_in_force="gtc"))
    go(one, {"A": 1})
    assert [changes(go(one)) for _ in range(2)] == [[], [(0, "cancelled", 100.0, 0.0)]]


def test_what_a_broker_cannot_have_said_is_refused_and_nothing_is_done() -> None:
    one = portfolio("A", "B", rules=Rules(time_in_force="gtc", allow_short=True))
    go(one, {"A": 1})
    one.fill(0, 60.0, 100.0)
    go(one, {"B": -1})
    one.book_execution("B", 1, 5.0, 100.0)
    before = one.checkpoint()
    for code, call in (
        ("overfilled", lambda: one.fill(0, 40.5, 100.0)),
        ("no_order", lambda: one.fill(9, 1.0, 100.0)),
        ("no_order", lambda: one.end_order(9, "cancelled")),
        ("crosses_zero", lambda: one.fill(1, 1.0, 100.0)),
        ("oversold", lambda: one.fill_exit("A", 60.5, 100.0, "user")),
        ("oversold", lambda: one.release("A", 61.0, 100.0)),
        ("oversold", lambda: one.release("A", -1.0, 100.0)),
        ("crosses_zero", lambda: one.book_execution("A", -1, 61.0, 100.0)),
        ("crosses_zero", lambda: one.adopt("A", -1.0, 100.0)),
        ("out_of_range", lambda: one.fill(0, 0.0, 100.0)),
        ("out_of_range", lambda: one.fill(0, math.nan, 100.0)),
        ("out_of_range", lambda: one.fill(0, 1.0, -1.0)),
        ("out_of_range", lambda: one.fill(0, 1.0, 100.0, kept=1.0)),
        ("out_of_range", lambda: one.book_execution("A", -1, 1.0, 100.0, kept=0.1)),
        ("out_of_range", lambda: one.split("A", 0.0)),
        ("not_a_finite_number", lambda: one.fill(0, 1.0, 100.0, math.inf)),
        ("not_a_finite_number", lambda: one.move_cash(math.nan, is_flow=True)),
        ("unknown_choice", lambda: one.end_order(0, "filled")),
        ("unknown_choice", lambda: one.fill_exit("A", 1.0, 100.0, "signal")),
        ("unknown_choice", lambda: one.book_execution("A", 2, 1.0, 100.0)),
        ("unknown_choice", lambda: one.book_execution("A", 1, 1.0, 100.0, reason="quote")),
        ("unknown_field", lambda: one.split("X", 2.0)),
        ("unknown_field", lambda: one.adopt("X", 1.0, 1.0)),
        ("needs_matching", lambda: go(one, {"A": orders_of({"action": 0, "quote_qty": 1.0, "bid_px": 9.0})[0]})),
        ("needs_matching", lambda: one.change_rules(Rules(size_at="fill"))),
        ("required", lambda: portfolio().adopt("A", 1.0, 1.0)),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.faults[0].code == code
        assert one.checkpoint() == before


@pytest.mark.parametrize("rules", [{"fill_at": "this_close"}, {"size_at": "fill"}, {"close_at_end": True}])
def test_rules_by_which_a_simulated_venue_would_fill_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        portfolio(rules=Rules(time_in_force="gtc", **rules))
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == (next(iter(rules)), "needs_matching")


def test_both_kinds_of_portfolio_keep_apart() -> None:
    filled, simulated = portfolio(), Portfolio({"A": portfolio()._by_name["A"]}, rules=Rules(time_in_force="gtc"))
    go(filled, {"A": 1})
    go(simulated, {"A": 1})
    with pytest.raises(InputError, match="the simulated venue fills here"):
        simulated.fill(0, 1.0, 1.0)
    for one, other in ((filled, simulated), (simulated, filled)):
        with pytest.raises(InputError) as caught:
            one.resume(other.checkpoint())
        assert caught.value.faults[0].path == "checkpoint.external_fills"


def test_orders_for_auctions_are_left_to_the_venue() -> None:
    for tif in ("opg", "cls"):
        one = portfolio(rules=Rules(time_in_force=tif))
        assert go(one, {"A": 1}).orders.frame()["tif"].tolist() == [tif]
        one.fill(0, 100.0, 100.0)
        assert go(one, {"A": -1}).orders.frame()[["tif", "entry"]].values.tolist() == [[tif, 0]]


def test_dust_of_decimals_leaves_neither_an_order_nor_a_position() -> None:
    rules = Rules(sizing="fixed", size_value=0.3, allow_fractional=True, time_in_force="gtc")
    bars = Bars("A", "1d", "24/7", np.empty(0, np.int64), *([np.empty(0)] * 5), lot_size=1.0, fractionable=True)
    one = Portfolio({"A": bars}, rules=rules, external_fills=True)
    go(one, {"A": 1})
    for part in (0.1, 0.1, 0.1):
        log = one.fill(0, part, 100.0)
    assert [row[1] for row in changes(log)] == ["filled"]
    one.fill_exit("A", 0.1, 100.0, "take_profit")
    one.fill_exit("A", 0.2, 100.0, "take_profit")
    assert one.positions() == []
