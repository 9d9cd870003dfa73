"""A practice venue on a real socket, with a steerable clock, and the broker's own client library pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from alpaca.trading.client import TradingClient

from bots.practice.orders import Account, Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread

KEY, SECRET = "PRACTICEKEY", "practice-secret"
STOCK = Instrument("AAPL")
COIN = Instrument(
    "BTC/USD", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), fee_ratio=Decimal("0.0025"), base="BTC"
)


@dataclass
class Rig:
    """The venue, where it listens, and one customer of it."""

    venue: Venue
    address: str
    account: Account

    def client(self) -> TradingClient:
        return TradingClient(KEY, SECRET, url_override=f"http://{self.address}")

    def control(self, name: str, **body: Any) -> Any:
        answer = httpx.post(f"http://{self.address}/practice/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def price(self, bid: str, ask: str, last: str | None = None, symbol: str = "AAPL", **sizes: str) -> None:
        self.control("prices", symbol=symbol, bid=bid, ask=ask, last=last or bid, **sizes)

    def ledger(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"http://{self.address}/practice/ledger").json()[KEY]
        return told


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A venue whose prices are said by the test. AAPL 99.99 / 100.01, BTC/USD 50,000 / 50,010."""
    venue = Venue([STOCK, COIN], always_open=True, is_scripted=True)
    account = venue.open_account(KEY, SECRET, Decimal(100_000))
    with in_thread(venue) as address:
        made = Rig(venue, address, account)
        made.price("99.99", "100.01", "100")
        made.price("50000", "50010", "50005", symbol="BTC/USD")
        yield made
