"""Hosts in processes of their own, and their venue behind a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from bots.practice.serving import in_thread
from tests.bots.host.processes import Zygote, zygote_with
from tests.bots.live.chaos.scene import Calls, Scene
from tests.bots.live.rig import SEED, Rig, ScriptedVenue, instruments, rig_of
from tests.brokers.proxy import Proxy

READ_TIMEOUT_S = 2.0  # what is waited for an answer; all else is as in production


@pytest.fixture
def scene(transactional_db: None, alice: User, settings: Any, venue_port: int) -> Iterator[Scene]:
    """A venue whose prices are said by the test, an account of alice's there, and the line between it and the hosts."""
    venue = ScriptedVenue(instruments(), always_open=True, is_scripted=True, seed=SEED)
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
    with zygote_with(django_db_blocker, log, **hosts_env(venue_port)) as zygote:
        yield zygote


def hosts_env(venue_port: int) -> dict[str, str]:
    """What is particular to the environment of a scene's hosts."""
    return {"PRACTICE_VENUE_URL": f"http://127.0.0.1:{venue_port}", "BROKER_READ_TIMEOUT": str(READ_TIMEOUT_S)}
