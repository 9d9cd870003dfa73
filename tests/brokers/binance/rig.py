"""The venue and one account at it, as Binance's adapter sees it over python-binance and real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from bots.brokers.base import BrokerEvent, BrokerOrder, OrderRequest
from bots.brokers.binance.account import BinanceBroker
from bots.practice.orders import Instrument
from bots.practice.server import Venue

KEY, SECRET = "BINANCEPRACTICEKEY", "binance-practice-secret"
COIN = Instrument(
    "BTC/USDT", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), fee_ratio=Decimal("0.001"),
    min_notional=Decimal(5), base="BTC", quote="USDT",
)  # fmt: skip


@dataclass
class Rig:
    """The venue and one account at it, as the adapter sees it. Its prices are said by the test."""

    venue: Venue
    address: str
    broker: BinanceBroker
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000)))

    def control(self, name: str, **body: Any) -> None:
        answer = httpx.post(f"http://{self.address}/practice/{name}", json=body)
        assert answer.status_code == 200, answer.text

    def price(self, bid: str, ask: str, symbol: str = "BTC/USDT", **sizes: str) -> None:
        self.control("prices", symbol=symbol, bid=bid, ask=ask, last=bid, **sizes)

    def fault(self, **body: Any) -> None:
        self.control("faults", **body)

    def ledger(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"http://{self.address}/practice/ledger").json()[KEY]
        return told

    def request(self, side: str = "BUY", kind: str = "market", qty: str = "0.5", **more: Any) -> OrderRequest:
        client_id = more.pop("client_order_id", f"t00000001-{next(self.ids):012d}")
        tif = more.pop("time_in_force", "gtc")
        prices = {name: Decimal(value) if name.endswith(("px", "profit", "loss", "limit")) else value
                  for name, value in more.items()}  # fmt: skip
        return OrderRequest(client_id, "BTC/USDT", side, kind, tif, Decimal(qty), **prices)  # type: ignore[arg-type]

    def bought(self, qty: str = "0.5") -> BrokerOrder:
        return self.broker.submit(self.request(qty=qty))


@dataclass
class Heard:
    """What a stream told."""

    events: list[BrokerEvent] = field(default_factory=list)
    ups: int = 0
    downs: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def on_event(self, event: BrokerEvent) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def on_up(self) -> None:
        with self.changed:
            self.ups += 1
            self.changed.notify_all()

    def on_down(self, why: str) -> None:
        with self.changed:
            self.downs.append(why)
            self.changed.notify_all()

    def wait(self, what: Any, seconds: float = 10) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: what(self), seconds), (self.events, self.ups, self.downs)
