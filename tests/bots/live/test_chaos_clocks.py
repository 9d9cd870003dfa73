"""F27: clocks that are wrong and jump, the venue's and our own, under LIVE sessions."""

from __future__ import annotations

import time
from typing import Any

import pytest

from accounts.models import User
from bots.practice.clock import Clock
from bots.practice.serving import in_thread
from marketdata.columns import SECOND
from tests.bots.host.audit import assert_no_bar_is_missing
from tests.bots.host.hosting import host, quick
from tests.bots.live.audit import check
from tests.bots.live.rig import SEED, Rig, ScriptedVenue, instruments, rig_of, state_of, until
from tests.bots.live.test_chaos_wires import closed, finish
from tests.clocks import MachineClock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault(27)]

AHEAD_S = 300.0


@pytest.mark.row("I8", "I12")
@pytest.mark.parametrize("kind", ["alpaca", "binance"])
def test_clocks_that_differ_and_jump(alice: User, settings: Any, kind: str) -> None:
    """The venue's clock is two seconds off, then five minutes ahead, then right again: at Binance, where it is part of
    each signature, it is compared anew (-1021)."""
    off = {"s": 2.0}
    venue = ScriptedVenue(
        instruments(), always_open=True, is_scripted=True, seed=SEED, clock=Clock(lambda: time.time() + off["s"])
    )
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL, settings.BROKER_SWEEP_SECONDS = f"http://{address}", 2.0
        settings.TEST_RIG = True
        rig = rig_of(venue, address, alice)
        rig.account.kind = kind
        rig.account.save()
        session = rig.session()
        with host():
            for seconds in (2.0, 300.0, -2.0, 0.0):
                off["s"] = seconds
                closed(session)
            finish(alice, rig, session)
        check(rig, session)
    assert not session.orders.filter(state_reason__contains="1021").exists()
    session.refresh_from_db()
    assert session.fence == 1, "no lease was lost for it"


@pytest.mark.row("I8", "I12")
@pytest.mark.parametrize("kind", ["alpaca", "binance"])
def test_our_own_clock_is_off_and_jumps(alice: User, machine_clock: MachineClock, rig: Rig, kind: str) -> None:
    """Two seconds ahead, two behind, five minutes ahead, then right again: a jump back over five minutes of bars.

    The market of this session runs by our clock. What it traded in the five minutes that were jumped over comes late,
    and opens nothing; after the jump back nothing comes, which is a silence as any other, until the clock has come to
    where it was.
    """
    rig.account.kind = kind
    rig.account.save()
    session = rig.session(feed_options=quick(seed=SEED, accelerate=4))
    with host():
        for seconds in (0.0, 2.0, -2.0):
            machine_clock.offset_s = seconds
            closed(session)
        machine_clock.offset_s = AHEAD_S
        until(session, lambda: session.cycles.filter(caught_up=True).count() >= AHEAD_S, 120)
        closed(session)
        machine_clock.offset_s = 0.0
        until(session, lambda: state_of(session) == "DEGRADED", 60)
        time.sleep(2.0)
        machine_clock.offset_s = AHEAD_S + 5.0
        until(session, lambda: state_of(session) == "RUNNING", 60)
        closed(session)
        finish(alice, rig, session)
    check(rig, session)
    assert_no_bar_is_missing(session, SECOND)  # and none was worked through twice
    late = session.cycles.filter(caught_up=True).values("ts_ns")
    entries = session.decisions.filter(ts_ns__in=late, outcome="entry_order")
    assert not entries.exists(), "nothing is opened at the prices of five minutes ago"
    assert not session.orders.filter(state_reason__contains="1021").exists()
    session.refresh_from_db()
    rig.account.refresh_from_db()
    assert (session.fence, rig.account.fence) == (1, 1), "leases run by the database's clock, and none was lost"
