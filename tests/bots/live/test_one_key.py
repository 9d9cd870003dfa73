"""Two real hosts with one key for prices: one has the stream, the sessions of both have the bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from bots.models import TradingSession
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import make
from tests.bots.host.processes import HostProcess, Zygote
from tests.bots.live.rig import KEY, SECRET, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def venue(transactional_db: None, venue_port: int) -> Iterator[Venue]:
    """A venue that makes its own prices, at the pace of the clock."""
    made = Venue([Instrument("SIM-ALPHA"), Instrument("SIM-BETA")], always_open=True)
    made.open_account(KEY, SECRET)
    with in_thread(made, venue_port):
        yield made


@pytest.fixture
def start_host(venue: Venue, _live_zygote: Zygote) -> Iterator[Callable[..., HostProcess]]:
    started: list[HostProcess] = []

    def start() -> HostProcess:
        started.append(_live_zygote.start(capacity=1))
        return started[-1]

    yield start
    for host in started:
        host.kill()


def decided(session: TradingSession) -> Any:
    """Instants that came live, not from history."""
    return session.cycles.filter(caught_up=False)


@pytest.mark.row("W10", "G16")
@pytest.mark.fault(17)
def test_sessions_of_two_hosts_decide_on_the_bars_of_one_stream(
    alice: User, venue: Venue, start_host: Callable[..., HostProcess]
) -> None:
    account = BrokerAccountFactory(owner=alice, api_key=KEY, api_secret=SECRET)
    options = {"account": account.pk, "market": "stocks"}
    sessions = [
        make(alice, feed="alpaca", feed_options=options, symbols=[symbol], timeframe="1m")
        for symbol in ("SIM-ALPHA", "SIM-BETA")
    ]
    holder = start_host()
    until(sessions[0], lambda: venue.stream.clients, 60)
    start_host()
    for session in sessions:
        until(session, lambda session=session: decided(session).exists(), 150)
    connected = list(venue.stream.clients)
    assert len(connected) == 1
    assert TradingSession.objects.values("host").distinct().count() == 2
    assert {session.state for session in TradingSession.objects.all()} == {"RUNNING"}
    # Who has the stream dies, as for want of memory: the other one opens it.
    holder.kill()
    left = TradingSession.objects.exclude(host__contains=f"-{holder.pid}-").get()
    until(left, lambda: venue.stream.clients and venue.stream.clients != connected, 60)
    until(left, lambda: state_of(left) == "RUNNING", 30)
    assert len(venue.stream.clients) == 1
