"""The practice venue and hosts for LIVE sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import User
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.bots.live.rig import SEED, Rig, instruments, rig_of


@pytest.fixture
def rig(transactional_db: None, alice: User, settings: object) -> Iterator[Rig]:
    """A venue whose prices are said by the test, and an account of alice's there."""
    venue = Venue(instruments(), always_open=True, is_scripted=True, seed=SEED)
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL = f"http://{address}"  # type: ignore[attr-defined]
        settings.BROKER_SWEEP_SECONDS = 2.0  # type: ignore[attr-defined]
        yield rig_of(venue, address, alice)
