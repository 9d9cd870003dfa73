"""Signals that only close, and entries of several symbols that are placed together or not at all. docs/fills.md §11."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Result, Rules, simulate
from engine.types import EXIT, EXIT_LONG, EXIT_SHORT
from tests.engine.made import bars_of, denials, fills, flat, orders_of, run, statuses
from tests.engine.test_gates import Session, says

ROWS = [(100, 101, 99, 100), (102, 104, 101, 103), (104, 105, 102, 104), (105, 106, 104, 105), (106, 107, 105, 106)]
FIXED = Rules(sizing="fixed", size_value=10.0, allow_short=True, max_position_size_pct=None)


@pytest.mark.parametrize(("code", "closes"), [(EXIT_LONG, True), (EXIT_SHORT, False), (EXIT, True)])
def test_an_exit_closes_the_long_that_it_names_and_opens_nothing(code: int, closes: bool) -> None:
    """With shorting a sell would turn the position round at that open; an exit closes."""
    bought, sold = (1, "buy", 10.0, 102.0, "signal"), (2, "sell", 10.0, 104.0, "signal")
    assert fills(run(ROWS, [1, code, 0, 0, 0], FIXED)) == ([bought, sold] if closes else [bought])
    assert fills(run(ROWS, [1, -1, 0, 0, 0], FIXED)) == [bought, sold, (2, "sell", 10.0, 104.0, "signal")]


@pytest.mark.parametrize(("code", "closes"), [(EXIT_LONG, False), (EXIT_SHORT, True), (EXIT, True)])
def test_an_exit_closes_the_short_that_it_names(code: int, closes: bool) -> None:
    sold, bought = (1, "sell", 10.0, 102.0, "signal"), (2, "buy", 10.0, 104.0, "signal")
    assert fills(run(ROWS, [-1, code, 0, 0, 0], FIXED)) == ([sold, bought] if closes else [sold])


@pytest.mark.parametrize(("side", "code"), [(1, EXIT_LONG), (-1, EXIT_SHORT), (1, EXIT), (-1, EXIT)])
def test_an_exit_cancels_the_entry_that_works(side: int, code: int) -> None:
    away = 50.0 if side > 0 else 200.0
    rules = Rules(order_type="limit", time_in_force="gtc", allow_short=True)
    for said, status in ((code, "cancelled"), (-2 if code == 2 else 2 if code == -2 else 0, "working")):
        signals = orders_of({"action": side, "limit_px": away}, {"action": said}, {}, {}, {})
        assert statuses(run(ROWS, signals, rules)) == [status]


def test_an_exit_when_nothing_is_there_does_nothing() -> None:
    result = run(ROWS, [EXIT, EXIT_LONG, EXIT_SHORT, EXIT, 0], FIXED)
    assert len(result.orders) == len(result.denials) == 0


def test_an_exit_takes_the_time_in_force_of_exits_by_signals() -> None:
    result = run(ROWS, [1, EXIT, 0, 0, 0], Rules(time_in_force="cls", sizing="fixed", size_value=10.0))
    assert fills(result)[1] == (2, "sell", 10.0, 104.0, "signal")
    assert result.orders.frame()["tif"].tolist() == ["cls", "cls"]


def together(signals: dict[str, list[int] | np.ndarray], rules: Rules, *, legs: object = (("A", "B"),)) -> Result:
    bars = {name: bars_of(flat(100, 4), symbol=name) for name in signals}
    given = {name: np.asarray(one) for name, one in signals.items()}
    return simulate(bars, given, rules=rules, legs=legs)


def opened(result: Result) -> list[tuple[str, int]]:
    rows = result.fills.frame()
    return list(zip(rows["symbol"], rows["side"], strict=True))


PAIR = {"A": [1, 0, 0, 0], "B": [-1, 0, 0, 0]}


@pytest.mark.row("D10")
def test_both_legs_of_a_pair_are_placed() -> None:
    result = together(PAIR, FIXED)
    assert opened(result) == [("A", 1), ("B", -1)]
    assert denials(result) == []


@pytest.mark.row("D10")
@pytest.mark.parametrize("fields", [{"max_open_positions": 1}, {"allow_short": False}, {"max_gross_exposure_pct": 1.0}])
def test_where_one_leg_is_refused_the_other_is_not_placed(fields: dict) -> None:
    rules = Rules(
        **{"sizing": "fixed", "size_value": 10.0, "allow_short": True, "max_position_size_pct": None} | fields
    )
    reason = {"max_open_positions": "no_slot", "allow_short": "short_not_allowed"}.get(next(iter(fields)), "gross_cap")
    result = together(PAIR, rules)
    assert len(result.orders) == 0
    rows = result.denials.frame()
    assert list(zip(rows["symbol"], rows["reason"], strict=True)) == [("B", reason), ("A", "leg_refused")]
    alone = together(PAIR, rules, legs=())
    assert opened(alone) == [("A", 1)], "without the group the first leg would have been left alone"


@pytest.mark.row("D10")
def test_a_leg_that_is_cut_is_not_refused() -> None:
    rules = Rules(size_value=40.0, max_position_size_pct=None, max_gross_exposure_pct=50.0, allow_short=True)
    result = together(PAIR, rules)
    assert [row["qty"] for row in result.fills] == [400.0, 100.0]
    assert denials(result) == [("gross_cap", 400.0, 100.0, 1)]


@pytest.mark.row("D10")
def test_the_cut_of_a_leg_that_is_taken_back_is_taken_back_too() -> None:
    """A is cut to what the gross cap leaves, then B finds no room; C, which is no leg, has all of it."""
    rules = Rules(size_value=80.0, max_position_size_pct=None, max_gross_exposure_pct=50.0, allow_short=True)
    result = together(PAIR | {"C": [1, 0, 0, 0]}, rules)
    assert opened(result) == [("C", 1)]
    rows = result.denials.frame()
    assert list(zip(rows["symbol"], rows["reason"], rows["order"], strict=True)) == [
        ("B", "gross_cap", -1),
        ("A", "leg_refused", -1),
        ("C", "gross_cap", 0),
    ]


def test_a_group_takes_its_turn_with_its_first_leg() -> None:
    """Two slots: C is surer than B, but the pair is decided when A's turn comes, and A is the surest."""
    says_ = {
        "A": orders_of({"action": 1, "confidence": 0.9}, {}, {}, {}),
        "B": orders_of({"action": -1, "confidence": 0.1}, {}, {}, {}),
        "C": orders_of({"action": 1, "confidence": 0.5}, {}, {}, {}),
    }
    result = together(says_, Rules(max_open_positions=2, allow_short=True))
    assert sorted(opened(result)) == [("A", 1), ("B", -1)]
    assert denials(result)[0][0] == "no_slot"


def test_a_sell_without_shorting_that_stands_alone_is_ignored_as_ever() -> None:
    result = together({"A": [1, -1, -1, 0], "B": [0, 0, 0, 0]}, Rules(sizing="fixed", size_value=10.0))
    assert fills(result) == [(1, "buy", 10.0, 100.0, "signal"), (2, "sell", 10.0, 100.0, "signal")]
    assert denials(result) == []


def test_exits_of_the_legs_are_never_held_back() -> None:
    result = together({"A": [1, EXIT, 0, 0], "B": [-1, EXIT, 0, 0]}, FIXED)
    assert opened(result) == [("A", 1), ("B", -1), ("A", -1), ("B", 1)]


@pytest.mark.row("D10", "W5")
def test_the_gates_of_a_leg_name_the_refusal() -> None:
    one = Session("A", "B", rules=Rules(max_open_positions=1, allow_short=True), legs=[["A", "B"]])
    assert one.go({"A": says(action=1), "B": says(action=-1)}) == ["no_slot", "leg_refused"]
    assert one.causes("A") == ["leg_refused"]
    assert one.causes("B", -1) == ["no_slot"]


def test_a_checkpoint_belongs_to_its_groups() -> None:
    def made(*legs: tuple[str, ...]) -> Session:
        return Session("A", "B", rules=Rules(max_open_positions=1, allow_short=True), legs=legs)

    one, heir, other = made(("A", "B")), made(("B", "A")), made()
    one.go()
    heir.portfolio.resume(one.portfolio.checkpoint())
    heir.ts = one.ts
    assert heir.go({"A": says(action=1), "B": says(action=-1)}) == ["no_slot", "leg_refused"]
    with pytest.raises(Exception, match="legs"):
        other.portfolio.resume(one.portfolio.checkpoint())
