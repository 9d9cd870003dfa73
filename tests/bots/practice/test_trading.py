"""Orders over the wire: alpaca-py, unchanged, against the practice venue. What the venue's ledger says is the truth."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from tests.bots.practice.conftest import KEY, SECRET, Rig


def market(qty: float, side: OrderSide = OrderSide.BUY, **more: object) -> MarketOrderRequest:
    given = {"symbol": "AAPL", "qty": qty, "side": side, "time_in_force": TimeInForce.DAY, **more}
    return MarketOrderRequest(**given)


def limit(qty: float, px: float, side: OrderSide = OrderSide.BUY, **more: object) -> LimitOrderRequest:
    given = {"symbol": "AAPL", "qty": qty, "side": side, "time_in_force": TimeInForce.GTC, "limit_price": px, **more}
    return LimitOrderRequest(**given)


def refused(error: pytest.ExceptionInfo[APIError]) -> tuple[int, int]:
    return error.value.status_code, error.value.code


def test_a_market_order_takes_the_ask_and_moves_cash_and_position(rig: Rig) -> None:
    client = rig.client()
    sent = client.submit_order(market(10, client_order_id="one"))
    assert (sent.status, sent.client_order_id) == (OrderStatus.FILLED, "one")
    assert (sent.filled_qty, sent.filled_avg_price) == ("10", "100.01")
    [held] = client.get_all_positions()
    assert (held.symbol, held.qty, held.avg_entry_price, held.current_price) == ("AAPL", "10", "100.01", "100")
    account = client.get_account()
    assert Decimal(account.cash) == Decimal("98999.90")
    assert Decimal(account.equity) == Decimal("99999.90")
    assert client.get_order_by_client_id("one").id == sent.id
    [fill] = client.get("/account/activities/FILL", {})
    assert (fill["order_id"], fill["price"], fill["cum_qty"], fill["leaves_qty"]) == (str(sent.id), "100.01", "10", "0")


def test_limit_stop_and_trailing_orders_wait_for_their_price(rig: Rig) -> None:
    client = rig.client()
    low = client.submit_order(limit(10, 99.50))
    assert low.status == OrderStatus.NEW
    rig.price("99.45", "99.50", "99.48")
    assert client.get_order_by_id(low.id).filled_avg_price == "99.5"
    stop = client.submit_order(
        StopOrderRequest(symbol="AAPL", qty=5, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, stop_price=99)
    )
    trail = client.submit_order(
        TrailingStopOrderRequest(
            symbol="AAPL", qty=5, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, trail_price=1
        )
    )
    rig.price("101.99", "102.01", "102")
    assert client.get_order_by_id(trail.id).hwm == "102"
    rig.price("100.98", "101.02", "101")
    done = client.get_order_by_id(trail.id)
    assert (done.status, done.filled_avg_price, done.stop_price) == (OrderStatus.FILLED, "100.98", "101")
    assert client.get_order_by_id(stop.id).status == OrderStatus.NEW
    rig.price("98.50", "98.55", "98.52")
    assert client.get_order_by_id(stop.id).filled_avg_price == "98.5"  # a gap is paid in full


def test_a_brackets_exits_sleep_until_the_entry_is_filled_and_end_each_other(rig: Rig) -> None:
    client = rig.client()
    entry = client.submit_order(
        limit(10, 99, order_class=OrderClass.BRACKET, take_profit=TakeProfitRequest(limit_price=103),
              stop_loss=StopLossRequest(stop_price=97))
    )  # fmt: skip
    assert [leg.status for leg in entry.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    rig.price("98.90", "98.95", "98.92")
    assert rig.ledger()["positions"] == {"AAPL": "10"}

    def legs() -> dict[str, str]:
        return {leg.type.value: leg.status.value for leg in client.get_order_by_id(entry.id).legs}

    assert legs() == {"limit": "new", "stop": "held"}
    rig.price("96.90", "96.95", "96.92")
    states = legs()
    assert states == {"limit": "canceled", "stop": "filled"}
    assert rig.ledger()["positions"] == {}


def test_an_exit_that_fills_in_part_shrinks_its_partner(rig: Rig) -> None:
    client = rig.client()
    client.submit_order(market(10))
    pair = client.submit_order(
        limit(10, 0, OrderSide.SELL, limit_price=None, order_class=OrderClass.OCO,
              take_profit=TakeProfitRequest(limit_price=103), stop_loss=StopLossRequest(stop_price=97))
    )  # fmt: skip
    rig.price("103", "103.02", "103.01", bid_size="4")
    again = client.get_order_by_id(pair.id)
    assert (again.status, again.filled_qty, again.legs[0].qty) == (OrderStatus.PARTIALLY_FILLED, "4", "6")
    client.cancel_order_by_id(again.legs[0].id)
    assert client.get_order_by_id(pair.id).status == OrderStatus.CANCELED
    assert rig.ledger()["positions"] == {"AAPL": "6"}


def test_a_replaced_order_gets_a_new_id_and_keeps_its_place_in_the_chain(rig: Rig) -> None:
    client = rig.client()
    old = client.submit_order(limit(10, 95, client_order_id="old"))
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=100.01, client_order_id="new"))
    assert (str(new.replaces), new.status, new.filled_qty) == (str(old.id), OrderStatus.FILLED, "10")
    before = client.get_order_by_id(old.id)
    assert (before.status, str(before.replaced_by)) == (OrderStatus.REPLACED, str(new.id))
    with pytest.raises(APIError) as error:
        client.replace_order_by_id(new.id, ReplaceOrderRequest(qty=5))
    assert refused(error) == (422, 42210000)


def test_what_the_venue_refuses_and_by_which_code(rig: Rig) -> None:
    client = rig.client()
    cases = [
        (market(2_000), 403, 40310000, "insufficient buying power"),
        (market(1, symbol="NOPE"), 422, 42210000, "asset not found for NOPE"),
        (limit(1, 100.001), 422, 42210000, "invalid price 100.001: the minimum increment is 0.01"),
        (limit(1.5, 100), 422, 42210000, "fractional orders must be DAY orders"),
        (market(0.0001, OrderSide.SELL, symbol="BTC/USD", time_in_force=TimeInForce.GTC), 403, 40310000,
         "insufficient balance"),
    ]  # fmt: skip
    for request, status, code, message in cases:
        with pytest.raises(APIError) as error:
            client.submit_order(request)
        assert (*refused(error), error.value.message) == (status, code, message)
    client.submit_order(market(10, client_order_id="once"))
    with pytest.raises(APIError) as error:
        client.submit_order(market(10, client_order_id="once"))
    assert (*refused(error), error.value.message) == (422, 40010001, "client_order_id must be unique")
    client.submit_order(limit(10, 110, OrderSide.SELL))
    with pytest.raises(APIError) as error:
        client.submit_order(market(1, OrderSide.SELL))
    assert refused(error) == (403, 40310000)
    assert error.value._error.find("held_for_orders") > 0
    with pytest.raises(APIError) as error:
        client.submit_order(market(1))
    assert error.value.message == "potential wash trade detected. use complex orders"
    assert len(rig.ledger()["orders"]) == 2, "what was refused left nothing"


def test_positions_are_closed_once_their_orders_are_out_of_the_way(rig: Rig) -> None:
    client = rig.client()
    client.submit_order(market(10))
    client.submit_order(limit(10, 110, OrderSide.SELL))
    with pytest.raises(APIError) as error:
        client.close_position("AAPL")
    assert refused(error) == (403, 40310000)
    [closed] = client.close_all_positions(cancel_orders=True)
    assert (closed.symbol, closed.status) == ("AAPL", 200)
    client.submit_order(market(10))
    client.close_position("AAPL", ClosePositionRequest(percentage="50"))
    assert rig.ledger()["positions"] == {"AAPL": "5"}


def test_crypto_pays_its_fee_in_coins_and_is_listed_without_a_slash(rig: Rig) -> None:
    client = rig.client()
    client.submit_order(market(1, symbol="BTC/USD", time_in_force=TimeInForce.GTC))
    [held] = client.get_all_positions()
    assert (held.symbol, held.qty) == ("BTCUSD", "0.9975")
    client.close_position("BTCUSD")
    ledger = rig.ledger()
    assert ledger["positions"] == {}
    proceeds = Decimal("0.9975") * 50_000
    assert Decimal(ledger["cash"]) == 100_000 - 50_010 + proceeds * (1 - Decimal("0.0025"))


def test_lists_are_paged_newest_first(rig: Rig) -> None:
    client = rig.client()
    made = [client.submit_order(limit(1, 90 + i)) for i in range(5)]
    first = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, limit=2))
    assert [o.id for o in first] == [made[4].id, made[3].id]
    rest = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, until=first[-1].created_at))
    assert [o.id for o in rest] == [made[2].id, made[1].id, made[0].id]
    client.cancel_orders()
    assert client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN)) == []
    assert len(client.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED))) == 5


def test_nobody_reads_without_a_key_and_unknown_ids_are_told(rig: Rig) -> None:
    assert httpx.get(f"http://{rig.address}/v2/account").status_code == 401
    client = rig.client()
    with pytest.raises(APIError) as error:
        client.get_order_by_client_id("nothing")
    assert refused(error) == (404, 40410000)
    answer = httpx.post(
        f"http://{rig.address}/v2/orders", content=b"{", headers={"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)
