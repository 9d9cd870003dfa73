"""What the inbox has the venue undo, at the practice venue through the broker's own library: once, whatever is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from django.db import transaction

from accounts.models import BrokerAccount, Notification, User
from bots.brokers.base import Broker
from bots.brokers.registry import open_broker
from bots.live import closing, visit
from bots.live import lease as leases
from bots.live.reconcile import look, take_down
from bots.models import Discrepancy
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from bots.services import inbox
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import live_session

KEY, SECRET = "PRACTICEKEY", "practice-secret"
D = Decimal


@dataclass
class Desk:
    """An account of alice's at a practice venue where AAPL is quoted 99 / 101, looked at once while it was empty."""

    account: BrokerAccount
    broker: Broker
    by_hand: TradingClient
    address: str

    def control(self, name: str, **body: Any) -> None:
        assert httpx.post(f"http://{self.address}/practice/{name}", json=body).status_code == 200

    def ledger(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"http://{self.address}/practice/ledger").json()[KEY]
        return told

    def buy(self, qty: int, limit: float | None = None) -> None:
        more: Any = {"symbol": "AAPL", "qty": qty, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
        order = MarketOrderRequest(**more) if limit is None else LimitOrderRequest(**more, limit_price=limit)
        self.by_hand.submit_order(order)

    def compare(self) -> list[Discrepancy]:
        return take_down(self.account, look(self.broker)).opened


@pytest.fixture
def desk(alice: User, settings: Any) -> Iterator[Desk]:
    venue = Venue([Instrument("AAPL")], always_open=True, is_scripted=True)
    venue.open_account(KEY, SECRET, D(100_000))
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL = f"http://{address}"
        account = BrokerAccountFactory(owner=alice, api_key=KEY, api_secret=SECRET)
        broker = open_broker("alpaca", "PRACTICE", KEY, SECRET)
        made = Desk(account, broker, TradingClient(KEY, SECRET, url_override=f"http://{address}"), address)
        made.control("prices", symbol="AAPL", bid="99", ask="101", last="100")
        made.compare()
        yield made
        broker.close()


def only(rows: list[Discrepancy], kind: str = "position") -> Discrepancy:
    (row,) = [row for row in rows if row.kind == kind]
    return row


@pytest.mark.row("W3", "F39")
def test_units_bought_by_hand_are_sold_again(desk: Desk, alice: User) -> None:
    desk.buy(10)
    row = inbox.close(alice, only(desk.compare()).pk)
    assert closing.waiting([desk.account.pk]) == {desk.account.pk: row.decided_at}
    assert closing.carry_out(desk.account, desk.broker) == 0  # it is sent
    assert closing.carry_out(desk.account, desk.broker) == 1  # it is filled
    assert closing.carry_out(desk.account, desk.broker) == 0
    row.refresh_from_db()
    assert (row.state, row.detail["closed_at_px"]) == ("CLOSED", "99")
    told = desk.ledger()
    assert told["positions"] == {}
    assert [order["client_order_id"] for order in told["orders"]][1:] == [row.client_order_id]
    assert closing.waiting([desk.account.pk]) == {}


@pytest.mark.row("W3")
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_makes_no_second_order(desk: Desk, alice: User, when: str) -> None:
    desk.buy(10)
    row = inbox.close(alice, only(desk.compare()).pk)
    desk.control("faults", kind="drop", method="POST", path="/v2/orders", when=when)
    closing.carry_out(desk.account, desk.broker)
    for _ in range(3):
        Discrepancy.objects.filter(pk=row.pk).update(detail=_long_ago(row.pk))
        closing.carry_out(desk.account, desk.broker)
    row.refresh_from_db()
    assert row.state == "CLOSED"
    sold = [each for each in desk.ledger()["executions"] if each["side"] == "sell"]
    assert [each["qty"] for each in sold] == ["10"]


def _long_ago(pk: int) -> dict[str, Any]:
    """Its detail, as if it had been sent an hour ago."""
    detail: dict[str, Any] = Discrepancy.objects.get(pk=pk).detail
    return detail | ({"sent_at": "2026-01-01T00:00:00+00:00"} if "sent_at" in detail else {})


@pytest.mark.row("W3")
def test_a_working_order_is_canceled(desk: Desk, alice: User) -> None:
    desk.buy(5, limit=90.0)
    row = only(desk.compare(), "order")
    assert (row.theirs, row.px) == (5, 90)
    inbox.close(alice, row.pk)
    closing.carry_out(desk.account, desk.broker)
    closing.carry_out(desk.account, desk.broker)
    row.refresh_from_db()
    assert row.state == "CLOSED"
    assert [order["status"] for order in desk.ledger()["orders"]] == ["canceled"]


@pytest.mark.row("W3")
def test_an_order_that_is_left_is_not_told_again(desk: Desk, alice: User) -> None:
    desk.buy(5, limit=90.0)
    inbox.leave(alice, only(desk.compare(), "order").pk)
    assert desk.compare() == []


def test_what_has_changed_meanwhile_goes_back_to_the_inbox(desk: Desk, alice: User) -> None:
    desk.buy(10)
    row = inbox.close(alice, only(desk.compare()).pk)
    desk.buy(2)
    closing.carry_out(desk.account, desk.broker)
    row.refresh_from_db()
    assert (row.state, row.detail["refused"]) == ("OPEN", "it has changed meanwhile: the account has 12")
    assert Notification.objects.filter(title="AAPL could not be closed").exists()
    assert len(desk.ledger()["orders"]) == 2
    desk.compare()
    again = inbox.close(alice, row.pk)
    assert again.client_order_id.endswith("-2")
    for _ in range(2):
        closing.carry_out(desk.account, desk.broker)
    assert desk.ledger()["positions"] == {}


def test_what_the_venue_refuses_goes_back_to_the_inbox(desk: Desk, alice: User) -> None:
    desk.buy(10)
    row = inbox.close(alice, only(desk.compare()).pk)
    held = LimitOrderRequest(symbol="AAPL", qty=10, side=OrderSide.SELL, time_in_force=TimeInForce.DAY, limit_price=200)
    desk.by_hand.submit_order(held)
    closing.carry_out(desk.account, desk.broker)
    row.refresh_from_db()
    assert row.state == "OPEN"
    assert "insufficient qty" in row.detail["refused"]
    assert [order["type"] for order in desk.ledger()["orders"]] == ["market", "limit"]


def test_nothing_is_sent_without_the_lease(desk: Desk, alice: User) -> None:
    desk.buy(10)
    inbox.close(alice, only(desk.compare()).pk)
    closing.carry_out(desk.account, desk.broker, lambda: False)
    assert len(desk.ledger()["orders"]) == 1


@pytest.mark.row("W3", "F39")
def test_an_account_without_sessions_is_visited(desk: Desk, alice: User) -> None:
    """Nothing trades on it, so no host looks: a visit finds what was bought by hand, and sells it when asked to."""
    assert visit.due() == []
    desk.buy(10)
    found = visit.visit(desk.account.pk)
    assert found is not None
    row = only(found.opened)
    assert (row.theirs, row.px) == (10, 101)
    execution = desk.account.executions.get()
    assert (execution.session, execution.qty, execution.px) == (None, 10, 101)
    inbox.close(alice, row.pk)
    assert visit.due() == [desk.account.pk]
    visit.visit(desk.account.pk)
    row.refresh_from_db()
    assert row.state == "CLOSED"
    assert desk.ledger()["positions"] == {}
    desk.account.refresh_from_db()
    assert (desk.account.lease_expires_at, desk.account.discrepancies.filter(state="OPEN").count()) == (None, 0)


def test_no_visit_while_a_host_has_the_account(desk: Desk) -> None:
    with transaction.atomic():
        assert leases.take("host-1", desk.account.pk) is not None
    assert visit.visit(desk.account.pk) is None
    assert visit.due() == []


def test_a_visit_with_keys_that_are_refused(desk: Desk) -> None:
    desk.control("faults", kind="status", method="GET", path="/v2/account/activities", status=401, when="before")
    assert visit.visit(desk.account.pk) is None
    desk.account.refresh_from_db()
    assert desk.account.state == "REFUSED"
    assert visit.visit(desk.account.pk) is None


def test_no_visit_to_an_account_on_which_a_session_is_to_run(desk: Desk, alice: User) -> None:
    """Its host books what its orders filled; a visitor would take that for somebody else's."""
    live_session(alice, desk.account, state="ORPHANED")
    assert visit.visit(desk.account.pk) is None
    BrokerAccount.objects.filter(pk=desk.account.pk).update(seen_at=None)
    assert visit.due() == []
    desk.account.sessions.update(state="STOPPED")
    assert visit.due() == [desk.account.pk]
