"""LIVE sessions on an account at Binance: the same host and audit, through python-binance at the practice venue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import User
from bots.services import sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def spot(rig: Rig) -> Rig:
    rig.account.kind, rig.account.currency = "binance", "USD"
    rig.account.save()
    return rig


@pytest.mark.row("I12", "I8")
def test_a_session_enters_and_exits_at_binance(alice: User, spot: Rig) -> None:
    session = spot.session()
    with host():
        until(session, lambda: state_of(session) == "RUNNING")
        until(session, lambda: session.positions.filter(is_open=False).count() >= 2)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    check(spot, session)
    assert not spot.ledger()["positions"]


@pytest.mark.row("I12")
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "when": "after"},
        {"kind": "drop", "when": "after"},
        {"kind": "drop", "when": "before"},
    ],
    ids=["accepted then 503", "accepted then cut", "cut before"],
)
def test_a_lost_answer_makes_no_second_order(alice: User, spot: Rig, fault: dict[str, object]) -> None:
    session = spot.session()
    spot.fault(method="POST", path="/api/v3/order", **fault)
    with host():
        until(session, lambda: session.positions.filter(is_open=False).exists(), 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    assert not spot.venue.faults.requests, "the fault was met"
    check(spot, session)


def test_fills_that_the_stream_loses_are_found_by_asking(alice: User, spot: Rig) -> None:
    session = spot.session()
    spot.fault(stream="user_data", kind="lose", times=6)
    with host():
        until(session, lambda: session.positions.filter(is_open=False).exists(), 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED")
    assert not spot.venue.faults.streams, "six messages were lost"
    check(spot, session)


def test_a_host_that_dies_after_sending_is_followed_by_one_that_finds_the_order(
    alice: User, spot: Rig, start_host: Callable[..., object]
) -> None:
    session = spot.session()
    start_host(failpoints={"after_send": 1})
    until(session, lambda: bool(spot.ledger()["orders"]), 60)
    start_host()
    until(session, lambda: session.positions.filter(is_open=False).exists(), 60)
    sessions.stop(alice, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED")
    check(spot, session)
