"""Hosts in processes of their own, and their venue behind a line; what no test may leave behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.bots.host.processes import Zygote, zygote_with
from tests.bots.live.chaos.scene import Calls, Scene
from tests.bots.live.rig import KEY, SECRET, SEED, Rig, instruments, rig_of
from tests.brokers.proxy import Proxy

READ_TIMEOUT_S = 2.0  # what is waited for an answer; all else is as in production


@pytest.fixture
def scene(transactional_db: None, alice: User, settings: Any, venue_port: int) -> Iterator[Scene]:
    """A venue whose prices are said by the test, an account of alice's there, and the line between it and the hosts."""
    venue = Venue(instruments(), always_open=True, is_scripted=True, seed=SEED)
    calls = Calls(venue.application)
    venue.application = calls  # type: ignore[method-assign,assignment]
    settings.PRACTICE_VENUE_URL = f"http://127.0.0.1:{venue_port}"
    with in_thread(venue) as address:
        line = Proxy(address, venue_port)
        line.start()
        try:
            yield Scene(rig_of(venue, address, alice), calls, line)
        finally:
            line.close()


@pytest.fixture
def rig(scene: Scene) -> Rig:
    return scene.rig


@pytest.fixture(scope="session")
def _live_zygote(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any, venue_port: int
) -> Iterator[Zygote]:
    log = tmp_path_factory.mktemp("live-chaos") / "hosts.log"
    address = f"http://127.0.0.1:{venue_port}"
    with zygote_with(
        django_db_blocker, log, PRACTICE_VENUE_URL=address, BROKER_READ_TIMEOUT=str(READ_TIMEOUT_S)
    ) as zygote:
        yield zygote


@pytest.fixture(autouse=True)
def _nothing_is_left(rig: Rig, _live_zygote: Zygote) -> Iterator[None]:
    """After each test, when its hosts are gone: no secret is in their log, and no process of theirs lives."""
    read = _live_zygote.log.stat().st_size
    yield
    told = _live_zygote.log.read_bytes()[read:].decode()
    for secret in (KEY, SECRET):
        assert secret not in told, "a log says a secret"
    assert not _children_of(_live_zygote.pid), "a host is left"


def _children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(status.read_text().rpartition(") ")[2].split()[1]) == pid:
                found.append(int(status.parent.name))
    return found
