"""Why an entry was refused: every gate with its value and limit, the first that is not ok the denial's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars, Costs, InputError, Portfolio, Rules
from engine.portfolio import Gate, OutsideExposure
from engine.types import BLOCK_NAMES, DENIAL_NAMES, REASON_NAMES, SIGNAL, STATUS_NAMES, TIMEFRAMES
from tests.engine.cases import cases, finer_cases, tried
from tests.engine.made import START
from tests.engine.sessions import heed, plans, portfolio_of, steps_of


class Session:
    """A portfolio stepped by the day: each bar a price, each signal +1, -1 or a record."""

    def __init__(self, *symbols: str, rules: Rules, cash: float = 100_000.0, **options: Any) -> None:
        self.timeframe, self.calendar = options.pop("timeframe", "1d"), options.pop("calendar", "24/7")
        self.ts = options.pop("start", START)
        names = symbols or ("A",)
        empty = [np.empty(0)] * 5
        bars = {name: Bars(name, self.timeframe, self.calendar, np.empty(0, np.int64), *empty) for name in names}
        self.portfolio = Portfolio(bars, rules=rules, starting_cash=cash, **options)

    def go(self, signals: dict[str, Any] | None = None, prices: Any = 100.0, **options: Any) -> list[str]:
        """One bar; the names of its refusals."""
        given = prices if isinstance(prices, dict) else dict.fromkeys(self.portfolio.symbols, prices)
        bars = {name: (px, px, px, px, 1_000.0) for name, px in given.items()}
        log = self.portfolio.step(self.ts, bars, signals or {}, **options)
        self.ts += TIMEFRAMES[self.timeframe]
        return [DENIAL_NAMES[row["reason"]] for row in log.denials if row["allowed"] == 0.0]

    def causes(self, symbol: str = "A", side: int = 1) -> list[str]:
        return [gate.name for gate in self.portfolio.gates(symbol, side) if not gate.ok]

    def gate(self, name: str, symbol: str = "A", side: int = 1) -> Gate:
        return next(gate for gate in self.portfolio.gates(symbol, side) if gate.name == name)


def says(**fields: float) -> np.void:
    row = np.zeros(1, dtype=SIGNAL)
    for name in (SIGNAL.names or ())[1:]:
        row[name] = math.nan
    for name, value in fields.items():
        row[name] = value
    return row[0]


def sole(session: Session, name: str, refused: list[str], symbol: str = "A", side: int = 1) -> Gate:
    """The step refused by this name, and no other gate was in the way."""
    assert refused == [name]
    assert session.causes(symbol, side) == [name]
    return session.gate(name, symbol, side)


@pytest.mark.row("W5", "D16")
def test_low_confidence_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(min_confidence=0.6))
    gate = sole(one, "low_confidence", one.go({"A": says(action=1, confidence=0.5)}))
    assert (gate.value, gate.limit) == (0.5, 0.6)
    assert one.go({"A": says(action=1, confidence=0.6)}) == []
    assert one.causes() == []


@pytest.mark.row("W5")
def test_the_window_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(window=np.array([False, True])))
    sole(one, "outside_window", one.go({"A": 1}))
    assert one.go({"A": 1}) == []


@pytest.mark.row("W5")
@pytest.mark.parametrize("name", BLOCK_NAMES)
def test_a_block_can_be_the_sole_cause(name: str) -> None:
    one = Session(rules=Rules())
    sole(one, name, one.go({"A": 1}, blocked=name))


@pytest.mark.row("W5", "J6")
@pytest.mark.parametrize(
    ("field", "value", "limit"), [("daily_loss_limit_pct", 5.0, 2.0), ("daily_loss_limit_abs", 5_000.0, 1_000.0)]
)
def test_the_daily_loss_can_be_the_sole_cause(field: str, value: float, limit: float) -> None:
    rules = Rules(size_value=50.0, max_position_size_pct=None, **{field: limit})
    one = Session(rules=rules, timeframe="1h")
    one.go({"A": 1})
    one.go()
    one.go(prices=90.0)
    gate = sole(one, "daily_loss_halt", one.go({"A": 1}, prices=90.0))
    assert (gate.value, gate.limit) == (value, limit)


@pytest.mark.row("W5")
def test_the_drawdown_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(size_value=50.0, max_position_size_pct=None, max_drawdown_pct=4.0))
    one.go({"A": 1})
    one.go()
    one.go(prices=90.0)
    gate = sole(one, "drawdown_halt", one.go({"A": 1}, prices=90.0))
    assert (gate.value, gate.limit) == (5.0, 4.0)


@pytest.mark.row("W5", "J5")
def test_slots_can_be_the_sole_cause() -> None:
    one = Session("A", "B", rules=Rules(max_open_positions=1))
    one.go({"A": 1})
    gate = sole(one, "no_slot", one.go({"B": 1}), "B")
    assert (gate.value, gate.limit) == (1.0, 1.0)


@pytest.mark.row("W5")
def test_short_selling_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(rebalance="on_target_weights"))
    gate = sole(one, "short_not_allowed", one.go({"A": says(action=0, target_weight=-0.1)}), side=-1)
    assert (gate.value, gate.limit) == (0.0, 1.0)


@pytest.mark.row("W5", "J4", "J13", "J14")
@pytest.mark.parametrize(
    ("fields", "name", "value", "limit"),
    [
        ({"capital_per_trade": 50.0}, "capital_cap", 10_000.0, 50.0),
        ({"max_position_size_pct": 0.05}, "position_cap", 10.0, 0.05),
        ({"max_symbol_concentration_pct": 0.05}, "symbol_cap", 10.0, 0.05),
        ({"max_gross_exposure_pct": 0.05}, "gross_cap", 10.0, 0.05),
        ({"max_net_exposure_pct": 0.05}, "net_cap", 10.0, 0.05),
        ({"account_gross_cap": 50.0}, "account_cap", 10_000.0, 50.0),
        ({"account_net_cap": 50.0}, "account_cap", 10_000.0, 50.0),
        ({"account_symbol_cap": 50.0}, "account_cap", 10_000.0, 50.0),
        ({"size_value": 0.05}, "size_zero", 0.0, 1.0),
        ({"sizing": "risk"}, "no_stop", math.nan, 0.0),
        ({"sizing": "volatility"}, "no_volatility", math.nan, 0.0),
        ({"vol_stop_atr": 2.0}, "no_volatility", math.nan, 0.0),
    ],
)
def test_each_figure_of_the_size_can_be_the_sole_cause(
    fields: dict[str, Any], name: str, value: float, limit: float
) -> None:
    one = Session(rules=Rules(**fields))
    gate = sole(one, name, one.go({"A": 1}))
    np.testing.assert_equal((gate.value, gate.limit), (value, limit))
    size = one.portfolio.size("A")
    assert size is not None
    if name != "no_volatility" or "sizing" in fields:
        assert (size.qty, size.reason) == (0.0, name)


@pytest.mark.row("W5")
def test_no_edge_and_no_equity_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(sizing="kelly", kelly_min_trades=1))
    for prices, signal in ((100.0, 1), (100.0, -1), (90.0, 0)):
        one.go({"A": signal}, prices=prices)
    sole(one, "no_edge", one.go({"A": 1}))
    ruined = Session(
        rules=Rules(allow_short=True, sizing="fixed", size_value=300.0, max_position_size_pct=None, time_in_force="gtc")
    )
    ruined.go({"A": -1})
    ruined.go()
    ruined.go({"A": 1}, prices=1_000.0)
    assert ruined.causes() == ["no_equity"]


@pytest.mark.row("W5", "J13")
def test_cash_can_be_the_sole_cause() -> None:
    """All cash is in A; an order for B is decided all the same and denied where it would fill."""
    one = Session("A", "B", rules=Rules(size_value=100.0, max_position_size_pct=None))
    one.go({"A": 1})
    assert one.go({"B": 1}) == []
    assert one.causes("B") == ["no_cash"]
    assert (one.gate("no_cash", "B").value, one.gate("no_cash", "B").limit) == (0.0, 100_000.0)
    assert one.go() == ["no_cash"]


@pytest.mark.row("W14")
def test_exposure_counts_working_entries_and_what_the_account_holds_elsewhere() -> None:
    rules = Rules(max_gross_exposure_pct=15.0, order_type="limit", limit_offset_pct=20.0, time_in_force="gtc")
    one = Session("A", "B", "C", rules=rules)
    assert one.go({"A": 1, "B": 1, "C": 1}) == ["gross_cap"]
    assert [(order.symbol, order.qty) for order in one.portfolio.working_orders()] == [("A", 100.0), ("B", 50.0)]
    gate = one.gate("gross_cap", "C")
    assert (gate.value, gate.limit, gate.ok) == (25.0, 15.0, False)

    account = Session(rules=Rules(account_gross_cap=50_000.0, account_net_cap=30_000.0, account_symbol_cap=12_000.0))
    cases = [
        (OutsideExposure(gross=45_000.0), 50.0),
        (OutsideExposure(gross=45_000.0, net=-45_000.0), 50.0),
        (OutsideExposure(gross=28_000.0, net=28_000.0), 20.0),
        (OutsideExposure(symbols={"A": 9_000.0, "Z": 1e9}), 30.0),
        (None, 100.0),
    ]
    for outside, units in cases:
        account.go({"A": 1}, outside=outside)
        assert [order.qty for order in account.portfolio.working_orders()] == [units]
        account.portfolio.cancel_entry("A")
    assert account.go({"A": 1}, outside=OutsideExposure(gross=50_000.0)) == ["account_cap"]


@pytest.mark.row("W14")
def test_net_exposure_sets_shorts_against_longs() -> None:
    rules = Rules(allow_short=True, max_net_exposure_pct=12.0, time_in_force="gtc")
    one = Session("A", "B", "C", rules=rules)
    one.go({"A": 1})
    one.go()
    one.go({"B": 1, "C": -1})
    assert {order.symbol: order.qty for order in one.portfolio.working_orders()} == {"B": 20.0, "C": 100.0}


@pytest.mark.row("W5", "J17", "W14")
def test_correlation_can_be_the_sole_cause() -> None:
    rules = Rules(
        allow_short=True, max_correlated_positions=1, correlation_bars=5, correlation_threshold=0.9, time_in_force="gtc"
    )
    one = Session("A", "B", "C", rules=rules)
    rng = np.random.default_rng(3)
    for k in range(8):
        move, other = (0.0, 0.0) if k == 0 else rng.normal(0.0, 2.0, 2)
        prices = {"A": 100.0 + move, "B": 200.0 + 2.0 * move, "C": 100.0 + other}
        refused = one.go({"A": 1} if k == 0 else {"B": 1} if k == 3 else {}, prices=prices)
        assert refused == []  # at k = 3 there were too few bars to tell
        if k == 3:
            one.portfolio.cancel_entry("B")
    gate = sole(one, "correlated", one.go({"B": 1}, prices={"A": 101.0, "B": 202.0, "C": 99.0}), "B")
    assert (gate.value, gate.limit) == (1.0, 1.0)
    assert one.causes("B", side=-1) == []  # a short against the long does not move with it
    assert one.causes("C") == []


@pytest.mark.row("W5")
def test_pace_can_be_the_sole_cause() -> None:
    one = Session("A", "B", "C", rules=Rules(max_orders_per_minute=2), timeframe="1s")
    assert one.go({"A": 1}) == []
    one.ts += 30 * TIMEFRAMES["1s"]
    gate_of = one.go({"B": 1, "C": 1})
    gate = sole(one, "order_rate", gate_of, "C")
    assert (gate.value, gate.limit) == (2.0, 2.0)
    one.ts += 28 * TIMEFRAMES["1s"]
    assert one.go({"C": 1}) == []  # the first was 60 s ago


@pytest.mark.row("W5")
def test_the_collar_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(price_collar_pct=5.0))
    assert one.go({"A": 1}) == []
    one.portfolio.cancel_entry("A")
    gate = sole(one, "price_collar", one.go({"A": 1}, prices=110.0))
    assert (gate.value, gate.limit) == (pytest.approx(10.0), 5.0)
    limit = Session(rules=Rules(price_collar_pct=5.0, order_type="limit"))
    sole(limit, "price_collar", limit.go({"A": says(action=1, limit_px=90.0)}))
    assert limit.go({"A": says(action=1, limit_px=96.0)}) == []


@pytest.mark.row("W5")
def test_cooldown_can_be_the_sole_cause() -> None:
    one = Session(rules=Rules(cooldown_bars=2, allow_short=True))
    one.go({"A": 1})
    one.go()
    assert one.go({"A": -1}) == ["cooldown"]  # no flip at once
    assert sole(one, "cooldown", one.go({"A": 1})).value == 1.0
    assert one.go({"A": 1}) == ["cooldown"]
    assert one.go({"A": 1}) == []


@pytest.mark.row("W5")
def test_the_end_of_the_session_can_be_the_sole_cause() -> None:
    """A half day: New York closes at 13:00, 18:00 UTC, so what is decided at 17:45 meets the last bar."""
    start = np.datetime64("2015-12-24T17:00", "ns").astype(np.int64).item()
    rules = Rules(flatten_at_session_end=True)
    one = Session("A", "B", rules=rules, timeframe="15m", calendar="XNYS", start=start)
    assert one.go({"A": 1}) == []
    assert one.go() == []
    sole(one, "session_end", one.go({"B": 1}), "B")  # opens at 17:30, closes at 17:45
    assert one.portfolio.exits_due() == {"A": "session_end"}
    one.go({"B": 1})
    assert one.portfolio.positions() == []
    assert one.causes("B") == ["session_end"]
    one.ts = np.datetime64("2015-12-28T14:30", "ns").astype(np.int64).item()
    assert one.go({"B": 1}) == []


def test_markets_that_never_close_and_daily_bars_have_no_session_end() -> None:
    for timeframe, calendar in (("1d", "XNYS"), ("1h", "24/7")):
        one = Session(rules=Rules(flatten_at_session_end=True), timeframe=timeframe, calendar=calendar)
        for _ in range(30):
            one.go({"A": 1})
        assert len(one.portfolio.positions()) == 1


@pytest.mark.row("J16")
def test_a_volatility_stop_is_so_many_atrs_of_the_decision_from_the_fill() -> None:
    def stop(**fields: Any) -> float:
        one = Session(rules=Rules(vol_stop_atr=2.0, atr_period=2, **fields))
        for price in (100.0, 102.0, 104.0):  # each true range is 2
            one.go(prices=price)
        one.go({"A": 1}, prices=106.0)
        one.go(prices=107.0)
        return one.portfolio.positions()[0].stop_px

    assert stop() == 103.0
    assert stop(stop_loss_pct=50.0) == 103.0
    assert stop(stop_loss_pct=1.0) == pytest.approx(105.93)  # the nearer one


@pytest.mark.row("J15", "J16", "J19")
def test_risk_is_sized_to_the_nearer_stop() -> None:
    one = Session(
        rules=Rules(sizing="risk", size_value=1.0, vol_stop_atr=2.0, atr_period=1, max_position_size_pct=None)
    )
    one.go(prices=100.0)
    one.go(prices=102.0)
    size = one.portfolio.size("A")
    assert size is not None
    assert (size.qty, size.asked, size.px) == (250.0, 250.0, 102.0)
    one.portfolio.change_rules(Rules(sizing="risk", size_value=1.0, stop_loss_pct=1.0, max_position_size_pct=None))
    assert one.portfolio.size("A").qty == 980.0  # type: ignore[union-attr]


@pytest.mark.row("J19")
def test_gates_are_for_symbols_and_sides_that_exist() -> None:
    one = Session("A", "B", rules=Rules())
    assert one.portfolio.gates("A") == []
    assert one.portfolio.size("A") is None
    one.go(prices={"A": 100.0})
    assert [gate.name for gate in one.portfolio.gates("A")] == ["position_cap", "size_zero", "no_cash"]
    assert all(gate.text for gate in one.portfolio.gates("A"))
    assert one.portfolio.gates("B") == []
    for symbol, side in (("X", 1), ("A", 0)):
        with pytest.raises(InputError):
            one.portfolio.gates(symbol, side)


@pytest.mark.row("W5", "J19")
@tried(150)
@given(case=cases() | cases(focus="guards") | cases(focus="correlated") | finer_cases(), data=st.data())
def test_the_first_gate_that_is_not_ok_is_the_denials(case, data):
    """Each refusal of a decision is the first gate in the way, and an entry that is placed met none. (Gates are those
    of an entry by a signal; a quote asks for other units at a price of its own.)"""
    plan = data.draw(plans(case))
    portfolio = portfolio_of(case)
    for n, step in enumerate(steps_of(case)):
        for request in plan.before.get(n, ()):
            heed(portfolio, request)
        rules = portfolio.rules
        around = {"blocked": plan.blocked.get(n), "outside": plan.outside.get(n)}
        log = portfolio.step(step.ts, step.bars, step.signals, last=step.last, **around)
        ended = {order["symbol"] for order in log.changed if STATUS_NAMES[order["status"]] in ("denied", "cancelled")}
        quoted = {name for name, one in step.signals.items() if one.dtype.names and one["quote_qty"] >= 0.0}
        for row in log.denials:
            if portfolio.symbols[row["symbol"]] in quoted:
                continue
            name = DENIAL_NAMES[row["reason"]]
            of_target = rules.rebalance != "never" and name in ("position_cap", "symbol_cap")
            at_a_fill = row["symbol"] in ended  # counted up in a row that a decision had begun
            if row["allowed"] == 0.0 and row["order"] == -1 and not of_target and not at_a_fill:
                gates = portfolio.gates(portfolio.symbols[row["symbol"]], int(row["side"]))
                assert next(gate.name for gate in gates if not gate.ok) == name, (name, gates)
        for order in log.orders:
            if order["entry"] and rules.size_at == "decision" and REASON_NAMES[order["reason"]] != "quote":
                gates = portfolio.gates(portfolio.symbols[order["symbol"]], int(order["side"]))
                assert {gate.name for gate in gates if not gate.ok} <= {"no_cash"}, gates


def test_costs_are_part_of_what_cash_must_cover() -> None:
    one = Session(rules=Rules(size_value=100.0, max_position_size_pct=None), costs=Costs(commission_min=99_999.0))
    one.go({"A": 1})
    assert one.causes() == ["no_cash"]
