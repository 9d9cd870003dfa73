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


@pytest.mark.row("W17")
@pytest.mark.fault(33)
def test_a_split_moves_prices_and_orders_at_one_instant(rig: Rig) -> None:
    """Nothing that rests meets a price of the other units: neither a stop at a reverse split, nor a target at a forward
    one, nor a trailing stop's peak."""
    client = rig.client()
    client.submit_order(market(30))
    resting = [
        ask(rig, "POST", "/v2/orders", json=ORDER | {"side": "sell", "time_in_force": "gtc", "qty": "10"} | more).json()
        for more in (
            {"type": "stop", "stop_price": "95"},
            {"type": "limit", "limit_price": "108"},
            {"type": "trailing_stop", "trail_price": "4"},
        )
    ]
    rig.price("101.99", "102.01", "102")  # the peak
    for new, old, units, halted in ((1, 5, 6, True), (10, 1, 60, False), (1, 3, 20, False)):
        rig.control("halts", symbol="AAPL", halted=halted)
        rig.control("splits", symbol="AAPL", new=new, old=old)
        rig.control("halts", symbol="AAPL", halted=False)  # what rests meets the quote
        quote = rig.venue.exchange.quotes["AAPL"]
        rig.price(str(quote.bid), str(quote.ask), str(quote.last))
        assert rig.ledger()["positions"] == {"AAPL": str(units)}
    assert quote.last == 153
    stop, target, trailing = (rig.account.orders[order["id"]] for order in resting)
    assert [stop.stop_px, target.limit_px, trailing.peak] == [Decimal("142.5"), Decimal(162), Decimal(153)]
    rig.price("146.98", "147.02", "147")  # 6 below the peak
    assert (trailing.status, stop.status, target.status) == ("filled", "new", "new")


@pytest.mark.row("W17")
def test_a_part_of_a_unit_is_paid_in_money_where_that_is_asked_for(rig: Rig) -> None:
    client = rig.client()
    client.submit_order(market(17))
    whole = client.submit_order(limit(14, 120, side="sell"))
    part = client.submit_order(limit(3, 121, side="sell"))
    cash = Decimal(rig.ledger()["cash"])
    rig.control("splits", symbol="AAPL", new=1, old=10, in_lieu=True)
    ledger = rig.ledger()
    assert ledger["positions"] == {"AAPL": "1"}
    assert Decimal(ledger["cash"]) == cash + Decimal("0.7") * 1000
    shown = {order["id"]: (order["status"], order["qty"], order["limit_price"]) for order in ledger["orders"]}
    assert shown[str(whole.id)] == ("new", "1", "1200")
    assert shown[str(part.id)][0] == "canceled"
    (activity,) = ask(rig, "GET", "/v2/account/activities", params={"activity_types": "SPLIT"}).json()
    assert (activity["net_amount"], activity["qty"]) == ("700", "-16")


@pytest.mark.row("W17")
def test_made_up_prices_follow_a_split_and_bars_stay_as_they_were_traded() -> None:
    venue, like = (Venue([Instrument("SIM-A")], always_open=True) for _ in range(2))
    like.clock = venue.clock
    venue.exchange.split("SIM-A", 4, 1)
    ((at, ratio),) = venue.market._splits("SIM-A")
    minute = 60 * 10**9
    after = venue.now_ns() + 5 * minute
    for each in (venue, like):
        each.market.go_on(after)
    quotes = venue.exchange.quotes["SIM-A"], like.exchange.quotes["SIM-A"]
    assert abs(quotes[0].last * 4 - quotes[1].last) <= Decimal("0.02")
    bars = [each.market.bars("SIM-A", "1m", at - 5 * minute, after) for each in (venue, like)]
    old = bars[0].ts + minute <= at
    assert old.any()
    assert not old.all()
    assert (bars[0].close[old] == bars[1].close[old]).all()
    assert abs(bars[0].close[~old] * ratio - bars[1].close[~old]).max() <= 0.021
    assert (bars[0].volume[~old] == bars[1].volume[~old] * 4).all()


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
