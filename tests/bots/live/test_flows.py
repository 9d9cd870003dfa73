"""Deposits, dividends, fees and splits: kept once, shared by units, and what each session is to book of them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import BrokerAccount, Notification, User
from bots.brokers.base import CashActivity
from bots.live import bookings, flows
from bots.live.reconcile import take_down
from bots.live.reserve import free_cash
from bots.models import BookingRequest, BrokerHolding, CashFlow, Position, Trade, TradingSession
from bots.states import SessionState
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import hold, live_session, truth

D = Decimal


@pytest.fixture
def account(alice: User) -> BrokerAccount:
    made = BrokerAccountFactory(owner=alice, name="Mine")
    take_down(made, truth(at=timezone.now() - datetime.timedelta(hours=1)))
    made.refresh_from_db()
    return made


def activity(kind: str, amount: str, symbol: str = "", **more: Any) -> CashActivity:
    fields: dict[str, Any] = {"ref": f"{kind}-1", "currency": "USD", "at": timezone.now(), **more}
    return CashActivity(kind=kind, amount=D(amount), symbol=symbol, **fields)


@pytest.mark.row("W18")
def test_a_deposit_is_the_accounts_and_counted_once(account: BrokerAccount, alice: User) -> None:
    live_session(alice, account)
    assert flows.keep(account, activity("deposit", "500"))
    assert not flows.keep(account, activity("deposit", "500"))
    flow = account.cash_flows.get(ref="deposit-1")
    assert (flow.kind, flow.amount, flow.equity_before) == ("deposit", 500, 100_000)
    assert BookingRequest.objects.count() == 0
    take_down(account, truth(cash="100500"))
    account.refresh_from_db()
    assert account.discrepancies.count() == 0
    assert free_cash(account) == 90_500


def test_what_is_from_before_the_first_look_is_in_the_opening_balance(account: BrokerAccount) -> None:
    before = timezone.now() - datetime.timedelta(days=1)
    assert not flows.keep(account, activity("deposit", "500", at=before))
    assert account.cash_flows.count() == 1


@pytest.mark.row("W18", "W17")
def test_a_dividend_is_shared_by_units_at_that_time(account: BrokerAccount, alice: User) -> None:
    first = hold(live_session(alice, account), "AAPL", "6")
    second = hold(live_session(alice, account), "AAPL", "3")
    over = hold(live_session(alice, account, state=SessionState.STOPPED), "AAPL", "1")
    hold(live_session(alice, account), "MSFT", "50")
    BrokerHolding.objects.create(broker_account=account, symbol="AAPL", external=D(2), seen_at=timezone.now())
    paid_at = timezone.now()
    later = paid_at + datetime.timedelta(seconds=1)
    # Bought after it was paid: it has no part in it.
    Trade.objects.create(
        session=second, symbol="AAPL", side="BUY", qty=D(1), px=D(100), execution_id="late", executed_at=later,
        position=second.positions.get(),
    )  # fmt: skip
    flows.keep(account, activity("dividend", "11", "AAPL", at=paid_at, text="Cash dividend"))
    asked = {row.session: row for row in BookingRequest.objects.all()}
    assert {session: row.amount for session, row in asked.items()} == {first: 6, second: 2}
    assert over not in asked
    row = asked[first]
    assert (row.kind, row.symbol, row.is_flow, row.text) == ("cash", "AAPL", False, "Cash dividend")
    assert row.cash_flow == account.cash_flows.get(kind="dividend")


@pytest.mark.row("W18")
@pytest.mark.django_db
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.decimals(D("-999"), D("999"), places=2))
def test_shares_never_add_up_to_more_than_there_is(units: list[int], amount: Decimal) -> None:
    held = {n: D(qty) for n, qty in enumerate(units)}
    flow = CashFlow(amount=amount, symbol="AAPL")
    parts = flows.parts_of(flow.amount, held, external=D(7))
    assert sum(parts.values(), D(0)).copy_abs() <= abs(amount)
    assert abs(amount) - sum(parts.values(), D(0)).copy_abs() >= 0
    for n, qty in held.items():
        assert parts[n] == pytest.approx(amount * qty / (sum(held.values()) + 7), abs=D("1e-8"))


@pytest.mark.row("W17")
def test_a_split_reaches_every_session_that_holds_and_what_is_external(account: BrokerAccount, alice: User) -> None:
    sessions = [hold(live_session(alice, account), "AAPL", qty) for qty in ("10", "5")]
    BrokerHolding.objects.create(broker_account=account, symbol="AAPL", external=D(1), seen_at=timezone.now())
    flows.keep(account, activity("split", "0", "AAPL", ratio=D(4)))
    rows = BookingRequest.objects.order_by("pk")
    assert [(row.session, row.kind, row.ratio) for row in rows] == [(each, "split", 4) for each in sessions]
    assert account.holdings.get().external == 4
    assert Notification.objects.get(event="split").title == "AAPL was split 4 for 1"
    # Until the hosts have booked it, the units at the venue say nothing.
    assert take_down(account, truth({"AAPL": "64"})).opened == []
    _booked(rows)
    for session in sessions:
        Position.objects.filter(session=session).update(qty=session.positions.get().qty * 4)
    assert take_down(account, truth({"AAPL": "64"}, cash=str(account.cash))).agrees


@pytest.mark.row("W17")
def test_a_split_reaches_who_trades_the_symbol_and_holds_none_of_it(account: BrokerAccount, alice: User) -> None:
    """Its orders that rest and what it remembers of prices are in old units; who began later has new ones."""
    holder = hold(live_session(alice, account, symbols=["MSFT"]), "AAPL", "10")
    trader, later = (live_session(alice, account, symbols=["AAPL", "MSFT"]) for _ in range(2))
    live_session(alice, account, symbols=["MSFT"])
    live_session(alice, account, symbols=["AAPL"], state=SessionState.STOPPED)
    at = timezone.now()
    TradingSession.objects.filter(pk=later.pk).update(created_at=at + datetime.timedelta(seconds=1))
    flows.keep(account, activity("split", "0", "AAPL", ratio=D(1) / 3, at=at))
    rows = BookingRequest.objects.order_by("pk")
    assert [(row.session, row.kind) for row in rows] == [(holder, "split"), (trader, "split")]
    assert Notification.objects.get(event="split").title == "AAPL was split 1 for 3"


@pytest.mark.row("W17")
def test_a_short_pays_for_its_part_of_a_unit(account: BrokerAccount, alice: User) -> None:
    hold(live_session(alice, account), "AAPL", "-15")
    flows.keep(account, activity("split", "-50", "AAPL", ratio=D("0.1")))
    (row,) = BookingRequest.objects.filter(kind="release")
    assert (row.qty, row.px, row.ref[-5:]) == (D("-0.5"), 100, "-lieu")


@pytest.mark.row("W17")
def test_cash_in_lieu_of_the_part_of_a_unit(account: BrokerAccount, alice: User) -> None:
    """1 for 10: 15 + 5 + 5 units make 2.5; the venue pays for the half."""
    for qty in ("15", "5"):
        hold(live_session(alice, account), "AAPL", qty)
    BrokerHolding.objects.create(broker_account=account, symbol="AAPL", external=D(5), seen_at=timezone.now())
    flows.keep(account, activity("split", "50", "AAPL", ratio=D("0.1")))
    released = BookingRequest.objects.filter(kind="release").order_by("pk")
    assert [(row.qty, row.px) for row in released] == [(D("0.3"), 100), (D("0.1"), 100)]
    assert account.holdings.get().external == D("0.4")
    # 1.5 - 0.3 + 0.5 - 0.1 + 0.4 = 2: what the venue has.


def _booked(rows: Any) -> None:
    rows.update(done_at=timezone.now())


def test_what_no_host_will_book_is_ended(account: BrokerAccount, alice: User) -> None:
    session = hold(live_session(alice, account), "AAPL", "10")
    flows.keep(account, activity("split", "0", "AAPL", ratio=D(4)))
    assert bookings.busy(account) == {"AAPL"}
    TradingSession.objects.filter(pk=session.pk).update(state=SessionState.HALTED)
    found = take_down(account, truth({"AAPL": "40"}))
    assert [(row.ours, row.theirs) for row in found.opened] == [(10, 40)]
    assert "over" in BookingRequest.objects.get().refused
