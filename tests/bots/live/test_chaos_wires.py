"""Sessions at a broker whose wires go mute, flap, or stumble in our own hands."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from bots.brokers.base import BrokerEvent
from bots.brokers.link import Link
from bots.models import TradingSession
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from bots.services import sessions
from marketdata.columns import SECOND
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import SEED, Rig, ScriptedVenue, in_time, instruments, rig_of, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]


def finish(alice: User, rig: Rig, *every: TradingSession) -> None:
    for session in every:
        sessions.stop(alice, session.pk, "flatten")
    for session in every:
        until(session, lambda session=session: state_of(session) == "STOPPED", 60)


def closed(session: TradingSession, more: int = 1) -> None:
    """It trades on: so many positions more are closed."""
    before = session.positions.filter(is_open=False).count()
    until(session, lambda: session.positions.filter(is_open=False).count() >= before + more, 60)


def sockets(venue: Venue) -> Counter[str]:
    """Connections that are asked for from now on, by path."""
    seen: Counter[str] = Counter()
    speaker = venue._speaker

    def counted(path: str) -> Any:
        seen[path] += 1
        return speaker(path)

    venue._speaker = counted  # type: ignore[method-assign]
    return seen


@pytest.fixture
def made(transactional_db: None, alice: User, settings: Any) -> Iterator[Rig]:
    """A venue with a market of its own, whose data stream can be listened to."""
    venue = ScriptedVenue(instruments(), always_open=True, seed=SEED)
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL, settings.BROKER_SWEEP_SECONDS = f"http://{address}", 2.0
        rig = rig_of(venue, address, alice, prices=False)
        yield rig


def heard_at_alpaca(rig: Rig, **columns: Any) -> TradingSession:
    """A session on the prices of its own broker's stream."""
    options = {"market": "stocks", "account": rig.account.pk}
    return rig.session(feed="alpaca", feed_options=options, timeframe="1m", **columns)


@pytest.mark.row("I14")
@pytest.mark.fault(16)
def test_a_mute_data_stream_stops_entries_within_seconds_and_is_mended(alice: User, made: Rig) -> None:
    session = heard_at_alpaca(made)
    with host() as running:
        until(session, lambda: state_of(session) == "RUNNING")
        feed = running.seats[session.pk].subscription._connection.feed
        until(session, lambda: feed.silence_ns <= 4 * SECOND)  # it has learnt how lively the stream is
        paths = sockets(made.venue)
        made.fault(stream="data", kind="mute", seconds=600)
        began = time.monotonic()
        until(session, lambda: state_of(session) == "DEGRADED")
        in_time(time.monotonic() - began, feed.silence_ns / SECOND + 2.0)
        session.refresh_from_db()
        assert session.state_reason
        until(session, lambda: state_of(session) == "RUNNING", 40)
        assert paths["/v2/iex"] >= 1, "it listens anew"
        finish(alice, made, session)
    check(made, session)


@pytest.mark.fault(31)
def test_a_halt_that_the_brokers_stream_tells_is_told_on(alice: User, made: Rig) -> None:
    session = heard_at_alpaca(made)
    with host():
        until(session, lambda: state_of(session) == "RUNNING")
        for halted, words in ((True, "Volatility Trading Pause"), (False, "trades again"), (True, "is halted")):
            before = session.events.filter(kind="halt").count()
            made.control("halts", symbol="SIM-ALPHA", halted=halted)
            until(session, lambda before=before: session.events.filter(kind="halt").count() > before)
            last = session.events.filter(kind="halt").latest("pk")
            assert words in last.text
        finish(alice, made, session)
    check(made, session)


@pytest.mark.row("I15")
@pytest.mark.fault(17)
def test_flapping_sockets_make_no_storm_and_lose_nothing(alice: User, rig: Rig) -> None:
    """Two sessions, one account: one socket for both, and few tries however often it is cut."""
    both = [rig.session(), rig.session(symbols=["SIM-BETA"])]
    paths = sockets(rig.venue)
    with host():
        for session in both:
            closed(session)
        assert paths["/stream"] == 1, "one stream for a pair of keys"
        rig.fault(stream="trade_updates", kind="drop", times=1_000)
        rig.fault(stream="trade_updates", kind="refuse", times=1)
        began = time.monotonic()
        until(both[0], lambda: paths["/stream"] >= 3, 90)
        assert paths["/stream"] <= 3 + (time.monotonic() - began), "never more than one try a second"
        rig.venue.faults.clear()
        for session in both:
            closed(session)
        finish(alice, rig, *both)
    check(rig, *both)


@pytest.mark.row("I14")
@pytest.mark.fault(17)
def test_a_data_stream_that_another_program_has_is_waited_for(alice: User, made: Rig) -> None:
    """Alpaca gives one data connection for a pair of keys; whoever comes second is refused until it is free."""
    made.fault(stream="data", kind="refuse", times=2)
    session = heard_at_alpaca(made)
    paths = sockets(made.venue)
    began = time.monotonic()
    with host():
        until(session, lambda: state_of(session) == "RUNNING", 40)
        assert paths["/v2/iex"] >= 3
        assert time.monotonic() - began > 1.5, "it waited between its tries"
        finish(alice, made, session)
    check(made, session)


@pytest.mark.row("I8")
@pytest.mark.fault(18)
def test_a_bug_in_our_handler_loses_no_fill(
    alice: User, rig: Rig, moment: random.Random, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every few messages the handler raises, before it has done anything: the sweep finds what it lost."""
    heard, every, raised = Link._heard, moment.randint(2, 4), []

    def stumbles(link: Link, event: BrokerEvent) -> None:
        raised.append(event)
        if len(raised) % every == 0:
            raise ZeroDivisionError("a bug of ours")
        heard(link, event)

    monkeypatch.setattr(Link, "_heard", stumbles)
    session = rig.session()
    with host(), caplog.at_level(logging.ERROR):
        closed(session, 2)
        finish(alice, rig, session)
    check(rig, session)
    assert len(raised) >= every
    assert "a bug of ours" in caplog.text, "the incident is logged"
