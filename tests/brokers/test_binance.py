"""Binance's adapter over python-binance and real sockets, against the practice venue: what Binance alone does."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bots.brokers.base import (
    Banned,
    BrokerEvent,
    BrokerOrder,
    OrderRequest,
    RateLimited,
    Refused,
    Unauthorised,
    VenueDown,
)
from bots.brokers.binance.account import BinanceBroker
from bots.brokers.registry import open_adapter
from bots.orders import OrderState
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread

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


# --- balances, fees ---------------------------------------------------------------------------------------------------


@pytest.mark.row("I12")
def test_a_purchase_leaves_less_than_was_bought_and_only_that_can_be_sold(rig: Rig) -> None:
    told = rig.bought()
    assert (told.state, told.filled, told.avg_px) == (OrderState.FILLED, Decimal("0.5"), Decimal(50_010))
    (position,) = rig.broker.positions()
    assert (position.symbol, position.qty) == ("BTC/USDT", Decimal("0.4995"))
    with pytest.raises(Refused) as caught:
        rig.broker.submit(rig.request("SELL", qty="0.5"))
    assert caught.value.code == "insufficient_qty"
    rig.broker.submit(rig.request("SELL", qty="0.4995"))
    assert rig.broker.positions() == []
    assert rig.ledger()["positions"] == {}


@pytest.mark.row("I12")
def test_executions_tell_the_fee_and_what_it_was_taken_in(rig: Rig) -> None:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    rig.bought()
    rig.broker.submit(rig.request("SELL", qty="0.1"))
    first, second = rig.broker.executions(start, ["BTC/USDT", "SIM-ALPHA"])
    assert (first.side, first.qty, first.fee, first.fee_asset) == ("BUY", Decimal("0.5"), Decimal("0.0005"), "BTC")
    assert (second.side, second.fee, second.fee_asset) == ("SELL", Decimal("5.00000000"), "USDT")
    money = rig.broker.money()
    assert money.cash == Decimal(100_000) - Decimal(25_005) + Decimal(5_000) - 5
    assert money.equity == money.cash + Decimal("0.3995") * 50_000
    assert money.currency == "USDT"


@pytest.mark.row("I12")
def test_what_an_open_order_holds_is_no_buying_power_but_still_a_balance(rig: Rig) -> None:
    rig.bought()
    rig.broker.submit(rig.request("BUY", "limit", "1", limit_px="40000"))
    rig.broker.submit(rig.request("SELL", "limit", "0.2", limit_px="60000"))
    money = rig.broker.money()
    assert money.cash - money.buying_power == 40_000
    assert rig.broker.positions()[0].qty == Decimal("0.4995")
    assert {order.side for order in rig.broker.open_orders()} == {"BUY", "SELL"}


def test_all_executions_are_listed_however_many_pages_and_days_there_are(rig: Rig) -> None:
    rig.venue.clock.go_to(rig.venue.clock.now() + datetime.timedelta(days=4))  # ours is behind by that
    start = rig.venue.clock.now() - datetime.timedelta(days=3, hours=5)
    for _ in range(3):
        rig.bought("0.001")
    from bots.brokers.binance import trades

    before, trades.PAGE = trades.PAGE, 2
    try:
        found = rig.broker.executions(start, ["BTC/USDT"])
    finally:
        trades.PAGE = before
    assert len({each.execution_id for each in found}) == 3
    assert found == sorted(found, key=lambda each: each.at)


def test_money_that_comes_and_goes_is_listed_once(rig: Rig) -> None:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=200)
    for amount, kind in (("1000", "CSD"), ("-300.5", "CSW"), ("2", "DIV")):
        rig.control("transfers", key=KEY, amount=amount, kind=kind)
    found = rig.broker.activities(start)
    assert {(each.kind, each.amount, each.currency) for each in found} == {
        ("withdrawal", Decimal("-300.5"), "USDT"),
        ("deposit", Decimal(1_000), "USDT"),
        ("dividend", Decimal(2), "USDT"),
    }
    assert found == sorted(found, key=lambda each: each.at)
    assert len({each.ref for each in found}) == 3
    assert rig.broker.money().cash == Decimal("100701.5")


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.row("I1", "I12")
@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"kind": "limit", "limit_px": "49000"}, OrderState.ACCEPTED),
        ({"kind": "limit", "limit_px": "49000", "time_in_force": "ioc"}, OrderState.EXPIRED),
        ({"kind": "limit", "limit_px": "50010", "time_in_force": "fok"}, OrderState.FILLED),
        ({"kind": "stop", "stop_px": "51000"}, OrderState.ACCEPTED),
        ({"kind": "stop_limit", "stop_px": "51000", "limit_px": "51100"}, OrderState.ACCEPTED),
    ],
)
def test_orders_of_every_kind(rig: Rig, more: dict[str, Any], state: OrderState) -> None:
    request = rig.request(**more)
    told = rig.broker.submit(request)
    assert (told.client_order_id, told.kind, told.state) == (request.client_order_id, request.kind, state)
    assert (told.limit_px, told.stop_px) == (request.limit_px, request.stop_px)
    assert rig.broker.find(request.client_order_id, "BTC/USDT") == rig.broker.order(told.broker_order_id, "BTC/USDT")


def test_what_binance_does_not_have_is_refused_before_it_is_sent(rig: Rig) -> None:
    for more in (
        {"kind": "limit", "limit_px": "49000", "time_in_force": "day"},
        {"kind": "trailing_stop", "trail_px": "100"},
        {"kind": "market", "order_class": "bracket", "take_profit": "60000", "stop_loss": "40000"},
    ):
        with pytest.raises(Refused) as caught:
            rig.broker.submit(rig.request(**more))
        assert caught.value.code == "invalid"
    order = rig.broker.submit(rig.request("BUY", "limit", limit_px="49000"))
    with pytest.raises(Refused, match="without a gap"):
        rig.broker.replace(order, "t00000001-999999999999", limit_px=Decimal(49_001))
    assert len(rig.ledger()["orders"]) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"qty": "0.00005"}, "lot_step"),
        ({"qty": "10"}, "buying_power"),
        ({"kind": "limit", "limit_px": "49000.001"}, "price_step"),
        ({"kind": "limit", "limit_px": "40000", "qty": "0.0001"}, "min_notional"),
        ({"kind": "stop", "stop_px": "49000"}, "would_trigger"),
        ({"side": "SELL"}, "insufficient_qty"),
        ({"client_order_id": "t00000001-000000000777", "kind": "limit", "limit_px": "49000"}, "duplicate_client_id"),
    ],
)
def test_a_refusal_says_which_rule_it_was(rig: Rig, more: dict[str, Any], code: str) -> None:
    rig.broker.submit(rig.request("BUY", "limit", "0.001", limit_px="45000", client_order_id="t00000001-000000000777"))
    with pytest.raises(Refused) as caught:
        rig.broker.submit(rig.request(**more))
    assert caught.value.code == code
    assert len(rig.ledger()["orders"]) == 1


def test_an_id_is_free_again_once_its_order_is_over(rig: Rig) -> None:
    """Why an unknown outcome may never be answered by sending the order again here."""
    assert not rig.broker.capabilities.ids_stay_used
    assert rig.broker.capabilities.proof_window_s >= 15
    request = rig.request(qty="0.1")
    first, second = rig.broker.submit(request), rig.broker.submit(request)
    assert first.broker_order_id != second.broker_order_id
    found = rig.broker.find(request.client_order_id, "BTC/USDT")
    assert found is not None
    assert found.broker_order_id == second.broker_order_id


def test_a_cancel_that_comes_too_late_says_so(rig: Rig) -> None:
    resting = rig.broker.submit(rig.request("BUY", "limit", limit_px="49000"))
    rig.broker.cancel(resting)
    told = rig.broker.order(resting.broker_order_id, "BTC/USDT")
    assert told is not None
    assert (told.state, told.client_order_id) == (OrderState.CANCELED, resting.client_order_id)
    for order, code in ((resting, "is_over"), (rig.bought(), "is_over")):
        with pytest.raises(Refused) as caught:
            rig.broker.cancel(order)
        assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        rig.broker.cancel(BrokerOrder("t9", "", "BTC/USDT", "BUY", "limit", OrderState.UNKNOWN, Decimal(1)))
    assert caught.value.code == "no_order"


@pytest.mark.row("I2")
def test_an_oco_is_one_order_with_a_leg_and_its_stop_ends_the_target(rig: Rig) -> None:
    rig.bought()
    request = rig.request("SELL", "limit", "0.4995", order_class="oco", take_profit="60000", stop_loss="45000")
    told = rig.broker.submit(request)
    (stop,) = told.legs
    assert (told.limit_px, stop.stop_px, stop.kind) == (Decimal(60_000), Decimal(45_000), "stop")
    assert rig.broker.find(request.client_order_id, "BTC/USDT") == told
    assert len(rig.broker.open_orders()) == 2
    rig.price("44000", "44010")
    found = rig.broker.find(request.client_order_id, "BTC/USDT")
    assert found is not None
    assert (found.state, found.legs[0].state) == (OrderState.EXPIRED, OrderState.FILLED)
    assert rig.broker.positions() == []


@pytest.mark.row("I2")
def test_a_target_that_fills_in_part_leaves_no_stop(rig: Rig) -> None:
    """As at Binance: whoever uses an OCO there must cover the rest again."""
    rig.bought()
    request = rig.request("SELL", "limit", "0.4995", order_class="oco", take_profit="60000", stop_loss="45000")
    told = rig.broker.submit(request)
    rig.price("60000", "60010", bid_size="0.1")
    found = rig.broker.find(request.client_order_id, "BTC/USDT")
    assert found is not None
    assert (found.state, found.filled) == (OrderState.PARTIALLY_FILLED, Decimal("0.1"))
    assert found.legs[0].state is OrderState.EXPIRED
    rig.broker.cancel(told)
    assert rig.broker.open_orders() == []


@pytest.mark.row("I2")
def test_cancelling_one_exit_of_an_oco_cancels_both(rig: Rig) -> None:
    rig.bought()
    request = rig.request("SELL", "limit", "0.4995", order_class="oco", take_profit="60000", stop_loss="45000")
    told = rig.broker.submit(request)
    rig.broker.cancel(told.legs[0])
    found = rig.broker.find(request.client_order_id, "BTC/USDT")
    assert found is not None
    assert {found.state, found.legs[0].state} == {OrderState.CANCELED}


def test_rules_are_those_of_the_filters(rig: Rig) -> None:
    found = rig.broker.rules(["BTC/USDT", "NOPE/USDT", "SIM-ALPHA"])
    assert set(found) == {"BTC/USDT", "SIM-ALPHA"}
    rules = found["BTC/USDT"]
    assert (rules.price_step(Decimal(50_000)), rules.lot) == (Decimal("0.01"), Decimal("0.0001"))
    assert (rules.min_notional, rules.base, rules.quote) == (Decimal(5), "BTC", "USDT")
    assert rules.kinds == {"market", "limit", "stop", "stop_limit"}
    assert (rules.tifs, rules.classes) == ({"gtc", "ioc", "fok"}, {"simple", "oco"})
    assert (rules.collar, rules.shortable, rules.calendar) == ((Decimal("0.2"), Decimal(5)), False, "24/7")
    assert rig.broker.last_prices(["BTC/USDT", "NOPE/USDT"]) == {"BTC/USDT": Decimal(50_000)}


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.row("I12")
def test_keys_are_told_with_what_they_may_do(rig: Rig) -> None:
    facts = rig.broker.check_keys()
    assert (facts.may_trade, facts.may_withdraw, facts.may_short) == (True, False, False)
    assert not facts.is_real_money
    rig.control("accounts", key="RICH", secret="also-secret", cash=10, may_withdraw=True)
    assert open_adapter("binance", "PRACTICE", "RICH", "also-secret").check_keys().may_withdraw is True


@pytest.mark.parametrize(("key", "secret"), [(KEY, "not-the-secret"), ("UNKNOWN", SECRET)])
def test_wrong_keys_are_unauthorised_and_not_named(rig: Rig, key: str, secret: str) -> None:
    broker = open_adapter("binance", "PRACTICE", key, secret)
    with pytest.raises(Unauthorised) as caught:
        broker.submit(rig.request())
    assert secret not in str(caught.value)
    assert rig.ledger()["orders"] == []


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.row("I12")
@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 504, "when": "after"},
        {
            "kind": "status",
            "status": 503,
            "when": "after",
            "body": '{"code":-1007,"msg":"Timeout waiting for response"}',
        },
        {"kind": "drop", "when": "after"},
        {"kind": "truncate", "when": "after"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
def test_a_lost_answer_says_nothing_and_the_order_is_found_by_its_id(rig: Rig, fault: dict[str, Any]) -> None:
    """F5: exactly one order, sent once."""
    request = rig.request(qty="0.1")
    rig.fault(method="POST", path="/api/v3/order", **fault)
    with pytest.raises(VenueDown):
        rig.broker.submit(request)
    found = rig.broker.find(request.client_order_id, "BTC/USDT")
    assert found is not None
    assert found.state is OrderState.FILLED
    assert len(rig.ledger()["orders"]) == 1


@pytest.mark.fault(6)
def test_an_order_that_never_arrived_is_not_found(rig: Rig) -> None:
    """F6: absence is told as such; that it is proven only after a while is said by `proof_window_s`."""
    request = rig.request()
    rig.fault(method="POST", path="/api/v3/order", kind="drop", when="before")
    with pytest.raises(VenueDown):
        rig.broker.submit(request)
    assert rig.broker.find(request.client_order_id, "BTC/USDT") is None
    assert rig.broker.executions(datetime.datetime.now(datetime.UTC), ["BTC/USDT"]) == []


def test_a_silent_venue_is_left_after_the_timeout(rig: Rig, settings: Any) -> None:
    settings.BROKER_READ_TIMEOUT = 0.5
    broker = open_adapter("binance", "PRACTICE", KEY, SECRET)
    broker.money()
    rig.fault(method="POST", path="/api/v3/order", kind="delay", delay_s=3)
    began = time.monotonic()
    with pytest.raises(VenueDown):
        broker.submit(rig.request())
    assert time.monotonic() - began < 2


@pytest.mark.fault(8)
def test_a_429_is_obeyed_by_everything_that_uses_the_keys(rig: Rig) -> None:
    rig.broker.money()
    body = '{"code":-1003,"msg":"Too many requests."}'
    rig.fault(kind="status", status=429, body=body, headers={"Retry-After": "1"})
    with pytest.raises(RateLimited) as caught:
        rig.bought()
    assert caught.value.retry_after_s == 1
    with pytest.raises(RateLimited):
        rig.broker.open_orders()
    time.sleep(1.1)
    assert rig.bought().state is OrderState.FILLED


@pytest.mark.fault(9)
def test_a_ban_is_met_by_silence(rig: Rig) -> None:
    """F9: nothing is sent until it is over, though the venue would answer again."""
    rig.broker.money()
    rig.venue.binance.gate.most = 0
    for _ in range(3):
        with pytest.raises(RateLimited):
            rig.broker.money()
    rig.venue.binance.gate.most = 6_000
    rig.fault(kind="status", status=418, body='{"code":-1003,"msg":"banned"}', headers={"Retry-After": "90"})
    fresh = open_adapter("binance", "PRACTICE", KEY, SECRET)
    with pytest.raises(Banned) as caught:
        fresh.last_prices(["BTC/USDT"])
    assert caught.value.retry_after_s == 90
    for call in (fresh.money, fresh.open_orders, fresh.positions):
        with pytest.raises(Banned):
            call()
    assert rig.venue.faults.requests == []


@pytest.mark.fault(27)
def test_a_clock_that_is_wrong_is_set_by_the_venues_and_the_order_is_sent_once(rig: Rig) -> None:
    """F27: five minutes ahead; what was refused for its time has not happened."""
    rig.broker.money()
    rig.venue.clock.go_to(rig.venue.clock.now() + datetime.timedelta(minutes=5))
    assert rig.bought().state is OrderState.FILLED
    assert len(rig.ledger()["orders"]) == 1
    rig.venue.clock.go_to(rig.venue.clock.now() + datetime.timedelta(minutes=5))
    assert rig.broker.money().cash < 100_000


def test_several_threads_get_their_own_answers(rig: Rig) -> None:
    orders = [rig.request(qty="0.001", client_order_id=f"t00000001-{n:012d}") for n in range(2_000, 2_020)]
    told: dict[str, BrokerOrder] = {}

    def send(request: OrderRequest) -> None:
        told[request.client_order_id] = rig.broker.submit(request)

    threads = [threading.Thread(target=send, args=(request,)) for request in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {name: order.client_order_id for name, order in told.items()} == {
        each.client_order_id: each.client_order_id for each in orders
    }


# --- the stream -------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(rig: Rig) -> Iterator[Heard]:
    made = Heard()
    stream = rig.broker.stream(made.on_event, made.on_up, made.on_down)
    stream.start()
    made.wait(lambda each: each.ups == 1)
    assert stream.is_up
    yield made
    began = time.monotonic()
    stream.stop()
    assert time.monotonic() - began < 3
    assert not stream.is_up


@pytest.mark.row("G6", "I12")
def test_the_stream_tells_fills_under_the_ids_that_the_list_has(rig: Rig, heard: Heard) -> None:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    request = rig.request("BUY", "limit", "0.5", limit_px="50010")
    rig.price("50000", "50010", ask_size="0.2")
    rig.broker.submit(request)
    rig.price("50000", "50010")
    heard.wait(lambda each: len([e for e in each.events if e.kind == "fill"]) == 2)
    fills = [event.execution for event in heard.events if event.execution]
    listed = rig.broker.executions(start, ["BTC/USDT"])
    assert [(e.execution_id, e.qty, e.px, e.fee, e.fee_asset, e.at) for e in fills] == [
        (e.execution_id, e.qty, e.px, e.fee, e.fee_asset, e.at) for e in listed
    ]
    last = heard.events[-1].order
    assert last is not None
    assert (last.client_order_id, last.symbol, last.state) == (request.client_order_id, "BTC/USDT", OrderState.FILLED)
    assert fills[0] is not None
    assert fills[0].client_order_id == request.client_order_id


def test_a_cancelled_order_keeps_its_own_name_on_the_stream(rig: Rig, heard: Heard) -> None:
    order = rig.broker.submit(rig.request("BUY", "limit", limit_px="49000"))
    rig.broker.cancel(order)
    heard.wait(lambda each: len(each.events) == 2)
    assert [(e.order.client_order_id, e.order.state) for e in heard.events if e.order] == [
        (order.client_order_id, OrderState.ACCEPTED),
        (order.client_order_id, OrderState.CANCELED),
    ]


def test_a_cut_stream_comes_back_and_says_that_there_was_a_gap(rig: Rig, heard: Heard) -> None:
    rig.fault(stream="user_data", kind="drop")
    rig.bought("0.1")
    heard.wait(lambda each: each.ups == 2)
    assert len(heard.downs) == 1
    rig.bought("0.1")
    heard.wait(lambda each: any(event.kind == "fill" for event in each.events))


def test_a_listener_that_fails_ends_nothing(rig: Rig) -> None:
    heard = Heard()

    def fails_once(event: BrokerEvent) -> None:
        heard.on_event(event)
        if len(heard.events) == 1:
            raise RuntimeError("the first event is one too many")

    stream = rig.broker.stream(fails_once, heard.on_up, heard.on_down)
    stream.start()
    heard.wait(lambda each: each.ups == 1)
    rig.bought("0.1")
    heard.wait(lambda each: any(event.kind == "fill" for event in each.events))
    stream.stop()
    assert heard.downs == []


def test_a_stream_is_renewed_before_the_venue_ends_it(rig: Rig) -> None:
    from bots.brokers.binance.stream import UserStream

    heard = Heard()
    broker = rig.broker
    stream = UserStream(
        broker._client, broker._stream_address, broker._ours, heard.on_event, heard.on_up, heard.on_down,
        connect_s=5, life_s=0.3,
    )  # fmt: skip
    stream.start()
    heard.wait(lambda each: each.ups >= 2)
    stream.stop()
    assert heard.downs[0] == "Binance's stream is renewed."


def test_a_stream_with_wrong_keys_says_so(rig: Rig) -> None:
    heard = Heard()
    broker = open_adapter("binance", "PRACTICE", KEY, "wrong")
    stream = broker.stream(heard.on_event, heard.on_up, heard.on_down)
    stream.start()
    heard.wait(lambda each: each.downs)
    stream.stop()
    assert "does not accept these keys" in heard.downs[0]
    assert heard.ups == 0
