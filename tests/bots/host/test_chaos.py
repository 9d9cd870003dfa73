"""Faults of hosts, in real processes: whatever dies when, the session does what it would have done undisturbed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from bots.models import TradingSession
from tests.bots.host import market
from tests.bots.host.audit import assert_no_bar_is_missing, assert_same, check, story
from tests.bots.host.processes import KILLED_BY_FAILPOINT, HostProcess, eventually, lease_runs_out

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., HostProcess]
OVER = ("STOPPED", "HALTED", "FAILED")


def state_of(session: TradingSession) -> str:
    return TradingSession.objects.values_list("state", flat=True).get(pk=session.pk)


def finished(session: TradingSession, timeout_s: float = 60.0) -> TradingSession:
    eventually(lambda: state_of(session) in OVER, f"session {session.pk} to end", timeout_s)
    session.refresh_from_db()
    assert session.state == "STOPPED", session.state_reason
    return session


def assert_as_if_nothing_had_happened(session: TradingSession, undisturbed: dict[str, Any]) -> None:
    finished(session)
    check(session)
    assert_no_bar_is_missing(session, 60_000_000_000)
    assert_same(story(session), undisturbed)


@pytest.mark.row("W2", "I8", "Q6")
@pytest.mark.parametrize("fault", ["after_intent", "after_send", "after_ack", "after_fill_recv"])
def test_a_host_that_dies_around_an_order(
    fault: str, alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F1 to F4: between intent and send, send and answer, answer and row, fill and ledger; three deaths in a row."""
    expected = undisturbed()
    session = market.session(alice)
    for _ in range(3):
        host = start_host(failpoints={fault: moment.randint(1, 6)})
        assert host.wait() == KILLED_BY_FAILPOINT
        lease_runs_out(session.pk)
    start_host()
    assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.row("D17")
def test_a_replay_begins_at_its_start_with_the_bars_before_it_as_history(
    alice: User, bars: None, start_host: Start
) -> None:
    session = market.session(alice)
    start_host()
    finished(session)
    times = list(session.cycles.order_by("ts_ns").values_list("ts_ns", flat=True))
    assert (times[0], times[-1]) == (market.FIRST, market.END - market.MINUTE)
    assert not session.cycles.filter(caught_up=True).exists()
    assert session.memory.first_ns == market.FIRST
