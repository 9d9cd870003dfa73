"""What an allocation refuses: limits in conflict, each with what would end it, and data that no weights can come of."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import Fault, InputError
from strategies.allocation import Group, Problem, View, allocate
from tests.strategies.allocation.made import NAMES, problem, returns


def refused(method: str, asked: Problem) -> dict[str, Fault]:
    with pytest.raises(InputError) as caught:
        allocate(method, asked)
    return {fault.path: fault for fault in caught.value.faults}


@pytest.mark.row("K5")
def test_too_small_a_most_weight_says_what_would_do() -> None:
    faults = refused("min_variance", problem(max_weight=0.1))
    assert list(faults) == ["max_weight"]
    assert faults["max_weight"].code == "infeasible"
    assert "Each of 6 symbols has 10 % at most" in faults["max_weight"].message
    assert "the weights add up to 100 %" in faults["max_weight"].message
    assert "It can be 16.6667 % or more" in faults["max_weight"].hint
    assert allocate("min_variance", problem(max_weight=0.166667)).values == pytest.approx(np.full(6, 1 / 6), abs=1e-4)


@pytest.mark.row("K5")
def test_only_the_limits_in_conflict_are_named_and_each_mend_works() -> None:
    innocent = Group("innocent", ("C", "D"), most=0.9)
    groups = (innocent, Group("tech", ("A", "B"), most=0.2), Group("rest", ("C", "D", "E", "F"), most=0.5))
    faults = refused("equal_weight", problem(groups=groups))
    assert set(faults) == {"groups[1].most", "groups[2].most"}
    assert "the group rest has 50 % at most" in faults["groups[1].most"].message
    assert "50 % or more" in faults["groups[1].most"].hint
    assert "80 % or more" in faults["groups[2].most"].hint
    mended = (innocent, Group("tech", ("A", "B"), most=0.5), groups[2])
    assert allocate("equal_weight", problem(groups=mended)).values.sum() == pytest.approx(1)


@pytest.mark.row("K5", "W14")
def test_turnover_against_a_group() -> None:
    asked = problem(current={"A": 1.0}, max_turnover=0.1, groups=(Group("x", ("A",), most=0.5),))
    faults = refused("risk_parity", asked)
    assert set(faults) == {"groups[0].most", "max_turnover"}
    assert "95 % or more" in faults["groups[0].most"].hint
    assert "100 % or more" in faults["max_turnover"].hint


@pytest.mark.row("K5")
def test_too_high_a_target_names_the_highest_there_is() -> None:
    asked = problem(target_return=0.05)
    fault = refused("target_return", asked)["target_return"]
    highest = asked.returns.mean(axis=0).max()
    said = float(fault.hint.removeprefix("It can be ").split(" %")[0]) / 100
    assert highest - 1e-6 <= said <= highest
    assert allocate("target_return", problem(target_return=said)).values.max() == pytest.approx(1, abs=0.01)
    assert refused("target_return", problem())["target_return"].code == "required"


@pytest.mark.row("K5")
def test_single_bounds_are_named_by_their_symbol() -> None:
    faults = refused("min_variance", problem(bounds={"A": (0.7, 0.9), "B": (0.6, 0.9)}))
    assert set(faults) == {"bounds.A", "bounds.B", "min_weight"}, "a short position in another would make room"
    assert "40 % or less" in faults["bounds.A"].hint
    assert "30 % or less" in faults["bounds.B"].hint


def test_cash_makes_room_where_a_method_may_hold_it() -> None:
    found = allocate("kelly", problem(max_weight=0.1))
    assert found.values.max() == pytest.approx(0.1, abs=1e-6)
    assert found.cash >= 0.4 - 1e-6


@pytest.mark.row("K1")
def test_bad_data_is_named() -> None:
    made = returns()
    made[:, 1] = np.nan
    made[3, 2] = np.nan
    with pytest.raises(InputError) as caught:
        allocate("min_variance", Problem(NAMES, made))
    assert [fault.code for fault in caught.value.faults] == ["no_bars", "missing_bars"]
    assert "B has no bars" in caught.value.faults[0].message
    still = returns()
    still[:, 4] = 0.0
    assert "The price of E moves alike" in refused("risk_parity", Problem(NAMES, still))["symbols"].message
    assert allocate("equal_weight", Problem(NAMES, still)).values.sum() == pytest.approx(1), "it reads no risk"


@pytest.mark.row("K1")
def test_fewer_observations_than_symbols() -> None:
    fault = refused("min_variance", problem(rows=6))["returns"]
    assert fault.code == "too_few"
    assert "Look back on 7 bars at least, or choose the Ledoit-Wolf estimator" in fault.hint
    shrunk = allocate("min_variance", problem(rows=6, covariance="ledoit_wolf"))
    assert shrunk.values.sum() == pytest.approx(1, abs=1e-6)


def test_no_mean_above_the_risk_free_rate_is_no_answer() -> None:
    asked = Problem(NAMES, returns() - 0.01)
    assert refused("max_sharpe", asked)["method"].code == "no_answer"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"min_weight": 0.5, "max_weight": 0.2}, "min_weight"),
        ({"covariance": "none"}, "covariance"),
        ({"bounds": {"X": (0.0, 1.0)}}, "bounds.X"),
        ({"bounds": {"A": (0.6, 0.5)}}, "bounds.A"),
        ({"groups": (Group("g", ("A", "X")),)}, "groups[0].symbols"),
        ({"groups": (Group("g", ()),)}, "groups[0].symbols"),
        ({"groups": (Group("g", ("A",), 0.5, 0.4),)}, "groups[0].least"),
        ({"views": (View("X", 0.1),)}, "views[0].symbol"),
        ({"views": (View("A", 0.1, over="A"),)}, "views[0].over"),
        ({"views": (View("A", 0.1, confidence=0.0),)}, "views[0].confidence"),
        ({"max_turnover": -0.1}, "max_turnover"),
        ({"market": {"A": -1.0, "B": 2.0}}, "market"),
    ],
)
def test_what_is_declared_wrong_is_named(fields: dict[str, object], path: str) -> None:
    assert path in refused("black_litterman", problem(**fields))


def test_short_weights_need_a_method_that_has_them() -> None:
    assert "no short positions" in refused("risk_parity", problem(min_weight=-0.1))["min_weight"].message


def test_shapes() -> None:
    assert "symbols" in refused("equal_weight", Problem(("A", "A"), returns(n=2)))
    assert "returns" in refused("equal_weight", Problem(("A", "B"), returns(n=3)))
    assert "symbols" in refused("equal_weight", Problem((), np.empty((5, 0))))
