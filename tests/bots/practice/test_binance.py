"""The practice venue's Binance side, over a real socket, by the client library that everybody uses for it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException
from websockets.sync.client import connect

from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.bots.practice.conftest import KEY, SECRET, Rig

COIN = Instrument(
    "BTC/USDT", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), fee_ratio=Decimal("0.001"),
    min_notional=Decimal(5), base="BTC", quote="USDT",
)  # fmt: skip


@pytest.fixture
def spot() -> Iterator[Rig]:
    """A venue of one coin and one made-up stock; 50,000 / 50,010 and 99.99 / 100.01."""
    venue = Venue([COIN, Instrument("SIM-ALPHA")], always_open=True, is_scripted=True)
    account = venue.open_account(KEY, SECRET, Decimal(100_000))
    with in_thread(venue) as address:
        made = Rig(venue, address, account)
        made.price("50000", "50010", symbol="BTC/USDT")
        made.price("99.99", "100.01", symbol="SIM-ALPHA")
        yield made


def client_of(rig: Rig, key: str = KEY, secret: str = SECRET) -> Client:
    class Local(Client):  # type: ignore[misc]
        API_URL, MARGIN_API_URL = f"http://{rig.address}/api", f"http://{rig.address}/sapi"

    return Local(key, secret)


@pytest.fixture
def client(spot: Rig) -> Client:
    return client_of(spot)


def code_of(call: Callable[[], Any]) -> int:
    with pytest.raises(BinanceAPIException) as caught:
        call()
    return int(caught.value.code)


def limit(client: Client, price: str = "49000", **more: Any) -> dict[str, Any]:
    asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
    told: dict[str, Any] = client.create_order(**asked | {"price": price} | more)
    return told


# --- who asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("P8")
def test_signatures_are_checked_over_the_bytes_as_sent(spot: Rig) -> None:
    now = int(time.time() * 1_000)
    query = f"timestamp={now}&symbol=BTCUSDT&recvWindow=5000"  # in no order that a library would choose
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    url, headers = f"http://{spot.address}/api/v3/openOrders", {"X-MBX-APIKEY": KEY}
    assert httpx.get(f"{url}?{query}&signature={signature}", headers=headers).json() == []
    changed = query.replace("5000", "6000")
    answer = httpx.get(f"{url}?{changed}&signature={signature}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, -1022)
    half = query.partition("&")
    mixed = hmac.new(SECRET.encode(), (half[0] + half[2]).encode(), hashlib.sha256).hexdigest()
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    order = f"{url.replace('openOrders', 'order/test')}?{half[0]}"
    answer = httpx.post(order, content=f"{half[2]}&signature={mixed}", headers=form)
    assert answer.json()["code"] == -1102  # signed well, and then the side is missing


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -1102),
        ({"timestamp": "soon"}, -1100),
        ({"timestamp": 1_000}, -1021),
        ({"timestamp": 10**15}, -1021),
        ({"timestamp": 1_000, "recvWindow": 60_001}, -1131),
    ],
)
def test_the_time_of_a_request_is_looked_at(spot: Rig, params: dict[str, Any], code: int) -> None:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    url = f"http://{spot.address}/api/v3/account?{query}{'&' if query else ''}signature={signature}"
    assert httpx.get(url, headers={"X-MBX-APIKEY": KEY}).json()["code"] == code


def test_unknown_keys_and_none(spot: Rig) -> None:
    assert code_of(client_of(spot, "NOBODY").get_account) == -2015
    assert httpx.get(f"http://{spot.address}/api/v3/account").json()["code"] == -2014


def test_who_asks_too_much_is_told_to_wait_and_then_shut_out(spot: Rig) -> None:
    client = client_of(spot)
    spot.venue.binance.gate.most = 45
    client.get_account()
    client.get_account()
    with pytest.raises(BinanceAPIException) as caught:
        client.get_account()
    assert (caught.value.status_code, caught.value.code) == (429, -1003)
    assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 61
    statuses = set()
    for _ in range(12):
        with pytest.raises(BinanceAPIException) as caught:
            client.get_account()
        statuses.add(caught.value.status_code)
    assert statuses == {429, 418}
    assert 100 < int(caught.value.response.headers["Retry-After"]) <= 121


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "TAKE_PROFIT"}, -1116),
        ({"timeInForce": "DAY"}, -1115),
        ({"type": "MARKET"}, -1106),
        ({"quantity": "many"}, -1100),
        ({"quantity": "-1"}, -1013),
        ({"price": None}, -1102),
        ({"price": "49000.001"}, -1013),
        ({"price": "1"}, -1013),
        ({"quantity": "0.00001"}, -1013),
        ({"quantity": "0.0001", "price": "40000"}, -1013),
        ({"quantity": "9"}, -2010),
        ({"side": "SELL"}, -2010),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "50010"}, -2010),
        ({"type": "STOP_LOSS", "timeInForce": None, "price": None, "stopPrice": "40000"}, -2010),
        ({"newClientOrderId": "mine~"}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
    ],
)
def test_what_is_wrong_with_an_order_has_its_code(client: Client, spot: Rig, asked: dict[str, Any], code: int) -> None:
    assert code_of(lambda: limit(client, **asked)) == code
    assert spot.ledger()["orders"] == []


@pytest.mark.row("P8")
def test_an_id_is_taken_while_its_order_is_open_only(client: Client) -> None:
    limit(client, newClientOrderId="mine")
    assert code_of(lambda: limit(client, newClientOrderId="mine")) == -2010
    told = client.cancel_order(symbol="BTCUSDT", origClientOrderId="mine")
    assert told["origClientOrderId"] == "mine"
    assert told["clientOrderId"] != "mine"
    assert limit(client, newClientOrderId="mine")["status"] == "NEW"
    assert code_of(lambda: client.cancel_order(symbol="BTCUSDT", origClientOrderId="other")) == -2011
    assert code_of(lambda: client.get_order(symbol="BTCUSDT", origClientOrderId="other")) == -2013


def test_answers_are_as_full_as_asked_for(client: Client) -> None:
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
    full = client.create_order(**market)
    (fill,) = full["fills"]
    assert (fill["commission"], fill["commissionAsset"], full["cummulativeQuoteQty"]) == (
        "0.00010000", "BTC", "5001.00000000",
    )  # fmt: skip
    assert "fills" not in client.create_order(**market, newOrderRespType="RESULT")
    assert set(client.create_order(**market, newOrderRespType="ACK")) == {
        "symbol", "orderId", "orderListId", "clientOrderId", "transactTime",
    }  # fmt: skip
    spent = client.create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="1000")
    assert spent["executedQty"] == "0.01990000"
    assert client.create_test_order(**market) == {}
    assert len(client.get_all_orders(symbol="BTCUSDT")) == 4


def test_what_ioc_and_market_orders_leave_expires(client: Client, spot: Rig) -> None:
    spot.price("50000", "50010", symbol="BTC/USDT", ask_size="0.02")
    assert limit(client, "50010", timeInForce="IOC")["status"] == "EXPIRED"
    assert limit(client, "50010", timeInForce="FOK")["status"] == "EXPIRED"
    assert client.get_my_trades(symbol="BTCUSDT")[0]["qty"] == "0.02000000"


def test_cancel_and_replace_cancels_first(client: Client, spot: Rig) -> None:
    def swap(order: dict[str, Any], price: str, mode: str = "STOP_ON_FAILURE") -> dict[str, Any]:
        told: dict[str, Any] = client.cancel_replace_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price=price,
            cancelReplaceMode=mode, cancelOrderId=order["orderId"],
        )  # fmt: skip
        return told

    first = limit(client)
    told = swap(first, "48000")
    assert (told["cancelResult"], told["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    second = told["newOrderResponse"]
    assert code_of(lambda: swap(first, "47000")) == -2022
    assert code_of(lambda: swap(first, "47000", "ALLOW_FAILURE")) == -2021
    with pytest.raises(BinanceAPIException) as caught:
        swap(second, "47000.001")
    assert (caught.value.status_code, caught.value.code) == (409, -2021)
    assert [row["price"] for row in client.get_open_orders()] == ["47000.00000000"]


@pytest.mark.row("I2")
def test_an_oco_and_what_it_refuses(client: Client, spot: Rig) -> None:
    client.create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")

    def oco(target: str, stop: str, **more: Any) -> dict[str, Any]:
        params = {
            "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.999", "aboveType": "LIMIT_MAKER", "abovePrice": target,
            "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": stop, "belowPrice": stop, "belowTimeInForce": "GTC",
            "listClientOrderId": "both", "aboveClientOrderId": "up", "belowClientOrderId": "down",
        }  # fmt: skip
        told: dict[str, Any] = client.create_oco_order(**params | more)
        return told

    assert code_of(lambda: oco("49000", "45000")) == -2010
    assert code_of(lambda: oco("60000", "51000")) == -2010
    told = oco("60000", "45000")
    assert [each["clientOrderId"] for each in told["orders"]] == ["up", "down"]
    assert code_of(lambda: oco("60000", "45000", aboveClientOrderId="other")) == -2010
    assert client.v3_get_order_list(origClientOrderId="both")["listOrderStatus"] == "EXECUTING"
    spot.price("44000", "44010", symbol="BTC/USDT", last="45000")  # wakes the stop up below its limit
    up, down = (client.get_order(symbol="BTCUSDT", origClientOrderId=name) for name in ("up", "down"))
    assert (up["status"], down["status"], down["isWorking"]) == ("EXPIRED", "NEW", True)
    client.cancel_order(symbol="BTCUSDT", origClientOrderId="down")
    assert client.v3_get_order_list(origClientOrderId="both")["listOrderStatus"] == "ALL_DONE"


def test_no_more_stops_rest_at_a_pair_than_it_allows(client: Client) -> None:
    stop = {"type": "STOP_LOSS", "timeInForce": None, "price": None, "stopPrice": "60000", "quantity": "0.001"}
    for _ in range(5):
        limit(client, **stop)
    assert code_of(lambda: limit(client, **stop)) == -1013
    assert len(client._delete("openOrders", True, data={"symbol": "BTCUSDT"})) == 5
    assert client.get_open_orders() == []


# --- lists and prices -------------------------------------------------------------------------------------------------


def test_pairs_and_prices(client: Client, spot: Rig) -> None:
    assert [pair["symbol"] for pair in client.get_exchange_info()["symbols"]] == ["BTCUSDT", "SIM-ALPHA"]
    info = client.get_symbol_info("BTCUSDT")
    assert info["filters"][0] == {
        "filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01",
    }  # fmt: skip
    assert client.get_symbol_ticker(symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "50000.00000000"}
    assert len(client.get_symbol_ticker(symbols='["BTCUSDT","SIM-ALPHA"]')) == 2
    assert client.get_avg_price(symbol="SIM-ALPHA")["price"] == "99.99000000"
    assert code_of(lambda: client.get_symbol_ticker(symbols='["BTCUSDT","NOPE"]')) == -1121
    assert code_of(lambda: client.get_symbol_ticker(symbols="BTCUSDT")) == -1100


def test_a_made_up_stock_trades_as_a_pair_of_its_own_name_and_is_never_sold_short(client: Client) -> None:
    told = client.create_order(symbol="SIM-ALPHA", side="BUY", type="MARKET", quantity="10")
    assert told["status"] == "FILLED"
    assert {row["asset"]: row["free"] for row in client.get_account()["balances"]}["SIM-ALPHA"] == "10.00000000"
    sale = {"symbol": "SIM-ALPHA", "side": "SELL", "type": "MARKET"}
    assert code_of(lambda: client.create_order(**sale, quantity="11")) == -2010
    client.create_order(**sale, quantity="10")


def test_lists_page_by_id_and_by_time(client: Client) -> None:
    for _ in range(4):
        client.create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
    trades = client.get_my_trades(symbol="BTCUSDT")
    ids = [row["id"] for row in trades]
    assert ids == sorted(ids)
    rest = client.get_my_trades(symbol="BTCUSDT", fromId=ids[2])
    assert [row["id"] for row in rest] == ids[2:]
    assert len(client.get_my_trades(symbol="BTCUSDT", startTime=trades[0]["time"], limit=2)) == 2
    assert client.get_my_trades(symbol="BTCUSDT", startTime=trades[0]["time"] - 3 * 86_400_000) == []
    orders = client.get_all_orders(symbol="BTCUSDT")
    assert client.get_all_orders(symbol="BTCUSDT", orderId=orders[3]["orderId"]) == orders[3:]
    assert client.get_my_trades(symbol="BTCUSDT", orderId=orders[1]["orderId"])[0]["orderId"] == orders[1]["orderId"]


# --- the account's stream ---------------------------------------------------------------------------------------------


@pytest.mark.row("G6")
def test_the_stream_needs_a_signature_and_tells_what_happens(client: Client, spot: Rig) -> None:
    def ask(method: str, **params: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": method, "method": method, "params": params}))
        told: dict[str, Any] = json.loads(socket.recv(timeout=5))
        return told

    with connect(f"ws://{spot.address}/ws-api/v3") as socket:
        assert ask("ping")["result"] == {}
        assert abs(ask("time")["result"]["serverTime"] - time.time() * 1_000) < 5_000
        assert ask("order.unknown")["status"] == 400
        socket.send("no json")
        assert json.loads(socket.recv(timeout=5))["error"]["code"] == -1135
        subscribe = "userDataStream.subscribe.signature"
        now = int(time.time() * 1_000)
        assert ask(subscribe, apiKey=KEY, timestamp=now, signature="0" * 64)["error"]["code"] == -1022
        payload = f"apiKey={KEY}&timestamp={now}"
        signature = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
        assert ask(subscribe, timestamp=now, apiKey=KEY, signature=signature)["result"] == {"subscriptionId": 0}
        limit(client, newClientOrderId="mine", price="50010")
        events = [json.loads(socket.recv(timeout=5))["event"] for _ in range(4)]
        taken, _, filled, position = events
        assert (taken["x"], taken["X"], taken["c"], taken["C"]) == ("NEW", "NEW", "mine", "")
        assert (filled["x"], filled["X"], filled["l"], filled["n"], filled["N"]) == (
            "TRADE", "FILLED", "0.10000000", "0.00010000", "BTC",
        )  # fmt: skip
        assert position["e"] == "outboundAccountPosition"
        assert {row["a"]: row["f"] for row in position["B"]} == {"BTC": "0.09990000", "USDT": "94999.00000000"}
        assert ask("userDataStream.unsubscribe")["status"] == 200
        limit(client)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.3)
