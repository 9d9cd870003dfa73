"""Orders at Binance, and what it refuses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bots.brokers.base import BrokerOrder, Refused
from bots.orders import OrderState
from tests.brokers.binance.rig import Rig


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
