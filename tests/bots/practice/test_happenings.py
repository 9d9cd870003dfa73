"""What happens to an account beside its own orders: halts, dividends, splits, orders by hand; and requests that are no
requests."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
import websockets.sync.client as websocket
from alpaca.trading.requests import ReplaceOrderRequest

from bots.practice.orders import Instrument
from bots.practice.server import Venue
from tests.bots.practice.conftest import KEY, SECRET, Rig
from tests.bots.practice.test_trading import limit, market

HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
ORDER = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}


def ask(rig: Rig, method: str, path: str, **more: Any) -> httpx.Response:
    return httpx.request(method, f"http://{rig.address}{path}", headers=HEADERS, **more)


def states(rig: Rig) -> list[str]:
    return [row["status"] for row in rig.ledger()["orders"]]


def test_orders_rest_while_a_symbol_is_halted_and_meet_the_price_at_which_it_goes_on(rig: Rig) -> None:
    client = rig.client()
    client.submit_order(market(20))
    target = client.submit_order(limit(10, 120, side="sell"))
    rig.control("halts", symbol="AAPL", halted=True)
    client.submit_order(market(5, side="sell"))
    ioc = ask(rig, "POST", "/v2/orders", json=ORDER | {"time_in_force": "ioc", "side": "sell"}).json()
    client.replace_order_by_id(target.id, ReplaceOrderRequest(limit_price=95))  # would fill at once
    rig.price("80", "80.02", "80")
    assert states(rig) == ["filled", "replaced", "accepted", "canceled", "new"]
    assert client.get_order_by_id(ioc["id"]).status == "canceled"
    rig.control("halts", symbol="AAPL", halted=False)
    assert states(rig) == ["filled", "replaced", "filled", "canceled", "new"]
    assert rig.ledger()["executions"][-1]["price"] == "80"
    rig.price("95", "95.02", "95")
    assert states(rig)[-1] == "filled"
    assert httpx.post(f"http://{rig.address}/practice/halts", json={"symbol": "X", "halted": True}).status_code == 409


def test_nothing_is_made_up_of_what_is_halted() -> None:
    venue = Venue([Instrument("SIM-A"), Instrument("SIM-B")], always_open=True)
    heard: list[str] = []
    venue.market.listen(lambda trade: heard.append(trade.symbol))
    venue.exchange.halt("SIM-A", True)
    now = venue.now_ns()
    venue.market.go_on(now + 5 * 10**9)
    assert set(heard) == {"SIM-B"}
    venue.exchange.halt("SIM-A", False)
    venue.market.go_on(now + 10 * 10**9)
    assert set(heard) == {"SIM-A", "SIM-B"}


def test_the_data_stream_says_what_is_halted(rig: Rig) -> None:
    with websocket.connect(f"ws://{rig.address}/v2/iex") as stream:
        for message in (
            {"action": "auth", "key": KEY, "secret": SECRET},
            {"action": "subscribe", "statuses": ["AAPL"]},
        ):
            stream.send(json.dumps(message))
        told = [json.loads(stream.recv(timeout=10))[0]["T"] for _ in range(3)]
        assert told == ["success", "success", "subscription"]
        for halted, code, reason in ((True, "H", "LUDP"), (False, "T", "")):
            rig.control("halts", symbol="AAPL", halted=halted)
            (status,) = json.loads(stream.recv(timeout=10))
            assert (status["T"], status["S"], status["sc"], status["rc"]) == ("s", "AAPL", code, reason)


def test_dividends_pay_who_is_long_and_charge_who_is_short(rig: Rig) -> None:
    httpx.post(f"http://{rig.address}/practice/accounts", json={"key": "OTHER", "secret": "S", "cash": 1_000})
    client = rig.client()
    client.submit_order(market(10))
    cash = Decimal(rig.ledger()["cash"])
    assert rig.control("dividends", symbol="AAPL", amount="0.24") == {"accounts": 1}
    assert Decimal(rig.ledger()["cash"]) == cash + Decimal("2.40")
    client.submit_order(market(10, side="sell"))
    client.submit_order(market(4, side="sell"))
    cash = Decimal(rig.ledger()["cash"])
    rig.control("dividends", symbol="AAPL", amount="1")
    assert Decimal(rig.ledger()["cash"]) == cash - 4
    (paid, got) = ask(rig, "GET", "/v2/account/activities", params={"activity_types": "DIV"}).json()
    assert (paid["net_amount"], paid["qty"], paid["per_share_amount"]) == ("-4", "-4", "1")
    assert (got["net_amount"], got["symbol"], got["activity_type"]) == ("2.4", "AAPL", "DIV")


def test_somebody_orders_by_hand_on_the_same_account(rig: Rig) -> None:
    order = rig.control("orders", key=KEY, **ORDER | {"qty": "7"})
    assert (order["status"], order["filled_qty"]) == ("filled", "7")
    assert rig.client().get_all_positions()[0].qty == "7"
    refused = httpx.post(f"http://{rig.address}/practice/orders", json={"key": KEY, **ORDER, "qty": "1e9"})
    assert (refused.status_code, refused.json()["message"]) == (409, "insufficient buying power")
    assert httpx.post(f"http://{rig.address}/practice/orders", json={"key": "nobody", **ORDER}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v2/orders?limit=many", {}, 422),
        ("GET", "/v2/orders?limit=-5", {}, 422),
        ("GET", "/v2/orders?limit=0", {}, 422),
        ("GET", "/v2/orders?limit=²", {}, 422),
        ("GET", "/v2/orders?after=yesterday", {}, 422),
        ("GET", "/v2/orders?until=%ff", {}, 422),
        ("GET", "/v2/account/activities?page_size=x", {}, 422),
        ("GET", "/v2/calendar?start=soon", {}, 422),
        ("GET", "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=x", {}, 400),
        ("DELETE", "/v2/positions/AAPL?percentage=half", {}, 422),
        ("POST", "/v2/orders", {"content": b"{"}, 400),
        ("POST", "/v2/orders", {"content": b"[]"}, 400),
        ("POST", "/v2/orders", {"content": b"\xff"}, 400),
        ("POST", "/v2/orders", {"content": b"[" * 100_000}, 400),
        ("POST", "/v2/orders", {"json": ORDER | {"qty": "1e999999"}}, 422),
        ("POST", "/v2/orders", {"json": ORDER | {"qty": "1e-30"}}, 422),
        ("POST", "/v2/orders", {"json": ORDER | {"qty": [1]}}, 422),
        ("POST", "/v2/orders", {"json": ORDER | {"qty": True}}, 422),
        ("POST", "/v2/orders", {"json": ORDER | {"type": ["market"]}}, 422),
        ("POST", "/v2/orders", {"json": ORDER | {"take_profit": "105", "order_class": "oto"}}, 422),
        ("POST", "/v2/orders", {"json": ORDER | {"client_order_id": 7}}, 422),
        ("PATCH", "/v2/orders/{id}", {"content": b"{"}, 400),
        ("PATCH", "/v2/orders/{id}", {"json": ["qty"]}, 400),
        ("PATCH", "/v2/orders/{id}", {"json": {"qty": "two"}}, 422),
        ("PATCH", "/v2/orders/{id}", {"json": {"time_in_force": "soon"}}, 422),
        ("PATCH", "/v2/orders/{id}", {"json": {"client_order_id": "x" * 99}}, 422),
    ],
)
def test_what_is_no_request_is_told_as_the_broker_tells_it(
    rig: Rig, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    order = rig.client().submit_order(limit(1, 90))
    if "AAPL?" in path:
        rig.client().submit_order(market(1))
    before = rig.ledger()
    answer = ask(rig, method, path.replace("{id}", str(order.id)), **more)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert answer.json()["code"] >= 40_010_000
    assert rig.ledger() == before


def test_the_control_address_tells_what_it_does_not_take(rig: Rig) -> None:
    for name, body in (
        ("splits", {"symbol": "AAPL", "new": 0, "old": 1}),
        ("splits", {"symbol": "AAPL", "new": 2, "old": "x"}),
        ("dividends", {"symbol": "AAPL", "amount": "nan"}),
        ("transfers", {"key": KEY, "amount": "inf"}),
        ("orders", ["key"]),
    ):
        answer = httpx.post(f"http://{rig.address}/practice/{name}", json=body)
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["message"]


@pytest.mark.parametrize("text", ["[]", '"auth"', '{"action": "auth", "data": []}', "[" * 5_000, "{", "null"])
def test_a_stream_that_hears_nonsense_goes_on_listening(rig: Rig, text: str) -> None:
    with websocket.connect(f"ws://{rig.address}/stream") as stream:
        stream.send(text)
        stream.send(json.dumps({"action": "auth", "key": KEY, "secret": SECRET}))
        told = [stream.recv(timeout=10)]
        while b'"authorized"' not in told[-1]:
            told.append(stream.recv(timeout=10))
        assert len(told) <= 2
