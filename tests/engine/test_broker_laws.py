"""Laws of a portfolio that a broker fills: docs/fills.md §18."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Portfolio
from engine.portfolio import WorkingOrder
from tests.engine.broker_lives import Life, Told, drive, for_broker, lives
from tests.engine.cases import Case, cases, tried
from tests.engine.reference.broker import Ledger
from tests.engine.sessions import portfolio_of, steps_of
from tests.engine.test_portfolio_laws import assert_same_life, assert_same_logs, assert_same_state

EXAMPLES = 50
# What an ordinary portfolio knows and a broker does not tell: the price before slippage, bars with two stories.
_OF_THE_SIMULATION = ("slippage", "ambiguous_bars")


def plain(case: Case) -> Case:
    """Orders that fill whole at the next open, and are so small that cash and slots always suffice at their fill."""
    costs = replace(case.costs, volume_cap_ratio=None, slippage="proportional", slippage_value=0.002)
    roomy = for_broker(
        case,
        order_type="market",
        time_in_force="gtc",
        latency_ms=0,
        max_open_positions=None,
        max_position_size_pct=5.0,
        max_symbol_concentration_pct=10.0,
        order_timeout_bars=None,
    )
    return Case(roomy.bars, roomy.signals, roomy.rules, costs, 100_000.0, legs=roomy.legs)


def by_name(rows: Any) -> dict[str, list[Any]]:
    return {name: np.asarray(rows)[name].tolist() for name in rows.dtype.names if name not in _OF_THE_SIMULATION}


@pytest.mark.row("W2")
@tried(EXAMPLES)
@given(case=cases().map(plain))
def test_a_broker_that_fills_as_the_simulation_does_gives_the_same_account(case):
    """Every decision, refusal, order, fill, round trip and mark is that of the twin whose fills were told."""
    twin, told = portfolio_of(case), portfolio_of(case, external_fills=True)
    for step in steps_of(case):
        expected = twin.step(step.ts, step.bars, step.signals)
        trips, fills = [], []
        reasons = expected.fills.frame()["reason"].tolist()
        for row, reason in zip(expected.fills, reasons, strict=True):
            symbol = twin.symbols[row["symbol"]]
            at = (float(row["qty"]), float(row["px"]))
            fee, ts = float(row["commission"]), int(row["ts"])
            if int(row["order"]) in {order.serial for order in told.working_orders()}:
                log = told.fill(int(row["order"]), *at, fee, ts)
            else:
                log = told.fill_exit(symbol, *at, reason, fee, ts)
            fills.append(by_name(log.fills))
            trips += [by_name(log.trips)] if len(log.trips) else []
        log = told.step(step.ts, step.bars, step.signals)
        assert fills == [by_name(expected.fills[k : k + 1]) for k in range(len(expected.fills))]
        assert trips == [by_name(expected.trips[k : k + 1]) for k in range(len(expected.trips))]
        np.testing.assert_equal(by_name(log.denials), by_name(expected.denials))
        assert repr(told.positions()) == repr(twin.positions())
        assert repr(told.working_orders()) == repr(twin.working_orders())
        for name in ("cash", "equity", "exposure", "day_start_equity", "top_equity", "day_halted", "run_halted"):
            assert getattr(told, name) == getattr(twin, name), name
    ours, theirs = told.result().book, twin.result().book
    for name in ours.dtype.names:
        if name not in _OF_THE_SIMULATION:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def tell(ledger: Ledger, event: Told, working: list[WorkingOrder], stops: dict[int, float | None]) -> None:
    """The same to the reference. working: the orders before it was told. stops: protective ones, by serial."""
    name, what, options = event.name, event.arguments, dict(event.options)
    if name == "move_cash":
        ledger.money(what[0], options["is_flow"])
    elif name == "split":
        ledger.split(*what)
    elif name in ("adopt", "release"):
        ledger.transfer(what[0], what[1] if name == "adopt" else -what[1], what[2])
    elif name == "fill":
        order = next(one for one in working if one.serial == what[0])
        ledger.execution(order.symbol, order.side, *what[1:4], options["kept"], stops.get(order.serial))
    elif name == "fill_exit":
        side = -ledger.held[what[0]].side
        ledger.execution(what[0], side, what[1], what[2], what[4])
    elif name == "book_execution":
        ledger.execution(what[0], *what[1:5])


@pytest.mark.row("I15")
@tried(2 * EXAMPLES)
@given(life=lives())
def test_money_and_positions_are_what_was_told_and_nothing_else(life):
    """Cash = start + flows - Σ signed qty × px - commission, position = Σ fills × splits: by a reference of its own."""
    one = portfolio_of(life.case, external_fills=True)
    ledger = Ledger(life.case.cash, life.case.cash, life.case.rules)
    stops: dict[int, float | None] = {}
    for event in life.events:
        if not isinstance(event, Told):
            log = one.step(event.ts, event.bars, event.signals, last=event.last)
            for order in log.orders:
                stops[int(order["serial"])] = protective_stop(life, event, one, order)
            assert len(log.fills) == len(log.trips) == 0
            continue
        working = one.working_orders()
        event(one)
        tell(ledger, event, working, stops)
        if event.name == "split":
            symbol, ratio = event.arguments
            stops |= {o.serial: px / ratio for o in working if o.symbol == symbol and (px := stops.get(o.serial))}
        check(one, ledger)


def protective_stop(life: Life, step: Any, one: Portfolio, order: Any) -> float | None:
    signal = step.signals.get(one.symbols[order["symbol"]])
    if getattr(signal, "dtype", None) is None or signal.dtype.names is None or not order["entry"]:
        return None
    by_market = life.case.rules.order_type in ("market", "limit")
    by_signal = order["reason"] == 0
    return float(signal["stop_px"]) if by_market and by_signal and not np.isnan(signal["stop_px"]) else None


def check(one: Portfolio, ledger: Ledger) -> None:
    assert one.cash == pytest.approx(ledger.cash, rel=1e-9, abs=1e-6)
    assert float(one.result().book["commission"][0]) == pytest.approx(ledger.commission, rel=1e-9, abs=1e-6)
    assert one.result().starting_cash == pytest.approx(ledger.starting_cash)
    assert {p.symbol: p.qty for p in one.positions()} == pytest.approx({s: h.qty for s, h in ledger.held.items()})
    worth = sum(p.qty * p.mark for p in one.positions())
    assert one.equity == pytest.approx(one.cash + worth, rel=1e-12)
    for position in one.positions():
        held = ledger.held[position.symbol]
        assert position.avg_px == pytest.approx(held.average)
        if ledger.rules.vol_stop_atr is None:
            expected = held.stop()
            assert position.stop_px == pytest.approx(np.nan if expected is None else expected, nan_ok=True)
        target = held.target()
        assert position.target_px == pytest.approx(np.nan if target is None else target, nan_ok=True)
    exits: dict[str, float] = {}
    for order in one.working_orders():
        assert order.qty - order.filled > 0.0 or order.qty == 0.0
        if not order.entry:
            exits[order.symbol] = exits.get(order.symbol, 0.0) + order.qty - order.filled
    for symbol, leaving in exits.items():
        assert leaving <= abs(ledger.held[symbol].qty) * (1 + 1e-9)  # never more than what is held


@pytest.mark.row("W2")
@tried(EXAMPLES)
@given(life=lives(), data=st.data())
def test_a_broker_s_portfolio_resumed_anywhere_goes_on_as_if_nothing_had_happened(life, data):
    stops = set(data.draw(st.lists(st.integers(0, len(life.events)), max_size=6)))
    cuts = set(data.draw(st.lists(st.integers(0, len(life.events)), max_size=3)))

    def killed(n: int, portfolio: Portfolio) -> Portfolio:
        if n in cuts:
            portfolio.trim()
        if n not in stops:
            return portfolio
        heir = portfolio_of(life.case, external_fills=True)
        heir.resume(portfolio.checkpoint())
        assert_same_state(portfolio, heir)
        assert heir.checkpoint() == portfolio.checkpoint()
        return heir

    assert_same_life(drive(life), drive(life, between=killed))


@tried(EXAMPLES)
@given(life=lives())
def test_the_order_in_which_symbols_are_given_changes_nothing(life):
    turned = Life(
        Case(dict(reversed(life.case.bars.items())), life.case.signals, life.case.rules, life.case.costs,
             life.case.cash, life.case.match_bars, life.case.legs),
        tuple(
            event if isinstance(event, Told)
            else type(event)(event.ts, dict(reversed(event.bars.items())), event.signals, event.last)
            for event in life.events
        ),
    )  # fmt: skip
    one, other = drive(life), drive(turned)
    assert_same_logs(one[1], other[1])
    assert one[0].checkpoint() == other[0].checkpoint()
