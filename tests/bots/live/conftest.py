"""The practice venue and hosts for LIVE sessions."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from bots.practice.serving import in_thread
from tests import servers
from tests.bots.host.processes import HostProcess, Zygote, zygote_with
from tests.bots.live.leaving import Listener, children_of, columns_with, no_child_is_left
from tests.bots.live.rig import KEY, SECRET, SEED, Rig, ScriptedVenue, instruments, rig_of
from tests.clocks import MachineClock

SWEEP_S = 2.0


@pytest.fixture(scope="session")
def venue_port() -> int:
    """Where the venue of each test listens: hosts in processes of their own are told once."""
    return servers.free_port()


@pytest.fixture
def rig(transactional_db: None, alice: User, settings: Any, venue_port: int) -> Iterator[Rig]:
    """A venue whose prices are said by the test, and an account of alice's there."""
    venue = ScriptedVenue(instruments(), always_open=True, is_scripted=True, seed=SEED)
    with in_thread(venue, venue_port) as address:
        settings.PRACTICE_VENUE_URL, settings.BROKER_SWEEP_SECONDS = f"http://{address}", SWEEP_S
        settings.TEST_RIG = True  # its prices run faster than the clock
        yield rig_of(venue, address, alice)


@pytest.fixture(scope="session")
def _live_zygote(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any, venue_port: int
) -> Iterator[Zygote]:
    log = tmp_path_factory.mktemp("live-hosts") / "hosts.log"
    address = f"http://127.0.0.1:{venue_port}"
    with zygote_with(django_db_blocker, log, PRACTICE_VENUE_URL=address, BROKER_SWEEP_SECONDS=str(SWEEP_S)) as zygote:
        yield zygote


@pytest.fixture
def machine_clock(monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    """Right at first; ask for it before the rig, whose venue keeps the right time."""
    return MachineClock(monkeypatch)


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test with a venue, when its hosts are gone: no log, no output and no column of the database tells an
    account's keys, and no process lives that was started."""
    names = request.fixturenames
    if "transactional_db" not in names:  # it has neither a venue nor hosts
        yield
        return
    request.getfixturevalue("transactional_db")  # so that its rows are there when this looks
    capture = request.getfixturevalue("capfd")
    zygote = request.getfixturevalue("_live_zygote") if "_live_zygote" in names else None
    read = zygote.log.stat().st_size if zygote else 0
    listener, before = Listener((KEY, SECRET)), children_of(os.getpid())
    logging.getLogger().addHandler(listener)
    yield
    logging.getLogger().removeHandler(listener)
    said = capture.readouterr()
    sys.stdout.write(said.out)  # for the report of a test that failed
    sys.stderr.write(said.err)
    hosts = zygote.log.read_bytes()[read:].decode() if zygote else ""
    assert not listener.said, "a log tells a secret"
    for text in (said.out, said.err, hosts):
        assert KEY not in text, "the output tells a key"
        assert SECRET not in text, "the output tells a secret"
    assert not columns_with((KEY, SECRET))
    no_child_is_left(before, [zygote.pid] if zygote else [])


@pytest.fixture
def start_host(rig: Rig, _live_zygote: Zygote) -> Iterator[Callable[..., HostProcess]]:
    """`start_host(failpoints={"after_send": 2})`; what is left is killed after the test, before its venue goes."""
    started: list[HostProcess] = []

    def start(**options: Any) -> HostProcess:
        started.append(_live_zygote.start(**options))
        return started[-1]

    yield start
    for host in started:
        host.kill()
