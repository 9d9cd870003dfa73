"""Laws of long lives: what a portfolio forgets, saves, or is asked for leaves all else as it was, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Portfolio
from engine.portfolio import StepLog
from tests.engine.cases import Case, cases, finer_cases, tried
from tests.engine.reference.model import Plan, Request
from tests.engine.sessions import drive, plans, portfolio_of

EXAMPLES = 60
_SINCE_THE_TRIM = ("n_orders", "n_fills", "n_trips", "n_denials", "n_equity", "n_daily")


def assert_same_logs(one: list[StepLog], other: list[StepLog]) -> None:
    assert len(one) == len(other)
    for n, (left, right) in enumerate(zip(one, other, strict=True)):
        for name in ("orders", "changed", "fills", "trips", "denials"):
            ours, theirs = np.asarray(getattr(left, name)), np.asarray(getattr(right, name))
            assert len(ours) == len(theirs), (n, name)
            for field in ours.dtype.names if len(ours) else ():
                np.testing.assert_array_equal(ours[field], theirs[field], err_msg=f"{n} {name}.{field}")
        assert left.equity == right.equity, n


def assert_same_state(one: Portfolio, other: Portfolio) -> None:
    """Book without its counts of rows, positions, working orders."""
    ours, theirs = one.result().book, other.result().book
    for field in ours.dtype.names:
        if field not in _SINCE_THE_TRIM:
            np.testing.assert_array_equal(ours[field], theirs[field], err_msg=field)
    assert repr(one.positions()) == repr(other.positions())
    assert repr(one.working_orders()) == repr(other.working_orders())
    for name in ("cash", "equity", "exposure", "day_start_equity", "top_equity", "day_halted", "run_halted", "last_ts"):
        assert getattr(one, name) == getattr(other, name), name


def assert_same_life(one: tuple[Portfolio, list[StepLog]], other: tuple[Portfolio, list[StepLog]]) -> None:
    assert_same_logs(one[1], other[1])
    assert_same_state(one[0], other[0])


def rules_in_force(case: Case, plan: Plan, step: int) -> Case:
    """The case with the rules and costs that hold before this step."""
    for n in sorted(plan.before):
        for request in plan.before[n]:
            if n < step and request.name == "change_rules":
                case = replace(case, rules=request.rules, costs=request.costs)
    return case


@pytest.mark.row("W2")
@tried(EXAMPLES)
@given(case=cases() | cases(focus="quotes") | finer_cases(), data=st.data())
def test_a_portfolio_resumed_from_a_checkpoint_goes_on_as_if_nothing_had_happened(case, data):
    plan = data.draw(plans(case))
    stops = set(data.draw(st.lists(st.integers(0, 60), max_size=4)))

    def killed(n: int, portfolio: Portfolio) -> Portfolio:
        if n not in stops:
            return portfolio
        heir = portfolio_of(rules_in_force(case, plan, n))
        heir.resume(portfolio.checkpoint())
        assert_same_state(portfolio, heir)
        assert heir.checkpoint() == portfolio.checkpoint()
        return heir

    assert_same_life(drive(case, plan), drive(case, plan, between=killed))


@tried(EXAMPLES)
@given(case=cases() | cases(focus="quotes") | finer_cases(), data=st.data())
def test_forgetting_the_past_changes_nothing(case, data):
    plan = data.draw(plans(case))
    cuts = set(data.draw(st.lists(st.integers(0, 60), max_size=6)))

    def trimmed(n: int, portfolio: Portfolio) -> Portfolio:
        if n in cuts:
            before = portfolio.checkpoint()
            portfolio.trim()
            assert portfolio.checkpoint() == before
        return portfolio

    assert_same_life(drive(case, plan), drive(case, plan, between=trimmed))


@pytest.mark.row("C14")
@tried(EXAMPLES)
@given(case=cases() | cases(focus="quotes") | finer_cases(), at=st.integers(0, 60))
def test_the_same_rules_again_change_nothing(case, at):
    again = Plan({at: [Request("change_rules", rules=replace(case.rules), costs=replace(case.costs))]})
    assert_same_life(drive(case), drive(case, again))


@tried(EXAMPLES)
@given(case=cases() | cases(focus="quotes") | finer_cases(), data=st.data())
def test_the_same_requests_give_the_same_bits(case, data):
    plan = data.draw(plans(case))
    assert_same_life(drive(case, plan), drive(case, plan))


@tried(EXAMPLES)
@given(case=cases() | cases(focus="quotes") | finer_cases(), data=st.data())
def test_the_logs_of_the_steps_are_the_result(case, data):
    """Every order, fill, round trip and refusal is reported once, and an order's last report is how it ended."""
    plan = data.draw(plans(case))
    portfolio, logs = drive(case, plan)
    result = portfolio.result()
    for name, whole in (("fills", result.fills), ("trips", result.positions)):
        parts = np.concatenate([np.asarray(getattr(log, name)) for log in logs])
        for field in whole.dtype.names:
            np.testing.assert_array_equal(parts[field], np.asarray(whole)[field], err_msg=f"{name}.{field}")
    new = np.concatenate([np.asarray(log.orders) for log in logs])
    assert new["serial"].tolist() == list(range(len(result.orders)))
    latest: dict[int, Any] = {}
    for log in logs:
        serials = log.changed["serial"].tolist()
        assert serials == sorted(set(serials))
        latest |= dict(zip(serials, np.asarray(log.changed), strict=True))
    for serial, order in enumerate(np.asarray(result.orders)):
        for field in order.dtype.names:
            np.testing.assert_array_equal(latest[serial][field], order[field])
    refusals = sum(len(log.denials) for log in logs)
    assert refusals <= int(result.denials["count"].sum())
    assert {int(row["order"]) for log in logs for row in log.denials} == set(result.denials["order"].tolist())
