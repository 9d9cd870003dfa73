"""The practice venue and hosts for LIVE sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests import servers
from tests.bots.host.processes import HostProcess, Zygote, zygote_with
from tests.bots.live.rig import SEED, Rig, instruments, rig_of

SWEEP_S = 2.0


@pytest.fixture(scope="session")
def venue_port() -> int:
    """Where the venue of each test listens: hosts in processes of their own are told once."""
    return servers.free_port()


@pytest.fixture
def rig(transactional_db: None, alice: User, settings: Any, venue_port: int) -> Iterator[Rig]:
    """A venue whose prices are said by the test, and an account of alice's there."""
    venue = Venue(instruments(), always_open=True, is_scripted=True, seed=SEED)
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
def start_host(rig: Rig, _live_zygote: Zygote) -> Iterator[Callable[..., HostProcess]]:
    """`start_host(failpoints={"after_send": 2})`; what is left is killed after the test, before its venue goes."""
    started: list[HostProcess] = []

    def start(**options: Any) -> HostProcess:
        started.append(_live_zygote.start(**options))
        return started[-1]

    yield start
    for host in started:
        host.kill()
