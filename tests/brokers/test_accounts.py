"""Accounts: keys, money, positions, rules. See `rigs` for what they run on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bots.brokers.base import Refused, Unauthorised
from tests.brokers.rigs import CASH, D, Rig

pytestmark = pytest.mark.row("I11", "P8")


def test_keys_tell_what_they_are_good_for(rig: Rig) -> None:
    facts = rig.broker.check_keys()
    assert facts.account_number
    assert (facts.currency, facts.is_real_money, facts.may_trade) == ("USD", False, True)
    assert facts.may_withdraw in (None, False)


def test_wrong_keys_are_unauthorised_whatever_is_asked(rig: Rig) -> None:
    stranger = rig.another(secret="wrong")
    for ask in (
        stranger.check_keys, stranger.money, stranger.positions, stranger.open_orders,
        lambda: stranger.submit(rig.request("1")), lambda: stranger.find("x", rig.symbol),
    ):  # fmt: skip
        with pytest.raises(Unauthorised, match="keys"):
            ask()
    assert rig.position() == 0


def test_keys_revoked_on_the_way_are_unauthorised_from_then_on(rig: Rig) -> None:
    rig.broker.submit(rig.request("1"))
    rig.revoke()
    request = rig.request("1")
    for _ in range(2):
        with pytest.raises(Unauthorised):
            rig.broker.submit(request)
        with pytest.raises(Unauthorised):
            rig.broker.money()
    assert rig.executed() == 1


def test_a_blocked_account_says_so_and_takes_no_order(rig: Rig) -> None:
    rig.account.is_blocked = True
    assert rig.broker.check_keys().may_trade is False
    assert rig.broker.money().is_blocked is True
    with pytest.raises(Refused) as error:
        rig.broker.submit(rig.request("1"))
    assert error.value.code == "account_blocked"


def test_money_is_exact_after_a_trade(rig: Rig) -> None:
    before = rig.broker.money()
    assert (before.cash, before.equity, before.buying_power) == (CASH, CASH, CASH)
    rig.broker.submit(rig.request("10"))
    after = rig.broker.money()
    assert after.cash == CASH - 10 * D("100.01")
    assert after.equity == after.cash + rig.net("10") * 100
    assert isinstance(after.cash, Decimal)


def test_an_open_purchase_takes_buying_power_and_leaves_cash(rig: Rig) -> None:
    rig.broker.submit(rig.limit("10", "90"))
    money = rig.broker.money()
    assert (money.cash, money.buying_power) == (CASH, CASH - 900)


def test_positions_are_signed_and_exact(rig: Rig) -> None:
    assert rig.broker.positions() == []
    rig.broker.submit(rig.request("10"))
    [held] = rig.broker.positions()
    assert (held.symbol, held.qty) == (rig.symbol, rig.net("10"))
    rig.broker.submit(rig.request(str(rig.net("10")), "SELL"))
    assert rig.broker.positions() == []


def test_a_short_position_is_negative_or_refused(rig: Rig) -> None:
    request = rig.request("5", "SELL")
    if rig.may_short:
        rig.broker.submit(request)
        [held] = rig.broker.positions()
        assert held.qty == -5
    else:
        with pytest.raises(Refused) as error:
            rig.broker.submit(request)
        assert error.value.code in ("no_short", "insufficient_qty")
        assert rig.broker.positions() == []


def test_the_rules_of_a_symbol(rig: Rig) -> None:
    rules = rig.broker.rules([rig.symbol])[rig.symbol]
    assert rules.tradable
    assert rules.price_step(D(100)) == D("0.01")
    assert rules.kinds == rig.kinds
    assert rules.tifs == rig.tifs
    assert rules.classes == rig.classes
    assert rules.shortable == rig.may_short
    assert (rules.fraction_step if rules.fractionable else rules.lot) == rig.lot


def test_a_symbol_that_is_not_listed_has_no_rules(rig: Rig) -> None:
    assert set(rig.broker.rules([rig.symbol, "NOPE"])) == {rig.symbol}


def test_the_last_price(rig: Rig) -> None:
    rig.price("101.50", "101.60", "101.55")
    assert rig.broker.last_prices([rig.symbol]) == {rig.symbol: D("101.55")}


def test_two_accounts_never_mix(rig: Rig) -> None:
    since = rig.now
    other = rig.another()
    rig.broker.submit(rig.request("3"))
    mine = rig.broker.submit(rig.limit("1", "90"))
    assert other.positions() == []
    assert other.open_orders() == []
    assert other.executions(since, [rig.symbol]) == []
    assert other.check_keys().account_number != rig.broker.check_keys().account_number
    assert other.find(mine.client_order_id, rig.symbol) is None
    assert other.order(mine.broker_order_id, rig.symbol) is None
    with pytest.raises(Refused) as error:
        other.cancel(mine)
    assert error.value.code == "no_order"
    assert [order.client_order_id for order in rig.broker.open_orders()] == [mine.client_order_id]


def test_money_that_comes_from_outside_is_listed_once(rig: Rig) -> None:
    since = rig.now
    rig.deposit("2500.50")
    rig.deposit("-100")
    found = rig.broker.activities(since)
    assert rig.broker.money().cash == CASH + D("2400.50")
    if "flows" not in rig.lists:
        assert found == []
        return
    assert {(each.kind, each.amount, each.currency) for each in found} == {
        ("deposit", D("2500.50"), "USD"),
        ("withdrawal", D("-100"), "USD"),
    }
    assert len({each.ref for each in found}) == 2
    assert rig.broker.activities(found[-1].at)[-1].ref == found[-1].ref


def test_a_split_is_listed_with_its_ratio(rig: Rig) -> None:
    since = rig.now
    rig.broker.submit(rig.request("10"))
    with rig.lock:
        rig.exchange.split(rig.symbol, 3, 2)
    if "splits" not in rig.lists:
        assert rig.broker.activities(since) == []
        return
    [split] = rig.broker.activities(since)
    assert (split.kind, split.symbol, split.ratio) == ("split", rig.symbol, D("1.5"))
    assert rig.broker.positions()[0].qty == rig.net("10") * D("1.5")


def test_the_venues_clock_is_told_with_every_order(rig: Rig) -> None:
    order = rig.broker.submit(rig.request("1"))
    assert order.updated_at is not None
    assert order.updated_at.utcoffset() is not None
    assert abs((order.updated_at - rig.now).total_seconds()) < 5
