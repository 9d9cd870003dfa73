"""Balances, fees, rules and keys of an account at Binance."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from bots.brokers.base import Refused, Unauthorised
from bots.brokers.registry import open_adapter
from bots.orders import OrderState
from tests.brokers.binance.rig import KEY, SECRET, Rig


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
