"""Binance's adapter against the practice venue: what Binance alone does."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from bots.brokers.binance.account import BinanceBroker
from bots.brokers.registry import open_adapter
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.brokers.binance.rig import COIN, KEY, SECRET, Rig


@pytest.fixture
def rig(settings: Any) -> Iterator[Rig]:
    venue = Venue([COIN, Instrument("SIM-ALPHA")], always_open=True, is_scripted=True)
    venue.open_account(KEY, SECRET, Decimal(100_000))
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL = f"http://{address}"
        broker = open_adapter("binance", "PRACTICE", KEY, SECRET)
        assert isinstance(broker, BinanceBroker)
        made = Rig(venue, address, broker)
        made.price("50000", "50010")
        made.price("99.9", "100.1", symbol="SIM-ALPHA")
        yield made
        broker.close()
