"""Faults of hosts, in real processes: whatever dies when, the session does what it would have done undisturbed."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.models import User
from bots import tasks
from bots.models import HostSign, TradingSession
from tests.bots.host import market
from tests.bots.host.audit import assert_no_bar_is_missing, assert_same, check, story
from tests.bots.host.processes import KILLED_BY_FAILPOINT, HostProcess, eventually, lease_runs_out, reach
from tests.conftest import CHAOS_ROUNDS
from tradingsite.processes import signal_group

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

Start = Callable[..., HostProcess]
PACE = 1_800  # market seconds a second: thirty bars, so that a fault finds the session at work
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
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(point, marks=pytest.mark.fault(number))
        for number, point in enumerate(("after_intent", "after_send", "after_ack", "after_fill_recv"), 1)
    ],
)
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


@pytest.mark.fault(1, 2, 3, 4)
@pytest.mark.row("W2", "I8", "Q6")
def test_kill_9_at_any_moment(alice: User, moment: random.Random, undisturbed: Any, start_host: Start) -> None:
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    for bar in sorted(moment.sample(range(1, market.REPLAYED - 20), 3)):
        host = start_host()
        reach(session, bar)
        host.kill()
        lease_runs_out(session.pk)
    start_host()
    assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.fault(23)
@pytest.mark.row("W2", "I8", "Q6")
def test_a_host_that_slept_through_its_lease_writes_nothing(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F23. In the rounds of `make chaos` it really sleeps for longer than a lease lasts."""
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    asleep = start_host()
    reach(session, moment.randint(10, 80))
    asleep.freeze()
    before = session.cycles.count()
    if not CHAOS_ROUNDS:
        lease_runs_out(session.pk)
    start_host()
    reach(session, before + 10)
    asleep.thaw()
    assert_as_if_nothing_had_happened(session, expected)
    assert session.fence == 2
    eventually(lambda: HostSign.objects.filter(sessions=0).count() == 2, "both hosts to have nothing left")
    assert asleep.alive(), "a host that lost a session goes on"


@pytest.mark.fault(20, 24)
@pytest.mark.row("I8", "Q6")
def test_hosts_that_start_together_share_the_sessions(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F20, F24: a message that comes four times makes four hosts, and each session still has one owner."""
    expected = undisturbed()
    sessions = [market.session(alice) for _ in range(5)]
    for _ in range(4):
        start_host()
        time.sleep(moment.choice((0, 0.05, 0.2)))
    for session in sessions:
        assert_as_if_nothing_had_happened(session, expected)
        assert session.fence == 1, "it was taken once"


@pytest.mark.fault(25)
@pytest.mark.row("W2", "I8", "Q6")
def test_a_rolling_restart_loses_no_bar(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F25: the old host is asked to go while the new one is up; sessions are back at once, orders open or not."""
    expected = undisturbed()
    sessions = [market.session(alice, speed=PACE) for _ in range(3)]
    old = start_host()
    for _ in range(3):
        for session in sessions:
            reach(session, session.cycles.count() + moment.randint(5, 25))
        new = start_host()
        old.stop()
        started = time.monotonic()
        rows = TradingSession.objects.filter(pk__in=[session.pk for session in sessions])
        eventually(lambda rows=rows: not rows.exclude(state__in=("RUNNING", *OVER)).exists(), "them to run again", 30)
        sys.stdout.write(f"sessions back after {time.monotonic() - started:.2f} s\n")
        old = new
    for session in sessions:
        assert_as_if_nothing_had_happened(session, expected)


@pytest.mark.fault(26)
@pytest.mark.row("I8")
def test_a_host_that_is_killed_takes_nobody_with_it(
    alice: User, bob: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F26: another host's session goes on under its own lease; the orphan waits for its turn and loses nothing."""
    expected = undisturbed()
    one, other = market.session(alice, speed=PACE), market.session(bob, speed=PACE)
    victim = start_host(capacity=1)
    reach(one, 2)
    start_host(capacity=1)
    reach(other, moment.randint(5, 60))
    victim.kill()
    finished(other)
    assert other.fence == 1
    lease_runs_out(one.pk)
    assert_as_if_nothing_had_happened(one, expected)
    assert_as_if_nothing_had_happened(other, expected)


@pytest.mark.fault(40)
@pytest.mark.row("W2", "I8")
def test_five_warm_restarts_change_no_line_that_was_written(
    alice: User, moment: random.Random, undisturbed: Any, start_host: Start
) -> None:
    """F40: with positions open, five times; what was written before is there afterwards, and nothing twice."""
    expected = undisturbed()
    session = market.session(alice, speed=PACE)
    pages = []
    for _ in range(5):
        host = start_host()
        at = session.cycles.count() + moment.randint(3, 12)
        eventually(
            lambda at=at: session.cycles.count() >= at and session.positions.filter(is_open=True).exists(), "a position"
        )
        host.stop()
        session.refresh_from_db()
        check(session)
        pages.append((session.cursor_ns, story(session, up_to_ns=session.cursor_ns)))
    start_host()
    assert_as_if_nothing_had_happened(session, expected)
    for cursor, page in pages:
        assert_same(story(session, up_to_ns=cursor), page)


@pytest.mark.fault(20, 24)
@pytest.mark.row("W2", "I8", "Q6")
def test_a_worker_is_killed_and_beats_tick_brings_its_sessions_back(
    alice: User, undisturbed: Any, start_worker: Any
) -> None:
    """The whole way: twenty ticks at once start a host in a real worker; kill -9; nobody touches the lease; when it has
    run out, another worker's host takes the session."""
    expected = undisturbed()
    session = market.session(alice, speed=PACE / 10)
    worker = start_worker(queues="trading", concurrency=2)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: tasks.tick.delay(), range(20)))
    reach(session, 5)
    signal_group(worker, signal.SIGKILL)
    before = session.cycles.count()
    started = time.monotonic()
    start_worker(queues="trading", concurrency=2)
    HostSign.objects.all().delete()  # as fifteen seconds make them old
    tasks.tick.delay()
    reach(session, before + 1)
    took = time.monotonic() - started
    sys.stdout.write(f"back {took:.1f} s after kill -9, of which the lease lasts up to 15\n")
    assert took < 60
    assert session.events.filter(kind="recovery", level="warning").exists()
    assert_as_if_nothing_had_happened(session, expected)
