"""A practice venue beside the site under test, on a real socket, as `manage.py up` starts one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread


@dataclass
class PracticeVenue:
    """The venue and where it listens."""

    venue: Venue
    url: str

    def ledger(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.url}/practice/ledger", trust_env=False).json()
        return told

    def fault(self, **fault: Any) -> None:
        answer = httpx.post(f"{self.url}/practice/faults", json=fault, trust_env=False)
        assert answer.status_code == 200, answer.text

    def open_account(self, key: str, secret: str, cash: int = 50_000) -> None:
        self.venue.open_account(key, secret, Decimal(cash))


@pytest.fixture
def practice_venue(settings: Any) -> Iterator[PracticeVenue]:
    """Stocks SIM-ALPHA and SIM-BETA, without an account; the settings point at it."""
    venue = Venue([Instrument("SIM-ALPHA", calendar="24/7"), Instrument("SIM-BETA", calendar="24/7")], always_open=True)
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE, settings.PRACTICE_VENUE_URL = True, f"http://{address}"
        yield PracticeVenue(venue, f"http://{address}")
