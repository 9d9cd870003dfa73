"""Plans of protection, one situation each: what is asked of which venue, and what we watch ourselves meanwhile."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bots.brokers.base import OrderRequest
from bots.live.protection import (
    Alarm,
    Cancel,
    Guard,
    Levels,
    Place,
    Replace,
    Resting,
    Situation,
    may_exit,
    plan,
    with_exits,
)
from bots.orders import OrderState
from tests.bots.live.venue_rules import ALPACA, ALPACA_COIN, BARE, BINANCE, COIN, PLAIN, STOCK

D = Decimal
BOTH, STOP = Levels(D(90), D(120)), Levels(D(90))


def at(qty: str, levels: Levels = STOP, *resting: Resting, **more: Any) -> Situation:
    facts = {"rules": STOCK, "capabilities": ALPACA, "last_px": D(100), **more}
    return Situation("AAPL", D(qty), levels, resting=resting, **facts)


def stop(ref: str, left: str, px: str = "90", **more: Any) -> Resting:
    state = more.pop("state", OrderState.ACCEPTED)
    return Resting(ref, "stop", more.pop("kind", "stop"), state, D(left), stop_px=D(px), **more)


def target(ref: str, left: str, px: str = "120", **more: Any) -> Resting:
    return Resting(ref, "target", "limit", OrderState.ACCEPTED, D(left), limit_px=D(px), **more)


def only(actions: list[Any], kind: type) -> list[Any]:
    return [action for action in actions if isinstance(action, kind)]


def test_a_bare_position_gets_its_stop_and_is_guarded_until_it_rests() -> None:
    placed, guard = plan(at("10"))
    assert (placed.role, placed.reason, placed.request.kind, placed.request.side) == (
        "stop",
        "stop_loss",
        "stop",
        "SELL",
    )
    assert (placed.request.qty, placed.request.stop_px, placed.request.time_in_force) == (D(10), D(90), "gtc")
    assert guard == Guard(D(10), D(90))
    assert plan(at("10", STOP, stop("s", "10"))) == []


def test_a_short_position_is_bought_back() -> None:
    placed, guard = plan(at("-10", Levels(D("110.001"))))
    assert (placed.request.side, placed.request.stop_px) == ("BUY", D("110.00"))
    assert guard.stop == D("110.001")


@pytest.mark.parametrize(("wanted", "sent"), [("90.001", "90.01"), ("0.50001", "0.5001"), ("90", "90")])
def test_a_stop_is_rounded_to_the_side_on_which_less_is_lost(wanted: str, sent: str) -> None:
    placed = plan(at("10", Levels(D(wanted))))[0]
    assert placed.request.stop_px == D(sent)


@pytest.mark.row("I2", "I3")
@pytest.mark.parametrize(
    ("rules", "capabilities", "sent", "guarded"),
    [
        (STOCK, ALPACA, ("oco", None), (D(90), D(120))),
        (COIN, BINANCE, ("oco", None), (D(90), D(120))),
        (COIN, PLAIN, ("simple", "stop"), (D(90), D(120))),
        (ALPACA_COIN, ALPACA, ("simple", "stop_limit"), (D(90), D(120))),
        (COIN, BARE, None, (D(90), D(120))),
    ],
)
def test_a_stop_and_a_target_rest_as_the_venue_can(rules: Any, capabilities: Any, sent: Any, guarded: Any) -> None:
    actions = plan(at("10", BOTH, rules=rules, capabilities=capabilities))
    placed, (guard,) = only(actions, Place), only(actions, Guard)
    if sent is None:
        assert placed == []
    else:
        (order,) = placed
        assert order.request.order_class == sent[0]
        assert sent[1] in (None, order.request.kind)
        assert (order.request.stop_loss or order.request.stop_px) == D(90)
    assert (guard.stop, guard.target) == guarded


def test_once_an_oco_rests_nothing_is_left_to_watch() -> None:
    assert plan(at("10", BOTH, target("t", "10", group="g"), stop("s", "10", group="g"))) == []


def test_a_target_without_a_group_is_watched_while_the_stop_rests() -> None:
    assert plan(at("10", BOTH, stop("s", "10"), rules=COIN, capabilities=PLAIN)) == [Guard(D(10), None, D(120))]


def test_a_stop_limit_is_watched_beyond_its_stop() -> None:
    """F32: the market may fall through its limit without a fill."""
    rests = stop("s", "10", kind="stop_limit", limit_px=D("87.3"))
    assert plan(at("10", STOP, rests, rules=ALPACA_COIN)) == [Guard(D(10), D(90))]


@pytest.mark.row("I3")
def test_replace_first_never_cancel_first() -> None:
    higher = Levels(D(90), trailing=D(95))
    actions = plan(at("10", higher, stop("s", "10")))
    assert actions == [Replace("s", stop_px=D(95)), Guard(D(10), D(95), reason="trailing_stop")]
    assert plan(at("12", STOP, stop("s", "10")))[0] == Replace("s", qty=D(12))
    assert plan(at("8", STOP, stop("s", "10")))[0] == Replace("s", qty=D(8))
    assert plan(at("10", higher, stop("s", "10", is_fixed=True)))[0] == Cancel("s")
    assert plan(at("10", higher, stop("s", "10"), rules=COIN, capabilities=BINANCE))[0] == Cancel("s")


def test_a_trailing_stop_moves_by_its_least_step_only() -> None:
    assert plan(at("10", Levels(None, trailing=D("90.04")), stop("s", "10"))) == []
    assert plan(at("10", Levels(None, trailing=D("90.06")), stop("s", "10")))[0] == Replace("s", stop_px=D("90.06"))


def test_the_legs_of_a_bracket_follow_the_real_average() -> None:
    legs = target("t", "10", "121", group="e"), stop("s", "10", "89", group="e")
    assert plan(at("10", BOTH, *legs))[:2] == [Replace("t", limit_px=D(120)), Replace("s", stop_px=D(90))]
    near = target("t", "10", "120.01", group="e"), stop("s", "10", "90.01", group="e")
    assert plan(at("10", BOTH, *near)) == []


def test_while_an_entry_fills_its_own_exits_are_for_its_shares() -> None:
    legs = (target("t", "10", group="e", sleeps=True, entry="e"), stop("s", "10", group="e", sleeps=True, entry="e"))
    assert plan(at("4", BOTH, *legs, entries=("e",))) == [Guard(D(4), D(90), D(120))]


def test_a_target_that_fills_in_part_leaves_the_group_alone() -> None:
    assert plan(at("6", BOTH, target("t", "6", group="g"), stop("s", "10", group="g"))) == []


@pytest.mark.fault(41)
def test_what_holds_the_shares_ends_before_an_exit_is_sent() -> None:
    leaving = at("10", STOP, stop("s", "10"), leaving=D(10))
    assert plan(leaving) == [Cancel("s")]
    assert not may_exit(leaving, D(10))
    asked = at("10", STOP, stop("s", "10", state=OrderState.PENDING_CANCEL), leaving=D(10))
    assert plan(asked) == []
    assert not may_exit(asked, D(10))
    assert may_exit(at("10", STOP, leaving=D(10)), D(10))
    assert not may_exit(at("10", STOP, leaving=D(10), entries=("e",)), D(10)), "it could trade with our own entry"
    half = at("10", STOP, stop("s", "10"), leaving=D(4))
    assert plan(half) == [Replace("s", qty=D(6))]


@pytest.mark.fault(36)
def test_a_refused_stop_is_tried_once_more_and_then_the_position_leaves() -> None:
    assert only(plan(at("10", refusals=1)), Place)[0].request.kind == "stop"
    (out,) = only(plan(at("10", refusals=2)), Place)
    assert (out.request.kind, out.request.qty, out.reason) == ("market", D(10), "watchdog")


def test_a_level_that_the_market_has_passed_is_left_at_once() -> None:
    (out,) = only(plan(at("10", last_px=D("89.5"))), Place)
    assert (out.request.kind, out.reason) == ("market", "stop_loss")
    assert only(plan(at("10", STOP, stop("s", "10"), last_px=D("89.5"))), Place) == [], "the venue's stop is at it"


def test_an_emergency_ends_entries_and_exits_first() -> None:
    now = at("10", STOP, stop("s", "10"), emergency="stop_loss", entries=("e",))
    assert plan(now)[:2] == [Cancel("e"), Cancel("s")]
    (out,) = only(plan(at("10", emergency="stop_loss")), Place)
    assert out.request.kind == "market"


@pytest.mark.fault(38)
@pytest.mark.row("I3")
def test_fractions_rest_for_a_day_apart_from_whole_shares() -> None:
    placed = only(plan(at("10.5", BOTH)), Place)
    assert [(p.request.qty, p.request.time_in_force, p.request.order_class) for p in placed] == [
        (D(10), "gtc", "oco"),
        (D("0.5"), "day", "simple"),
    ]
    whole = target("t", "10", group="g"), stop("s", "10", group="g")
    expired = plan(at("10.5", BOTH, *whole, is_open=False))
    assert [p.request.qty for p in only(expired, Place)] == [D("0.5")], "it waits for the next session at the venue"
    assert only(expired, Alarm)[0].code == "unprotected_overnight"
    assert only(plan(at("10.5", BOTH, *whole, stop("f", "0.5"))), Alarm) == []


def test_nothing_is_held_any_more() -> None:
    assert plan(at("0", STOP, stop("s", "10"))) == [Cancel("s")]


@pytest.mark.row("I3")
@pytest.mark.parametrize(
    ("changes", "levels", "made"),
    [
        ({}, BOTH, "bracket"),
        ({}, STOP, "oto"),
        ({"time_in_force": "gtc"}, BOTH, "bracket"),
        ({"kind": "limit", "limit_px": D(99)}, BOTH, "bracket"),
        ({"kind": "stop", "stop_px": D(101)}, BOTH, "simple"),
        ({"time_in_force": "ioc"}, BOTH, "simple"),
        ({"qty": D("1.5")}, BOTH, "simple"),
        ({"extended_hours": True}, BOTH, "simple"),
        ({}, Levels(D("99.995")), "simple"),
        ({}, Levels(), "simple"),
    ],
)
def test_an_entry_leaves_with_its_exits_where_that_is_allowed(changes: Any, levels: Levels, made: str) -> None:
    entry = replace(OrderRequest("e", "AAPL", "BUY", "market", "day", D(10)), **changes)
    assert with_exits(entry, levels, D(100), STOCK, ALPACA).order_class == made
    assert with_exits(entry, levels, D(100), COIN, BINANCE) == entry
