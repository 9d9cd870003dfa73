"""A portfolio as a session host sees it: logs with serials, requests, blocks, what it holds, what it forgets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine import Bars, Costs, InputError, Portfolio, Rules
from engine.portfolio import OutsideExposure, StepLog
from engine.types import BLOCK_NAMES, DENIAL_NAMES, ORDER, REASON_NAMES, REQUEST_REASONS
from tests.engine.made import START, orders_of, random_bars, random_signals

DAY = 86_400_000_000_000
FLAT = (100.0, 101.0, 99.0, 100.0, 1_000.0)


def portfolio(*symbols: str, cash: float = 100_000.0, **options: Any) -> Portfolio:
    empty = np.empty(0)
    names = symbols or ("A",)
    bars = {name: Bars(name, "1d", "24/7", np.empty(0, np.int64), *([empty] * 5)) for name in names}
    rules = options.pop("rules", Rules(time_in_force="gtc"))
    return Portfolio(bars, rules=rules, starting_cash=cash, **options)


def go(one: Portfolio, signals: dict[str, Any] | None = None, bar: tuple[float, ...] = FLAT, **options: Any) -> StepLog:
    """One day more; every symbol has this bar."""
    ts = START if one.last_ts is None else one.last_ts + DAY
    return one.step(ts, dict.fromkeys(one.symbols, bar), signals or {}, **options)


def changes(log: StepLog) -> list[tuple[int, str, float]]:
    rows = log.changed.frame()
    return list(zip(rows["serial"], rows["status"], rows["filled"], strict=True))


def refusals(log: StepLog) -> list[tuple[str, int]]:
    rows = log.denials.frame()
    return list(zip(rows["reason"], rows["count"], strict=True))


@pytest.mark.row("J19")
def test_a_log_tells_each_change_of_an_order_once() -> None:
    one = portfolio(costs=Costs(volume_cap_ratio=0.06))
    assert changes(go(one, {"A": 1})) == [(0, "working", 0.0)]
    assert changes(go(one)) == [(0, "partially_filled", 60.0)]
    filled = go(one)
    assert changes(filled) == [(0, "filled", 100.0)]
    assert len(filled.orders) == 0
    assert filled.fills["order"].tolist() == [0]
    assert changes(go(one)) == []
    assert changes(go(one, {"A": -1})) == [(1, "working", 0.0)]
    go(one)
    closed = go(one)
    assert changes(closed) == [(1, "filled", 100.0)]
    assert closed.trips.frame()["exit_reason"].tolist() == ["signal"]


def test_orders_that_trigger_or_get_their_size_are_reported() -> None:
    one = portfolio(rules=Rules(order_type="stop_limit", stop_offset_pct=5.0, time_in_force="gtc"))
    go(one, {"A": 1})
    triggered = go(one, bar=(107.0, 108.0, 106.0, 107.0, 10.0))
    assert triggered.changed["triggered"].tolist() == [1]
    assert triggered.changed.frame()["status"].tolist() == ["working"]
    assert one.working_orders()[0].triggered
    sized = portfolio(rules=Rules(size_at="fill", allow_partial_fills=False), costs=Costs(volume_cap_ratio=0.01))
    assert go(sized, {"A": 1}).changed["qty"].tolist() == [0.0]
    assert go(sized).changed["qty"].tolist() == [100.0]


def test_equal_orders_have_equal_bytes_whatever_the_memory_held_before() -> None:
    """By their bytes a log tells what has changed, and NumPy copies no byte between the fields of a record."""
    one = portfolio("A", "B", rules=Rules(order_type="limit", limit_offset_pct=50.0, time_in_force="gtc"))
    go(one, {"A": 1, "B": 1})
    told = set()
    for byte in range(0, 256, 17):
        dirt = [np.full(n * ORDER.itemsize, byte, np.uint8) for n in (1, 2, 3)]
        del dirt
        told.add(np.asarray(one._reports.orders(one._reports.working())).tobytes())
    assert len(told) == 1


def test_serials_survive_trimming_and_resuming() -> None:
    one = portfolio("A", "B", rules=Rules(order_type="limit", limit_offset_pct=50.0, time_in_force="gtc"))
    go(one, {"A": 1, "B": 1})
    one.cancel_entry("A")
    one.trim()
    heir = portfolio("A", "B", rules=one.rules)
    heir.resume(one.checkpoint())
    for each in (one, heir):
        assert [(order.serial, order.symbol) for order in each.working_orders()] == [(1, "B")]
        log = go(each, {"A": 1}, bar=(40.0, 41.0, 39.0, 40.0, 1e6))
        assert log.orders["serial"].tolist() == [2]
        assert log.fills["order"].tolist() == [1]
        assert changes(log) == [(1, "filled", 100.0), (2, "working", 0.0)]


def test_every_refusal_is_told_also_a_repeated_one() -> None:
    one = portfolio(rules=Rules(min_confidence=0.5))
    doubtful = {"A": orders_of({"action": 1, "confidence": 0.2})[0]}
    assert [refusals(go(one, doubtful)) for _ in range(3)] == [[("low_confidence", k)] for k in (1, 2, 3)]
    assert refusals(go(one)) == []


@pytest.mark.row("J19")
def test_positions_and_working_orders_can_be_read_at_any_time() -> None:
    one = portfolio(rules=Rules(stop_loss_pct=5.0, trailing_stop_pct=10.0, time_in_force="gtc"))
    assert one.positions() == []
    go(one, {"A": 1})
    assert [(o.kind, o.side, o.qty, o.entry, o.status) for o in one.working_orders()] == [
        ("market", 1, 100.0, True, "working")
    ]
    go(one, bar=(100.0, 120.0, 96.0, 110.0, 1e6))
    (position,) = one.positions()
    assert (position.symbol, position.qty, position.avg_px, position.mark) == ("A", 100.0, 100.0, 110.0)
    assert (position.stop_px, position.trailing_px, position.unrealised) == (95.0, 108.0, 1_000.0)
    assert math.isnan(position.target_px)
    assert (one.cash, one.equity, one.exposure) == (90_000.0, 101_000.0, 11_000.0)
    assert (one.day_start_equity, one.top_equity) == (100_000.0, 101_000.0)
    go(one, bar=(110.0, 111.0, 109.0, 110.0, 1e6))
    assert one.day_start_equity == 101_000.0


@pytest.mark.row("C14")
def test_new_rules_are_for_new_entries_only() -> None:
    one = portfolio("A", "B", rules=Rules(stop_loss_pct=5.0, take_profit_pct=10.0, max_holding_bars=50))
    go(one, {"A": 1})
    go(one)
    one.change_rules(Rules(stop_loss_pct=2.0, size_value=20.0), Costs(commission_rate=0.01))
    go(one, {"B": 1})
    log = go(one)
    assert log.fills["commission"].tolist() == [200.0]  # costs change at once
    a, b = one.positions()
    assert (a.stop_px, a.target_px) == (95.0, pytest.approx(110.0))
    assert b.stop_px == 98.0
    assert math.isnan(b.target_px)
    assert b.qty == 200.0


@pytest.mark.row("C14")
def test_a_working_entry_keeps_what_it_was_decided_with() -> None:
    old = Rules(
        order_type="trailing_stop",
        time_in_force="gtc",
        stop_offset_pct=5.0,
        trailing_stop_pct=10.0,
        order_timeout_bars=9,
        stop_loss_pct=20.0,
    )
    one = portfolio(rules=old)
    go(one, {"A": 1})
    one.change_rules(Rules(stop_offset_pct=1.0, order_timeout_bars=1, time_in_force="cls"))
    assert len(go(one, bar=(100.0, 102.0, 99.0, 100.0, 1e6)).fills) == 0
    filled = go(one, bar=(103.0, 106.0, 102.0, 105.0, 1e6))
    assert filled.fills["px"].tolist() == [pytest.approx(103.95)]  # 99 was the low, and 5% above it the trigger
    (position,) = one.positions()
    assert position.stop_px == pytest.approx(83.16)
    assert position.trailing_px == pytest.approx(95.4)


def test_limits_of_the_portfolio_change_at_once() -> None:
    one = portfolio(rules=Rules(size_value=90.0, max_position_size_pct=None))
    go(one, {"A": 1})
    go(one)
    one.change_rules(Rules(daily_loss_limit_pct=5.0))
    log = go(one, {"A": 1}, bar=(92.0, 93.0, 91.0, 92.0, 1e6))
    assert one.day_halted
    assert log.orders.frame()["reason"].tolist() == ["daily_loss"]


@pytest.mark.row("J19")
@pytest.mark.parametrize("reason", REQUEST_REASONS)
def test_an_exit_asked_for_fills_at_the_next_open(reason: str) -> None:
    one = portfolio("A", "B", "C")
    go(one, {"A": 1, "B": 1})
    go(one, {"C": 1})
    asked = one.request_exit("A", reason)
    assert asked.orders.frame()[["symbol", "reason", "status"]].values.tolist() == [["A", reason, "working"]]
    assert len(one.request_exit("A", reason).changed) == 0  # it is on its way
    everything = one.request_exit(None, reason)
    assert changes(everything) == [(2, "cancelled", 0.0), (4, "working", 0.0)]
    assert len(one.request_exit(None, reason).changed) == 0
    log = go(one, bar=(90.0, 91.0, 89.0, 90.0, 1e6))
    assert log.fills.frame()[["symbol", "px", "reason"]].values.tolist() == [["A", 90.0, reason], ["B", 90.0, reason]]
    assert one.positions() == []
    assert len(one.request_exit(None, reason).changed) == 0


def test_an_entry_is_cancelled_when_asked() -> None:
    one = portfolio("A", "B")
    assert len(one.cancel_entry(None).changed) == 0
    go(one, {"A": 1, "B": 1})
    assert changes(one.cancel_entry("B")) == [(1, "cancelled", 0.0)]
    assert len(one.cancel_entry("B").changed) == 0
    assert changes(one.cancel_entry(None)) == [(0, "cancelled", 0.0)]
    assert len(go(one).fills) == 0


@pytest.mark.row("W5")
@pytest.mark.parametrize("name", BLOCK_NAMES)
def test_a_block_refuses_entries_by_its_name_and_lets_exits_go_on(name: str) -> None:
    one = portfolio("A", "B")
    go(one, {"A": 1})
    log = go(one, {"A": -1, "B": 1}, blocked=name)
    assert len(log.fills) == 1  # what was decided before the block fills
    assert log.orders.frame()["reason"].tolist() == ["signal"]
    assert refusals(log) == [(name, 1)]
    assert len(go(one, {"A": 1, "B": 1}, blocked={"A": name}).orders) == 1
    assert refusals(go(one, {"A": 1})) == []


def test_requests_and_blocks_that_make_no_sense_are_refused() -> None:
    one = portfolio()
    for call in (
        lambda: one.request_exit("X", "user"),
        lambda: one.request_exit("A", "signal"),
        lambda: one.cancel_entry("X"),
        lambda: go(one, {"A": 1}, blocked="no_cash"),
        lambda: go(one, {"A": 1}, blocked={"X": "paused"}),
        lambda: one.change_rules(Rules(fill_at="this_close")),
        lambda: OutsideExposure(gross=-1.0),
        lambda: OutsideExposure(net=math.nan),
        lambda: OutsideExposure(symbols={"A": math.inf}),
    ):
        with pytest.raises(InputError):
            call()
    assert one.last_ts is None


def test_a_checkpoint_that_does_not_fit_is_refused() -> None:
    one = portfolio("A", "B")
    go(one, {"A": 1})
    data = one.checkpoint()

    def code(other: Portfolio, bytes_: bytes) -> str:
        with pytest.raises(InputError) as caught:
            other.resume(bytes_)
        assert other.last_ts is None
        return caught.value.faults[0].code

    fresh = portfolio("A", "B")
    assert code(portfolio("A", "C"), data) == "version_changed"
    assert code(fresh, data[:-1]) == "damaged"
    assert code(fresh, b"") == "damaged"
    assert code(fresh, data[:100] + b"?" + data[101:]) == "damaged"
    assert code(portfolio("A", "B", rules=Rules(fill_at="this_close")), data) == "conflict"
    fresh.resume(data)
    assert fresh.checkpoint() == data


@pytest.mark.row("C14")
def test_a_portfolio_resumed_with_other_rules_goes_on_by_them() -> None:
    one = portfolio(rules=Rules(stop_loss_pct=5.0, correlation_bars=9))
    go(one, {"A": 1})
    go(one)
    other = Rules(stop_loss_pct=1.0, correlation_bars=4, atr_period=3, allow_fractional=True, rebalance="daily")
    heir = portfolio(rules=other)
    heir.resume(one.checkpoint())
    one.change_rules(other)
    assert heir.checkpoint() == one.checkpoint()
    assert heir.positions()[0].stop_px == 95.0
    logs = [go(each, {"A": -1}) for each in (one, heir)]
    assert repr(logs[0].orders) == repr(logs[1].orders)
    assert heir.checkpoint() == one.checkpoint()


def test_memory_and_checkpoints_stay_flat_over_a_long_life() -> None:
    bars, count = {"A": random_bars(1, 6_000)}, 6_000
    signals = random_signals(2, count, rate=0.5)
    one = Portfolio(bars, rules=Rules(time_in_force="gtc", size_value=5.0), keep_history=False)
    sizes, trips = set(), 0
    for k in range(count):
        row = tuple(float(getattr(bars["A"], name)[k]) for name in ("open", "high", "low", "close", "volume"))
        trips += len(one.step(int(bars["A"].ts[k]), {"A": row}, {"A": int(signals[k])}).trips)
        if k % 1_000 == 999:
            sizes.add(sum(column.nbytes for column in one._columns[0].columns.values()) + one._times.nbytes)
            assert len(one.checkpoint()) < 5_000
    assert len(sizes) == 1
    assert trips > 500
    assert len(one.result().fills) < 1_000
    whole = Portfolio(bars, rules=one.rules)
    for k in range(count):
        row = tuple(float(getattr(bars["A"], name)[k]) for name in ("open", "high", "low", "close", "volume"))
        whole.step(int(bars["A"].ts[k]), {"A": row}, {"A": int(signals[k])})
    assert whole.equity == one.equity
    assert int(whole.result().book["kelly_trades"][0]) == trips


def test_reason_and_denial_names_are_only_ever_added_to() -> None:
    """Stored results hold codes: the place of a name is for ever."""
    assert REASON_NAMES[:9] == (
        "signal", "rebalance", "stop_loss", "take_profit", "trailing_stop", "max_holding", "daily_loss", "max_drawdown",
        "end",
    )  # fmt: skip
    assert DENIAL_NAMES[:15] == (
        "low_confidence", "outside_window", "daily_loss_halt", "drawdown_halt", "short_not_allowed", "no_slot",
        "no_stop", "no_volatility", "no_edge", "size_zero", "capital_cap", "position_cap", "symbol_cap", "no_cash",
        "no_equity",
    )  # fmt: skip
