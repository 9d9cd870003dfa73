"""What a look at an account leaves in rows: holdings, money, the inbox, and word to its owner."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import BrokerAccount, Notification, User
from bots.brokers.base import BrokerOrder, BrokerPosition, Money
from bots.live.differences import Doubts, Truth
from bots.live.reconcile import Found, take_down
from bots.live.reserve import sums
from bots.models import BrokerExecution, CashFlow, Discrepancy, Order
from bots.orders import OrderState
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import hold, live_session, truth

D = Decimal


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    """An account of alice that was looked at once, when it was empty."""
    made = BrokerAccountFactory(owner=alice, name="Mine")
    take_down(made, truth())
    return made


def inbox(account: BrokerAccount) -> list[tuple[str, str]]:
    return list(account.discrepancies.order_by("pk").values_list("key", "state"))


@pytest.mark.row("W3", "W9")
def test_the_first_look_takes_everything_for_external(alice: User) -> None:
    account = BrokerAccountFactory(owner=alice)
    found = take_down(account, truth({"AAPL": "10"}, cash="5000"))
    assert found.agrees
    assert inbox(account) == []
    holding = account.holdings.get()
    assert (holding.symbol, holding.qty, holding.external) == ("AAPL", 10, 10)
    opening = account.cash_flows.get()
    assert (opening.ref, opening.amount) == ("opening", 5000)
    account.refresh_from_db()
    assert (account.cash, account.equity) == (5000, 5000)
    assert account.seen_at is not None
    assert sums(account).agrees


@pytest.mark.row("F39", "W9")
def test_what_was_booked_after_the_venue_was_asked_is_no_difference(account: BrokerAccount, alice: User) -> None:
    """A busy host compares late: the venue had been asked before the fill that our books have by now."""
    session = hold(live_session(alice, account), "AAPL", "10")
    asked = timezone.now() - datetime.timedelta(seconds=4)
    BrokerExecution(
        broker_account=account, session=session, execution_id="late", symbol="AAPL", side="BUY", qty=D(10), px=D(100),
        executed_at=asked,
    ).save()  # fmt: skip
    take_down(account, truth(at=asked))
    found = take_down(account, truth(at=asked + datetime.timedelta(seconds=3)))
    assert (found.broken, inbox(account)) == ({}, [])
    BrokerExecution.objects.update(seen_at=asked - datetime.timedelta(seconds=9))
    assert list(take_down(account, truth(at=asked)).broken) == [session.pk]


@pytest.mark.row("W3", "F39")
def test_a_position_by_hand_is_one_row_while_it_lasts(account: BrokerAccount) -> None:
    first = take_down(account, truth({"AAPL": "10"}))
    again = take_down(account, truth({"AAPL": "12"}))
    assert ([row.key for row in first.opened], again.opened) == (["position:AAPL"], [])
    row = account.discrepancies.get()
    assert (row.ours, row.theirs, row.state, row.session) == (0, 12, "OPEN", None)
    note = Notification.objects.get()
    assert (note.event, note.level, note.link) == ("reconciliation", "warning", f"/inbox/?account={account.pk}")
    gone = take_down(account, truth())
    assert [each.pk for each in gone.ended] == [row.pk]
    row.refresh_from_db()
    assert row.state == "RESOLVED"
    assert row.ended_at is not None
    assert take_down(account, truth({"AAPL": "1"})).opened[0].pk != row.pk


@pytest.mark.row("F39")
def test_units_that_are_more_leave_sessions_alone_and_units_that_are_missing_halt_them(
    account: BrokerAccount, alice: User
) -> None:
    session = hold(live_session(alice, account), "AAPL", "10")
    other = hold(live_session(alice, account), "MSFT", "3")
    assert take_down(account, truth({"AAPL": "15", "MSFT": "3"}, cash=account_cash(account))).broken == {}
    found = take_down(account, truth({"AAPL": "7", "MSFT": "3"}, cash=account_cash(account)))
    assert list(found.broken) == [session.pk]
    assert "the account has 7, our books say 10" in found.broken[session.pk]
    assert other.pk not in found.broken
    row = account.discrepancies.get(kind="position")
    assert (row.session, row.detail["breaks"]) == (session, [session.pk])


def account_cash(account: BrokerAccount) -> str:
    return str(account.cash_flows.get(ref="opening").amount)


def test_what_is_in_doubt_is_not_told_and_not_taken_for_gone(account: BrokerAccount) -> None:
    doubts = Doubts(wait_s=2)
    start = timezone.now()
    looks = [(0, "10"), (1, "10"), (3, "10"), (4, "11")]
    states = []
    for seconds, qty in looks:
        take_down(account, truth({"AAPL": qty}, at=start + datetime.timedelta(seconds=seconds)), doubts)
        states.append([(row.state, row.theirs) for row in account.discrepancies.all()])
    assert states == [[], [], [("OPEN", 10)], [("OPEN", 10)]]


def test_another_lease_writes_nothing(account: BrokerAccount) -> None:
    BrokerAccount.objects.filter(pk=account.pk).update(fence=5)
    assert take_down(account, truth({"AAPL": "10"}, cash="1"), fence=4) == Found()
    assert inbox(account) == []
    assert account.holdings.count() == 0
    assert take_down(account, truth({"AAPL": "10"}), fence=5).opened


def test_orders_of_sessions_are_known_by_either_id(account: BrokerAccount, alice: User) -> None:
    session = live_session(alice, account)
    for seq, (name, venue, state) in enumerate(
        [("mine-1", "", "INTENT"), ("mine-2", "v2", "ACCEPTED"), ("mine-3", "v3", "CANCELED")]
    ):
        Order.objects.create(
            session=session, broker_account=account, seq=seq, client_order_id=name, broker_order_id=venue, state=state,
            symbol="AAPL", side="BUY", kind="limit", time_in_force="day", is_entry=True, reason="signal", qty=5,
            decided_at=timezone.now(),
        )  # fmt: skip
    found = take_down(account, truth({}, working("mine-1", "x"), working("leg", "v2"), working("mine-3", "v3")))
    assert found.agrees
    found = take_down(account, truth({}, working("mine-1", "x"), working("mine-2", "v2"), working("hand", "v9")))
    assert [row.key for row in found.opened] == ["order:v9"]


def working(client: str, venue: str) -> BrokerOrder:
    return BrokerOrder(client, venue, "AAPL", "BUY", "limit", OrderState.ACCEPTED, D(5))


@pytest.mark.row("W18")
def test_cash_follows_from_executions_and_flows(account: BrokerAccount, alice: User) -> None:
    session = live_session(alice, account)
    now = timezone.now()
    made = [
        BrokerExecution(broker_account=account, session=session, execution_id="1", symbol="AAPL", side="BUY", qty=D(10),
                        px=D("100.5"), executed_at=now),
        BrokerExecution(broker_account=account, session=session, execution_id="2", symbol="AAPL", side="SELL",
                        qty=D(4), px=D(110), fee=D("0.25"), fee_asset="USD", executed_at=now),
    ]  # fmt: skip
    for row in made:
        row.save()
    BrokerExecution.objects.update(seen_at=now - datetime.timedelta(seconds=9))  # before the venue was asked
    CashFlow(broker_account=account, ref="d1", kind="deposit", amount=D(500), at=now).save()
    hold(session, "AAPL", "6")
    expected = D(100_000) - 1005 + 440 - D("0.25") + 500
    assert take_down(account, truth({"AAPL": "6"}, cash=str(expected))).agrees
    found = take_down(account, truth({"AAPL": "6"}, cash=str(expected + 7)))
    assert [(row.key, row.ours, row.theirs) for row in found.opened] == [("cash", expected, expected + 7)]
    # Against another money than the account's own nothing can be said of cash.
    made[0].pk, made[0].execution_id, made[0].symbol, made[0]._state.adding = None, "3", "ETH/BTC", True
    made[0].save()
    BrokerExecution.objects.update(seen_at=now - datetime.timedelta(seconds=9))
    assert [row.key for row in take_down(account, truth({"AAPL": "6"}, cash="1")).ended] == ["cash"]


@pytest.mark.row("W3", "F39")
def test_executions_of_others_price_what_they_brought(account: BrokerAccount) -> None:
    now = timezone.now()
    same = {"broker_account": account, "symbol": "AAPL", "side": "BUY", "qty": D(1), "executed_at": now}
    for number, px in enumerate((90, 92, 94)):
        BrokerExecution(execution_id=str(number), px=D(px), **same).save()
    money = Money("1", "USD", D(99_724), D(1), D(1))
    (row,) = take_down(account, Truth(now, money, (BrokerPosition("AAPL", D(3), D(1)),))).opened
    assert row.px == 92


def test_cash_and_positions_of_one_account_are_no_others(account: BrokerAccount, bob: User) -> None:
    other = BrokerAccountFactory(owner=bob)
    take_down(other, truth({"AAPL": "10"}))
    hold(live_session(bob, other), "AAPL", "10")
    assert take_down(account, truth()).agrees
    assert Discrepancy.objects.count() == 0
