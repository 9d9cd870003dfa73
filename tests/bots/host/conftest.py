"""What the tests of faults share: a made market, hosts in processes of their own, the run that nothing disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from bots.models import TradingSession
from tests.bots.host import market
from tests.bots.host.audit import story
from tests.bots.host.processes import HostProcess, Zygote, eventually, zygote_with


@pytest.fixture(scope="session")
def _zygote(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[Zygote]:
    with zygote_with(django_db_blocker, tmp_path_factory.mktemp("hosts") / "hosts.log") as zygote:
        yield zygote


@pytest.fixture
def start_host(transactional_db: None, _zygote: Zygote) -> Iterator[Callable[..., HostProcess]]:
    """`start_host(failpoints={"after_send": 2}, capacity=3)`; what is left is killed after the test."""
    started: list[HostProcess] = []

    def start(**options: Any) -> HostProcess:
        started.append(_zygote.start(**options))
        return started[-1]

    yield start
    for host in started:
        host.kill()


@pytest.fixture
def bars(transactional_db: None) -> None:
    """Minute bars of a market that was made up, in the store."""
    market.store()


_undisturbed: dict[str, dict[str, list[Any]]] = {}


@pytest.fixture
def undisturbed(alice: User, bars: None, start_host: Callable[..., HostProcess]) -> Callable[..., dict[str, list[Any]]]:
    """`undisturbed(**columns)`: what a session with these columns does when nothing happens. Worked out once."""

    def run(**columns: Any) -> dict[str, list[Any]]:
        key = repr(sorted(columns.items()))
        if key not in _undisturbed:
            session = market.session(alice, **columns)
            host = start_host()
            eventually(lambda: TradingSession.objects.get(pk=session.pk).state in ("STOPPED", "HALTED", "FAILED"), "it")
            host.stop()
            session.refresh_from_db()
            assert session.state == "STOPPED", session.state_reason
            _undisturbed[key] = story(session)
            assert len(_undisturbed[key]["fills"]) >= 10, "nothing happens in this market"
        return _undisturbed[key]

    return run


@pytest.fixture
def hosts_log(_zygote: Zygote) -> Path:
    """What all hosts of this test process have said."""
    return _zygote.log
