"""Keys that are revoked, may do less than before, or belong to another environment."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import Notification, User
from bots.practice.faults import RequestFault
from bots.practice.server import Venue
from bots.services import sessions
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import host, make, quick
from tests.bots.live.audit import check
from tests.bots.live.rig import SECRET, Rig, in_time, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault(42)]

HOLD = {"strategy": "buy_and_hold", "strategy_parameters": {}}


class Counted(RequestFault):
    """Meets every request of its method and harms none."""

    seen = 0

    def hits(self, method: str, path: str) -> bool:
        self.seen += super().hits(method, path)
        return False


def count(venue: Venue, method: str = "*") -> Counted:
    counted = Counted(method=method)
    venue.faults.requests.insert(0, counted)
    return counted


def nothing_is_asked_any_more(rig: Rig, method: str = "*") -> None:
    """What was on its way when the session halted may still arrive; then comes silence."""
    counted = count(rig.venue, method)
    for _ in range(10):
        before = counted.seen
        time.sleep(4.0)
        if counted.seen == before:
            return
    raise AssertionError(f"keys that are refused were tried {counted.seen} times more")


def reason_of(session: Any) -> str:
    session.refresh_from_db()
    return str(session.state_reason)


@pytest.mark.row("C1", "I8")
@pytest.mark.parametrize("is_busy", [False, True], ids=["that holds", "that trades"])
def test_a_revoked_key_halts_its_session_within_one_sweep(alice: User, rig: Rig, settings: Any, is_busy: bool) -> None:
    """At the usual pace of the sweep, ten seconds, also while nothing is to be sent."""
    settings.BROKER_SWEEP_SECONDS = 10.0
    session = rig.session(**({} if is_busy else HOLD))
    with host():
        until(session, lambda: session.trades.exists(), 60)
        began = time.monotonic()
        rig.customer.secret = "another-one"
        until(session, lambda: state_of(session) == "HALTED", 60)
        in_time(time.monotonic() - began, 10.5)
        reason = reason_of(session)
        assert rig.account.name in reason
        assert "revoked" in reason
        assert SECRET not in reason
        nothing_is_asked_any_more(rig)
    check(rig, session)
    rig.account.refresh_from_db()
    assert rig.account.state == "REFUSED"
    assert Notification.objects.filter(owner=alice, event="session_halted").count() == 1


@pytest.mark.row("C1", "I8")
@pytest.mark.parametrize(
    ("body", "is_blocked", "words"),
    [
        ('{"message": "forbidden."}', False, "does not accept these keys"),
        ('{"code": 40310000, "message": "new words for it"}', True, "account_blocked, trading_blocked"),
    ],
    ids=["keys that may only read", "an account that is blocked"],
)
def test_permissions_that_were_cut_halt_the_session(
    alice: User, rig: Rig, body: str, is_blocked: bool, words: str
) -> None:
    session = rig.session()
    with host():
        until(session, lambda: session.positions.filter(is_open=False).exists(), 60)
        rig.customer.is_blocked = is_blocked
        rig.fault(kind="status", method="POST", path="/v2/orders", status=403, body=body, times=10_000)
        until(session, lambda: state_of(session) == "HALTED", 60)
        assert words in reason_of(session)
        refused = session.orders.filter(state="REJECTED").count()
        nothing_is_asked_any_more(rig, "POST")
        assert session.orders.filter(state="REJECTED").count() == refused <= 2
    rig.venue.faults.clear()
    check(rig, session)


@pytest.mark.row("C1", "I8")
@pytest.mark.parametrize("environment", ["LIVE", "PAPER"])
def test_keys_of_another_environment_never_trade(
    alice: User, bob: User, rig: Rig, settings: Any, environment: str
) -> None:
    """Paper keys at the live address, and the other way: the session halts before it has begun, and the venue was
    hardly asked. Another user's trades on."""
    settings.ALPACA_LIVE_URL = settings.ALPACA_PAPER_URL = settings.PRACTICE_VENUE_URL
    settings.LIVE_TRADING = True
    wrong = BrokerAccountFactory(
        owner=alice, environment=environment, api_key="PKPAPER" if environment == "LIVE" else "AKLIVE",
        api_secret=SECRET, name="Mixed up",
    )  # fmt: skip
    rig.venue.open_account("BOBSKEY", "bobs-secret")
    theirs = BrokerAccountFactory(owner=bob, api_key="BOBSKEY", api_secret="bobs-secret")
    session = rig.session(broker_account=wrong)
    counted = count(rig.venue)
    with host():
        until(session, lambda: state_of(session) == "HALTED", 20)
        time.sleep(2.0)
        assert counted.seen <= 3
        assert f"belong to a {'paper' if environment == 'LIVE' else 'live'} account" in reason_of(session)
        other = make(bob, mode="LIVE", broker_account=theirs, symbols=["SIM-BETA"], feed_options=quick(seed=7))
        until(other, lambda: other.positions.filter(is_open=False).exists(), 60)
        sessions.stop(bob, other.pk, "flatten")
        until(other, lambda: state_of(other) == "STOPPED", 60)
    assert not session.orders.exists()
    check(rig)
    check(replace(rig, account=theirs, key="BOBSKEY"), other)
    wrong.refresh_from_db()
    assert wrong.state == "REFUSED"
