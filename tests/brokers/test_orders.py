"""Each kind of order, each time in force, each class; and what is refused, by which word."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bots.brokers.base import OrderRequest, Refused
from bots.orders import OrderState
from tests.brokers.rigs import CASH, D, Rig

pytestmark = pytest.mark.row("I11", "P8")


def refusal(rig: Rig, request: OrderRequest) -> Refused:
    """What the venue says to it; nothing has happened then."""
    before = len(rig.account.orders)
    with pytest.raises(Refused) as error:
        rig.broker.submit(request)
    assert len(rig.account.orders) == before
    return error.value


def state(rig: Rig, request: OrderRequest) -> tuple[OrderState, Decimal]:
    found = rig.broker.find(request.client_order_id, request.symbol)
    assert found is not None
    return found.state, found.filled


# --- kinds --------------------------------------------------------------------------------------------------------


def test_a_market_order_takes_the_quote(rig: Rig) -> None:
    request = rig.request("10")
    order = rig.broker.submit(request)
    assert order.client_order_id == request.client_order_id
    assert (order.symbol, order.side, order.kind, order.qty) == (rig.symbol, "BUY", "market", 10)
    found = rig.broker.find(request.client_order_id, rig.symbol)
    assert found is not None
    assert (found.state, found.filled, found.avg_px) == (OrderState.FILLED, 10, D("100.01"))
    rig.broker.submit(rig.request("4", "SELL"))
    assert rig.executed() == 6


def test_a_limit_order_rests_until_its_price_comes(rig: Rig) -> None:
    request = rig.limit("10", "99.50")
    order = rig.broker.submit(request)
    assert (order.state, order.limit_px, order.filled) == (OrderState.ACCEPTED, D("99.50"), 0)
    rig.price("99.40", "99.45", "99.42")
    assert state(rig, request) == (OrderState.FILLED, 10)
    found = rig.broker.find(request.client_order_id, rig.symbol)
    assert found is not None
    assert found.avg_px is not None
    assert found.avg_px <= D("99.50")


def test_a_limit_order_that_the_market_has_passed_fills_at_once(rig: Rig) -> None:
    request = rig.limit("10", "100.50")
    rig.broker.submit(request)
    assert state(rig, request) == (OrderState.FILLED, 10)
    assert rig.account.cash == CASH - 10 * D("100.01")


@pytest.mark.row("I1")
def test_a_stop_sleeps_until_the_trade_and_pays_the_gap(rig: Rig) -> None:
    rig.broker.submit(rig.request("10"))
    request = rig.request("5", "SELL", "stop", stop_px="98", time_in_force=rig.gtc)
    if "stop" not in rig.kinds:
        assert refusal(rig, request).code == "invalid"
        return
    assert rig.broker.submit(request).stop_px == 98
    rig.price("98.50", "98.55", "98.52")
    assert state(rig, request) == (OrderState.ACCEPTED, 0)
    rig.price("97.10", "97.20", "97.15")
    assert state(rig, request) == (OrderState.FILLED, 5)
    assert rig.executed() == 5


@pytest.mark.row("I1")
def test_a_stop_limit_wakes_up_and_keeps_its_limit(rig: Rig) -> None:
    rig.broker.submit(rig.request("10"))
    request = rig.request("5", "SELL", "stop_limit", stop_px="98", limit_px="97.50", time_in_force=rig.gtc)
    order = rig.broker.submit(request)
    assert (order.stop_px, order.limit_px) == (98, D("97.50"))
    rig.price("97.00", "97.10", "97.05")
    assert state(rig, request)[1] == 0, "the gap is below its limit"
    rig.price("97.60", "97.70", "97.65")
    assert state(rig, request) == (OrderState.FILLED, 5)


@pytest.mark.row("I1")
@pytest.mark.parametrize("trail", [{"trail_px": "1"}, {"trail_pct": "1"}], ids=["money", "percent"])
def test_a_trailing_stop_follows_the_peak(rig: Rig, trail: dict[str, str]) -> None:
    rig.broker.submit(rig.request("10"))
    request = rig.request("5", "SELL", "trailing_stop", time_in_force=rig.gtc, **trail)
    if "trailing_stop" not in rig.kinds:
        assert refusal(rig, request).code == "invalid"
        return
    rig.broker.submit(request)
    rig.price("101.95", "102.05", "102")
    assert state(rig, request)[1] == 0
    rig.price("100.90", "100.95", "100.95")
    assert state(rig, request) == (OrderState.FILLED, 5)


# --- time in force ------------------------------------------------------------------------------------------------


@pytest.mark.row("I4")
@pytest.mark.parametrize("tif", ["day", "gtc", "ioc", "fok", "opg", "cls"])
def test_each_time_in_force_is_taken_or_refused(rig: Rig, tif: str) -> None:
    request = rig.limit("10", "99", time_in_force=tif)
    if tif not in rig.tifs:
        assert refusal(rig, request).code == "invalid"
        return
    rig.broker.submit(request)
    rests = tif in ("day", "gtc", "opg", "cls")
    assert state(rig, request)[0] is (OrderState.ACCEPTED if rests else rig.ended)


@pytest.mark.row("I4")
@pytest.mark.parametrize(("tif", "filled"), [("ioc", 4), ("fok", 0)])
def test_what_cannot_be_had_at_once(rig: Rig, tif: str, filled: int) -> None:
    """IOC takes what there is and drops the rest, FOK takes all or nothing."""
    if tif not in rig.tifs:
        assert refusal(rig, rig.limit("10", "101", time_in_force=tif)).code == "invalid"
        return
    rig.price("99.99", "100.01", "100", ask_size="4")
    request = rig.limit("10", "101", time_in_force=tif)
    rig.broker.submit(request)
    assert state(rig, request) == (rig.ended, filled)
    assert rig.executed() == filled


# --- classes ------------------------------------------------------------------------------------------------------


def grouped(rig: Rig, order_class: str, **more: Any) -> OrderRequest:
    side = "SELL" if order_class == "oco" else "BUY"
    qty = rig.net("10").quantize(rig.lot, "ROUND_DOWN") if order_class == "oco" else D(10)
    return rig.limit(str(qty), "100.01", side, order_class=order_class, **more)


@pytest.mark.row("I3")
def test_a_bracket_brings_its_exits(rig: Rig) -> None:
    request = grouped(rig, "bracket", take_profit="105", stop_loss="95")
    if "bracket" not in rig.classes:
        assert refusal(rig, request).code == "invalid"
        return
    order = rig.broker.submit(request)
    assert {(leg.kind, leg.limit_px or leg.stop_px) for leg in order.legs} == {("limit", D(105)), ("stop", D(95))}
    known = rig.broker.find(request.client_order_id, rig.symbol)
    assert known is not None
    assert {leg.broker_order_id for leg in known.legs} == {leg.broker_order_id for leg in order.legs}
    rig.price("94.90", "94.95", "94.92")
    assert rig.executed() == 0
    found = rig.broker.order(order.broker_order_id, rig.symbol)
    assert found is not None
    assert {leg.kind: leg.state for leg in found.legs} == {"limit": OrderState.CANCELED, "stop": OrderState.FILLED}


@pytest.mark.row("I2")
def test_one_exit_of_an_oco_ends_the_other(rig: Rig) -> None:
    rig.broker.submit(rig.request("10"))
    request = grouped(rig, "oco", limit_px=None, take_profit="105", stop_loss="95")
    if "oco" not in rig.classes:
        assert refusal(rig, request).code == "invalid"
        return
    order = rig.broker.submit(request)
    [stop] = order.legs
    assert (order.limit_px, stop.stop_px) == (105, 95)
    rig.price("105.10", "105.20", "105.15")
    found = rig.broker.order(order.broker_order_id, rig.symbol)
    assert found is not None
    assert (found.state, found.legs[0].state) == (OrderState.FILLED, rig.ended)
    assert rig.executed() == 10 - request.qty


@pytest.mark.row("I3")
def test_an_oto_brings_one_exit(rig: Rig) -> None:
    request = grouped(rig, "oto", stop_loss="95", stop_loss_limit="94.50")
    if "oto" not in rig.classes:
        assert refusal(rig, request).code == "invalid"
        return
    order = rig.broker.submit(request)
    [stop] = order.legs
    assert (stop.kind, stop.stop_px, stop.limit_px) == ("stop_limit", 95, D("94.50"))


def test_exits_on_the_wrong_side_are_refused(rig: Rig) -> None:
    request = grouped(rig, "bracket", take_profit="99", stop_loss="95")
    assert refusal(rig, request).code == ("bracket_price" if "bracket" in rig.classes else "invalid")


# --- figures ------------------------------------------------------------------------------------------------------


def test_the_smallest_quantity_arrives_exactly(rig: Rig) -> None:
    """Through a float, 1.123456789 units would be another number at the venue."""
    qty = D("1.123456789").quantize(rig.lot)
    order = rig.broker.submit(rig.request(str(qty)))
    assert order.qty == qty
    assert rig.executed() == qty


@pytest.mark.parametrize("px", ["99.07", "20.29", "64.35"])
def test_a_price_arrives_exactly(rig: Rig, px: str) -> None:
    order = rig.broker.submit(rig.limit("50", px))
    assert order.limit_px == D(px)
    [row] = rig.account.working()
    assert row.limit_px == D(px)


def test_a_price_between_two_steps_is_refused(rig: Rig) -> None:
    assert refusal(rig, rig.limit("10", "99.005")).code == "price_step"


def test_more_than_the_account_can_pay_is_refused_with_the_figures(rig: Rig) -> None:
    error = refusal(rig, rig.request("2000"))
    assert error.code == "buying_power"
    assert error.message


def test_more_than_is_held_is_refused(rig: Rig) -> None:
    rig.broker.submit(rig.request("10"))
    assert refusal(rig, rig.request("11", "SELL")).code == "insufficient_qty"


def test_units_that_an_exit_holds_are_not_sold_twice(rig: Rig) -> None:
    rig.broker.submit(rig.request("10"))
    held = rig.net("10").quantize(rig.lot, "ROUND_DOWN")
    rig.broker.submit(rig.limit(str(held), "110", "SELL"))
    assert refusal(rig, rig.request("5", "SELL")).code == "insufficient_qty"


def test_no_quantity_is_refused(rig: Rig) -> None:
    assert refusal(rig, rig.request("0")).code in ("invalid", "min_notional", "lot_step")


def test_a_symbol_that_is_not_listed_is_refused(rig: Rig) -> None:
    assert refusal(rig, rig.request("1", symbol="NOPE/USD" if "/" in rig.symbol else "NOPE")).code == "no_asset"


def test_an_order_against_ones_own_is_refused_where_the_venue_has_that_rule(rig: Rig) -> None:
    """Alpaca's wash rule; elsewhere both may rest."""
    rig.broker.submit(rig.request("10"))
    rig.broker.submit(rig.limit("5", "100.30", "SELL"))
    request = rig.limit("5", "100.40")
    if rig.broker.capabilities.ids_stay_used:
        assert refusal(rig, request).code == "wash_trade"
    else:
        assert rig.broker.submit(request).client_order_id == request.client_order_id


# --- ids ----------------------------------------------------------------------------------------------------------


def test_our_id_comes_back_as_it_was_sent_and_finds_the_order(rig: Rig) -> None:
    request = rig.limit("1", "90", client_order_id="p0000zz9-000000000042")
    sent = rig.broker.submit(request)
    assert sent.client_order_id == request.client_order_id
    found = rig.broker.find(request.client_order_id, rig.symbol)
    assert found is not None
    assert found.broker_order_id == sent.broker_order_id
    again = rig.broker.order(sent.broker_order_id, rig.symbol)
    assert again is not None
    assert again.client_order_id == request.client_order_id


def test_an_id_that_was_never_sent_is_not_found(rig: Rig) -> None:
    assert rig.broker.find("p0000zz9-000000000043", rig.symbol) is None


def test_an_id_that_works_is_refused_a_second_time(rig: Rig) -> None:
    request = rig.limit("1", "90")
    rig.broker.submit(request)
    assert refusal(rig, request).code == "duplicate_client_id"
    assert rig.sent(request.client_order_id) == 1


def test_whether_an_id_stays_used_is_as_the_adapter_says(rig: Rig) -> None:
    """The rule on which every proof of an order rests."""
    request = rig.request("1")
    rig.broker.submit(request)
    if rig.broker.capabilities.ids_stay_used:
        assert refusal(rig, request).code == "duplicate_client_id"
        assert rig.executed() == 1
    else:
        rig.broker.submit(request)
        assert rig.executed() == 2
