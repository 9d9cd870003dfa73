"""Faults of hosts with LIVE sessions, in real processes: whatever dies when, the venue's ledger is ours."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from accounts.models import BrokerAccount, User
from bots.models import TradingSession
from bots.services import sessions
from tests.bots.host.processes import KILLED_BY_FAILPOINT, HostProcess, lease_runs_out
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

Start = Callable[..., HostProcess]


def host_is_lost(session: TradingSession) -> None:
    """As if fifteen seconds had passed since the last heartbeat, for the session and for its account."""
    from datetime import timedelta

    from django.db.models.functions import Now

    lease_runs_out(session.pk)
    rows = BrokerAccount.objects.filter(lease_expires_at__isnull=False)
    rows.update(lease_expires_at=Now() - timedelta(seconds=1))


def flatten(user: User, session: TradingSession) -> None:
    sessions.stop(user, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED", 60)


@pytest.mark.row("W2", "I8", "I15")
@pytest.mark.fault(1, 2, 3, 4)
@pytest.mark.parametrize("fault", ["after_intent", "after_send", "after_ack", "after_fill_recv"])
def test_a_host_that_dies_around_an_order(
    fault: str, alice: User, moment: random.Random, rig: Rig, start_host: Start
) -> None:
    """F1 to F4 at a broker: before the order leaves, before its answer is read, before it is written, and between a
    fill and the ledger. One order at the venue each time, and in the end the same ledger."""
    session = rig.session()
    for _ in range(3):
        host = start_host(failpoints={fault: moment.randint(1, 3)})
        assert host.wait() == KILLED_BY_FAILPOINT
        host_is_lost(session)
    start_host()
    trades = session.trades.count()
    until(session, lambda: session.trades.count() >= trades + 2, 60)
    flatten(alice, session)
    check(rig, session)
    assert session.trades.exists()


@pytest.mark.row("W2", "I8")
@pytest.mark.fault(25, 40)
def test_five_restarts_neither_flatten_nor_double(
    alice: User, moment: random.Random, rig: Rig, start_host: Start
) -> None:
    """F40, F25: stopped in good order and by kill -9, with positions open."""
    session = rig.session()
    for kill in (False, True, False, True, False):
        host, fence = start_host(), TradingSession.objects.get(pk=session.pk).fence
        taken = TradingSession.objects.filter(pk=session.pk, fence__gt=fence, state="RUNNING")
        until(session, taken.exists, 60)
        until(session, lambda: session.positions.filter(is_open=True).exists(), 60)
        before = list(session.trades.order_by("pk").values_list("execution_id", flat=True))
        if kill:
            host.kill()
            host_is_lost(session)
        else:
            host.stop()
            check(rig, session)
        after = list(session.trades.order_by("pk").values_list("execution_id", flat=True))
        assert after[: len(before)] == before
    start_host()
    until(session, lambda: state_of(session) == "RUNNING", 60)
    flatten(alice, session)
    check(rig, session)


@pytest.mark.row("W2", "I8")
@pytest.mark.fault(23)
def test_a_host_that_slept_through_its_lease_sends_nothing(
    alice: User, moment: random.Random, rig: Rig, start_host: Start
) -> None:
    """F23: it wakes up with orders in its hands, and another host has the account."""
    session = rig.session()
    asleep = start_host()
    until(session, lambda: session.trades.count() >= moment.randint(1, 4), 60)
    asleep.freeze()
    host_is_lost(session)
    start_host()
    trades = session.trades.count()
    until(session, lambda: session.trades.count() >= trades + 1, 60)
    asleep.thaw()
    until(session, lambda: session.trades.count() >= trades + 3, 60)
    flatten(alice, session)
    check(rig, session)
    session.refresh_from_db()
    rig.account.refresh_from_db()
    assert (session.fence, rig.account.fence) == (2, 2)
    assert asleep.alive()


@pytest.mark.row("I8", "Q6")
def test_the_sessions_of_one_account_run_where_its_lease_is(alice: User, rig: Rig, start_host: Start) -> None:
    """One event stream for a pair of keys: two hosts with room for both sessions, and one of them has both."""
    both = [rig.session(), rig.session(symbols=["SIM-BETA"])]
    start_host()
    start_host()
    for session in both:
        until(session, lambda session=session: state_of(session) == "RUNNING", 60)
    rig.account.refresh_from_db()
    assert {session.host for session in TradingSession.objects.all()} == {rig.account.host}
    assert rig.account.fence == 1
    for session in both:
        flatten(alice, session)
    check(rig, *both)
