"""What the contract suite runs on: a broker of each kind, with an exchange behind it that the test holds in its hand.

A rig is an exchange (the practice venue on a real socket, or one in this process), an account there, and brokers of the
contract that are pointed at it. `BROKERS` is the table: whoever adds an adapter adds a line. All rigs trade one symbol
at about 100 in whole units, so that a case reads the same everywhere.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

import httpx
from django.test import override_settings

from bots.brokers.base import Broker, BrokerEvent, OrderRequest
from bots.brokers.ccxt.account import CcxtBroker
from bots.brokers.paper import PaperBroker
from bots.brokers.registry import open_adapter
from bots.orders import OrderState
from bots.practice import orders as venue_orders
from bots.practice.exchange import Exchange
from bots.practice.faults import RequestFault, StreamFault
from bots.practice.orders import Account, Instrument, Quote
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.servers import PATIENCE

D = Decimal
KEY, SECRET, OTHER = "PRACTICEKEY", "practice-secret", "OTHERKEY"
CASH = D(100_000)
READ_TIMEOUT_S = 1.0
COIN_FEE, NO_FEE, SMALLEST = D("0.0025"), D(0), D("1E-9")
PATIENCE_S = 20.0
PROOF_S = 2.0
STOCK_KINDS = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
STOCK_TIFS = frozenset({"day", "gtc", "ioc", "fok", "opg", "cls"})


def until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that happens in another thread."""
    ends = time.monotonic() + patience_s * PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"waited for {what}"
        time.sleep(0.01)


@dataclass
class Heard:
    """What a stream has told."""

    events: list[BrokerEvent] = field(default_factory=list)
    ups: int = 0
    downs: list[str] = field(default_factory=list)

    def up(self) -> None:
        self.ups += 1

    def fills(self) -> list[Any]:
        return [event.execution for event in self.events if event.execution is not None]


@dataclass
class Rig:
    """An exchange under a test. What each kind can do is stated here, not asked of the adapter under test.

    paths: of requests, by what they do ("submit", "cancel", "find", "open", "executions", "money"): (method, pattern)
    for scripted faults; empty where there is no network. fee: ratio, taken from what is received. ended: what the venue
    calls an order that it ends itself. lists: what it tells of besides trades ("flows", "splits").
    """

    name: str
    exchange: Exchange
    account: Account
    symbol: str
    open: Callable[[str, str], Broker]
    tif: str = "day"
    gtc: str = "gtc"
    kinds: frozenset[str] = STOCK_KINDS
    tifs: frozenset[str] = STOCK_TIFS
    classes: frozenset[str] = frozenset({"simple", "bracket", "oco", "oto"})
    may_short: bool = True
    fee: Decimal = NO_FEE
    fee_asset: str = ""
    ended: OrderState = OrderState.CANCELED
    lists: frozenset[str] = frozenset({"flows", "splits"})
    lot: Decimal = SMALLEST  # of the smallest quantity that may be asked for
    paths: dict[str, tuple[str, str]] = field(default_factory=dict)
    address: str = ""
    url_settings: tuple[str, ...] = ("PRACTICE_VENUE_URL",)
    venue: Venue | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    house: Literal["alpaca", "binance"] = "alpaca"
    stream_name: str = "trade_updates"  # "": there is none, the account is asked again and again
    _brokers: list[Broker] = field(default_factory=list)
    _serial: int = 0

    # --- the exchange -----------------------------------------------------------------------------------------------

    def price(
        self, bid: str, ask: str, last: str | None = None, bid_size: str | None = None, ask_size: str | None = None
    ) -> None:
        """New prices, at once."""
        quote = Quote(D(bid), D(ask), D(last or bid), bid_size and D(bid_size), ask_size and D(ask_size))
        if self.venue is not None:
            sizes = {"bid_size": bid_size, "ask_size": ask_size}
            self.control("prices", symbol=self.symbol, bid=bid, ask=ask, last=last or bid, **sizes)
        else:
            with self.lock:
                self.exchange.quote(self.symbol, quote)

    def control(self, name: str, **body: Any) -> None:
        answer = httpx.post(f"http://{self.address}/practice/{name}", json=body)
        assert answer.status_code == 200, answer.text

    def fault(self, what: str, kind: str, **more: Any) -> RequestFault | None:
        """Script one for requests of that sort; None where there is no network that could fail."""
        if self.venue is None:
            return None
        method, path = self.paths[what]
        made = RequestFault(kind=kind, method=method, path=path, **more)  # type: ignore[arg-type]
        self.venue.faults.requests.append(made)
        return made

    def stream_fault(self, kind: str, **more: Any) -> bool:
        """Script one for the account's stream; False where nothing can happen to a message."""
        if self.venue is None or not self.stream_name:
            return False
        self.venue.faults.streams.append(StreamFault(kind, self.stream_name, **more))
        return True

    def deposit(self, amount: str) -> None:
        with self.lock:
            self.exchange.transfer(self.account, D(amount))

    def place(self, request: OrderRequest) -> None:
        """Put an order there without the adapter, where many are needed."""
        self.exchange.submit(
            self.account,
            venue_orders.Request(
                request.symbol, request.side.lower(), request.kind, request.time_in_force,  # type: ignore[arg-type]
                request.client_order_id, request.qty, limit_px=request.limit_px, house=self.house,
            ),
        )  # fmt: skip

    def revoke(self) -> None:
        self.account.secret = "revoked"

    def venue_connections(self) -> set[Any]:
        """The account's streams that are open now."""
        assert self.venue is not None
        streams = self.venue.binance.events if self.stream_name == "user_data" else self.venue.updates
        return set(streams._listening)

    def position(self) -> Decimal:
        """The truth."""
        return self.account.position(self.symbol).qty

    def sent(self, client_order_id: str) -> int:
        """How many orders of that id the exchange has taken."""
        with self.lock:
            return sum(row.request.client_id == client_order_id for row in list(self.account.orders.values()))

    def executed(self) -> Decimal:
        """Units bought less units sold, fees left out."""
        rows = list(self.account.orders.values())
        return sum((row.sign * each.qty for row in rows for each in row.executions), D(0))

    def net(self, qty: str) -> Decimal:
        """What a purchase leaves in hand."""
        return D(qty) * (1 - self.fee)

    # --- our side ---------------------------------------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """The account under test, always the same."""
        if not self._brokers:
            self._brokers.append(self.open(KEY, SECRET))
        return self._brokers[0]

    def another(self, key: str = OTHER, secret: str = SECRET) -> Broker:
        self.broker  # noqa: B018  the first in the list is the account under test
        self._brokers.append(self.open(key, secret))
        return self._brokers[-1]

    def through(self, address: str) -> Broker:
        """The account under test, reached by another address (a proxy)."""
        with override_settings(**dict.fromkeys(self.url_settings, f"http://{address}")):
            return self.open(KEY, SECRET)

    def request(self, qty: str = "10", side: str = "BUY", kind: str = "market", **more: Any) -> OrderRequest:
        """An order with an id of its own, as the kind of rig takes it."""
        self._serial += 1
        asked: dict[str, Any] = {
            "client_order_id": f"t00000001-{self._serial:012d}", "symbol": self.symbol,
            "time_in_force": self.tif, **more,
        }  # fmt: skip
        for name in ("limit_px", "stop_px", "trail_px", "trail_pct", "take_profit", "stop_loss", "stop_loss_limit"):
            if asked.get(name) is not None:
                asked[name] = D(str(asked[name]))
        return OrderRequest(side=side, kind=kind, qty=D(qty), **asked)  # type: ignore[arg-type]

    def limit(self, qty: str, px: str, side: str = "BUY", **more: Any) -> OrderRequest:
        return self.request(qty, side, "limit", **{"limit_px": px, "time_in_force": self.gtc, **more})

    @contextmanager
    def listening(self) -> Iterator[Heard]:
        """The account's stream, signed in."""
        heard = Heard()
        stream = self.broker.stream(heard.events.append, heard.up, heard.downs.append)
        stream.start()
        try:
            until(lambda: heard.ups or heard.downs, "the stream to sign in")
            yield heard
        finally:
            began = time.monotonic()
            stream.stop()
            assert time.monotonic() - began < 3, "a stream ends within three seconds"

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()

    @property
    def now(self) -> datetime.datetime:
        return self.exchange.now()


ALPACA_PATHS = {
    "submit": ("POST", "/v2/orders"),
    "cancel": ("DELETE", "/v2/orders/.*"),
    "replace": ("PATCH", "/v2/orders/.*"),
    "find": ("GET", "/v2/orders:by_client_order_id"),
    "open": ("GET", "/v2/orders"),
    "executions": ("GET", "/v2/account/activities/FILL"),
    "positions": ("GET", "/v2/positions"),
    "money": ("GET", "/v2/account"),
    "any": ("*", ".*"),
}
STOCK = Instrument("AAPL")
COIN = Instrument("BTC/USD", "crypto", tick=D("0.01"), lot=D("0.0001"), fee_ratio=COIN_FEE, base="BTC")


@contextmanager
def alpaca(instrument: Instrument, **more: Any) -> Iterator[Rig]:
    """The practice venue, spoken to as Alpaca by the real client library over a real socket."""
    venue = Venue([instrument], always_open=True, is_scripted=True)
    account = venue.open_account(KEY, SECRET, CASH)
    venue.open_account(OTHER, SECRET, CASH)
    with in_thread(venue) as address:
        url = f"http://{address}"
        with override_settings(
            PRACTICE_VENUE_URL=url, ALPACA_LIVE_URL=url, ALPACA_PAPER_URL=url, ALPACA_DATA_URL=url,
            BROKER_CONNECT_TIMEOUT=1.0, BROKER_READ_TIMEOUT=READ_TIMEOUT_S,
        ):  # fmt: skip
            rig = Rig(
                more.pop("name"), venue.exchange, account, instrument.symbol,
                lambda key, secret: open_adapter("alpaca", "PRACTICE", key, secret),
                paths=ALPACA_PATHS, address=address, venue=venue, **more,
            )  # fmt: skip
            with contextlib.closing(rig):
                rig.price("99.99", "100.01", "100")
                yield rig


COIN_RIG: dict[str, Any] = {
    "tif": "gtc",
    "kinds": frozenset({"market", "limit", "stop_limit"}),
    "tifs": frozenset({"gtc", "ioc"}),
    "classes": frozenset({"simple"}),
    "may_short": False,
    "fee": COIN_FEE,
    "fee_asset": "BTC",
    "lot": D("0.0001"),
}


@contextmanager
def paper() -> Iterator[Rig]:
    """The same exchange without a socket."""
    exchange = Exchange([STOCK], lambda: datetime.datetime.now(datetime.UTC))
    account = exchange.open_account(KEY, SECRET, CASH)
    exchange.open_account(OTHER, SECRET, CASH)
    lock = threading.RLock()
    rig = Rig(
        "paper", exchange, account, STOCK.symbol, lambda key, secret: PaperBroker(exchange, lock, key, secret),
        lock=lock,
    )  # fmt: skip
    with contextlib.closing(rig):
        rig.price("99.99", "100.01", "100")
        yield rig


SPOT_PATHS = {
    "submit": ("POST", "/api/v3/order"),
    "cancel": ("DELETE", "/api/v3/order"),
    "find": ("GET", "/api/v3/order"),
    "open": ("GET", "/api/v3/openOrders"),
    "executions": ("GET", "/api/v3/myTrades"),
    "positions": ("GET", "/api/v3/account"),
    "money": ("GET", "/api/v3/account"),
    "any": ("*", ".*"),
}
SPOT_RIG: dict[str, Any] = {
    **{name: value for name, value in COIN_RIG.items() if name != "classes"},
    "kinds": frozenset({"market", "limit", "stop", "stop_limit"}),
    "tifs": frozenset({"gtc", "ioc", "fok"}),
    "ended": OrderState.EXPIRED,
}


@contextmanager
def spot(kind: str, classes: set[str], lists: set[str]) -> Iterator[Rig]:
    """The practice venue, spoken to as Binance by python-binance or by ccxt. Nothing arrives late here, so an order is
    proven absent sooner than the adapter would have it."""

    def opened(key: str, secret: str) -> Broker:
        broker = open_adapter(kind, "PRACTICE", key, secret)
        broker.capabilities = replace(broker.capabilities, proof_window_s=PROOF_S)
        if isinstance(broker, CcxtBroker):
            broker.poll_s = 0.3
        return broker

    venue = Venue([COIN], always_open=True, is_scripted=True)
    account = venue.open_account(KEY, SECRET, CASH)
    venue.open_account(OTHER, SECRET, CASH)
    with in_thread(venue) as address:
        url = f"http://{address}"
        with override_settings(PRACTICE_VENUE_URL=url, BROKER_CONNECT_TIMEOUT=1.0, BROKER_READ_TIMEOUT=READ_TIMEOUT_S):
            rig = Rig(
                kind, venue.exchange, account, COIN.symbol, opened,
                paths=SPOT_PATHS, address=address, venue=venue, stream_name="user_data" if kind == "binance" else "",
                classes=frozenset(classes), lists=frozenset(lists), house="binance", **SPOT_RIG,
            )  # fmt: skip
            with contextlib.closing(rig):
                rig.price("99.99", "100.01", "100")
                yield rig


BROKERS: dict[str, Callable[[], AbstractContextManager[Rig]]] = {
    "alpaca": lambda: alpaca(STOCK, name="alpaca"),
    "alpaca-coin": lambda: alpaca(COIN, name="alpaca-coin", **COIN_RIG),
    "paper": paper,
    "binance": lambda: spot("binance", {"simple", "oco"}, {"flows"}),
    "ccxt": lambda: spot("ccxt", {"simple"}, set()),
}
