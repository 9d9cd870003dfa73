"""What happens on an account by another hand while sessions run on it: found, told, decided, and booked by the host."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest

from accounts.models import Notification, User
from bots.host.account import Account
from bots.live.reserve import free_cash, sums
from bots.models import Discrepancy, TradingSession
from bots.services import inbox, sessions
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import KEY, SECRET, Rig, in_time, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]
D = Decimal


def by_hand(rig: Rig, side: OrderSide, qty: int, symbol: str = "SIM-BETA") -> None:
    """An order of the account's owner, through the broker's own library and past us."""
    client = TradingClient(KEY, SECRET, url_override=f"http://{rig.address}")
    client.submit_order(MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=TimeInForce.DAY))


def resting(rig: Rig, **columns: object) -> TradingSession:
    """A session that decides nothing by itself: it never sells, and is paused. 20,000 of the account are its own."""
    fields = {
        "wanted": "PAUSE", "initial_cash": D(20_000), "symbols": ["SIM-ALPHA", "SIM-BETA"], "strategy": "buy_and_hold",
        "strategy_parameters": {}, **columns,
    }  # fmt: skip
    return rig.session(**fields)


def ready(session: TradingSession, rig: Rig) -> None:
    """It runs, and its account was looked at: what comes from now on is new."""
    until(session, lambda: state_of(session) in ("PAUSED", "RUNNING"))
    until(session, lambda: rig.account.cash_flows.exists())


def found(rig: Rig, session: TradingSession, within_s: float = 15.0) -> Discrepancy:
    """The one position that is open in the inbox."""
    row: Discrepancy = until(session, lambda: rig.account.discrepancies.filter(kind="position").first(), within_s)
    return row


def settled(session: TradingSession, ref: str) -> bool:
    return session.adjustments.filter(ref__startswith=ref).exists()


@pytest.mark.row("W3", "F39", "W9")
def test_a_trade_by_hand_is_in_the_inbox_in_time_and_adopted(alice: User, rig: Rig) -> None:
    session = resting(rig)
    with host():
        ready(session, rig)
        began = time.monotonic()
        by_hand(rig, OrderSide.BUY, 5)
        row = found(rig, session)
        in_time(time.monotonic() - began, 15.0)
        assert (row.ours, row.theirs, row.detail["breaks"]) == (0, 5, [])
        assert Notification.objects.filter(owner=alice, event="reconciliation").count() == 1
        execution = rig.account.executions.get()
        assert (execution.session, execution.qty, execution.px) == (None, 5, row.px)
        assert state_of(session) == "PAUSED"  # units that are only more leave it alone
        inbox.adopt(alice, row.pk, session.pk)
        until(session, lambda: settled(session, "adopt"))
        position = session.positions.get()
        assert (position.symbol, position.side, position.qty, position.entry_px) == ("SIM-BETA", "BUY", 5, row.px)
        until(session, lambda: Discrepancy.objects.get(pk=row.pk).ended_at)
        session.refresh_from_db()
        assert session.cash == 20_000 - 5 * row.px
        assert sums(rig.account).agrees
        # It is the session's own from now on: it is sold with it.
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED", 60)
    assert rig.ledger()["positions"] == {}
    check(rig, session, external=True)
    assert session.trades.get().qty == 5
    assert not rig.account.discrepancies.filter(state="OPEN").exists()


@pytest.mark.row("W3", "W6")
def test_what_is_adopted_has_its_stop_and_survives_the_next_host(alice: User, rig: Rig) -> None:
    session = resting(rig, settings={"allow_fractional": False, "stop_loss_pct": 5.0})
    with host():
        ready(session, rig)
        by_hand(rig, OrderSide.BUY, 5)
        row = found(rig, session)
        inbox.adopt(alice, row.pk, session.pk)
        until(session, lambda: session.positions.filter(stop_px__isnull=False).exists())
        assert session.positions.get().stop_px == pytest.approx(row.px * D("0.95"), rel=D("0.001"))
    session.refresh_from_db()
    assert Account.load(session).book.holdings["SIM-BETA"].qty == 5
    with host():
        until(session, lambda: state_of(session) == "PAUSED" and session.events.filter(detail__to="PAUSED").count() > 1)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED", 60)
    assert rig.ledger()["positions"] == {}
    check(rig, session, external=True)


@pytest.mark.row("W3")
@pytest.mark.parametrize("decision", ["leave", "close"])
def test_a_trade_by_hand_is_left_or_closed(alice: User, rig: Rig, decision: str) -> None:
    session = resting(rig)
    with host():
        ready(session, rig)
        by_hand(rig, OrderSide.BUY, 5)
        row = found(rig, session)
        getattr(inbox, decision)(alice, row.pk)
        until(session, lambda: Discrepancy.objects.get(pk=row.pk).ended_at)
        seen = TradingSession.objects.get(pk=session.pk).broker_account.seen_at
        until(session, lambda: TradingSession.objects.get(pk=session.pk).broker_account.seen_at > seen)
        assert not rig.account.discrepancies.filter(ended_at__isnull=True).exists()
        until(session, lambda: sums(rig.account).agrees)
        kept = {"leave": {"SIM-BETA": "5"}, "close": {}}[decision]
        assert rig.ledger()["positions"] == kept
        assert state_of(session) == "PAUSED"
    assert rig.account.discrepancies.get(kind="position").state == {"leave": "LEFT", "close": "CLOSED"}[decision]


@pytest.mark.row("F39", "W3")
@pytest.mark.fault(39)
def test_units_sold_from_under_a_session_halt_it_and_no_other(alice: User, rig: Rig) -> None:
    session, other = resting(rig), resting(rig, symbols=["SIM-ALPHA"])
    with host():
        ready(session, rig)
        ready(other, rig)
        by_hand(rig, OrderSide.BUY, 5)
        inbox.adopt(alice, found(rig, session).pk, session.pk)
        until(session, lambda: settled(session, "adopt"))
        began = time.monotonic()
        by_hand(rig, OrderSide.SELL, 2)
        until(session, lambda: state_of(session) == "HALTED", 60)
        in_time(time.monotonic() - began, 15.0)
        session.refresh_from_db()
        assert "the account has 3, our books say 5" in session.state_reason
        row = rig.account.discrepancies.get(state="OPEN", kind="position")
        assert (row.session, row.detail["breaks"]) == (session, [session.pk])
        assert Notification.objects.filter(owner=alice, event="reconciliation", level="critical").exists()
        time.sleep(2)
        assert state_of(other) == "PAUSED"
    check(rig, session, other, external=True)


@pytest.mark.row("W18")
def test_money_that_comes_is_the_accounts_and_moves_to_a_session(alice: User, rig: Rig) -> None:
    session = resting(rig)
    with host():
        ready(session, rig)
        rig.control("transfers", key=KEY, amount="5000")
        until(session, lambda: rig.account.cash_flows.filter(kind="deposit", amount=5000).exists(), 15)
        rig.account.refresh_from_db()
        until(session, lambda: free_cash(type(rig.account).objects.get(pk=rig.account.pk)) == 85_000)
        inbox.move_cash(alice, session.pk, D(2_500))
        until(session, lambda: settled(session, "cash"))
        session.refresh_from_db()
        assert (session.cash, session.equity, session.total_pnl) == (22_500, 22_500, 0)
    assert Account.load(session).book.starting_cash == 22_500
    assert not rig.account.discrepancies.filter(state="OPEN").exists()
    with host():
        until(session, lambda: session.events.filter(detail__to="PAUSED").count() > 1)
    session.refresh_from_db()
    assert session.cash == 22_500


@pytest.mark.row("W18", "W17")
def test_a_dividend_is_the_sessions_and_a_split_rescales_what_it_holds(alice: User, rig: Rig) -> None:
    session = resting(rig, settings={"allow_fractional": False, "stop_loss_pct": 5.0})
    with host():
        ready(session, rig)
        by_hand(rig, OrderSide.BUY, 5)
        row = found(rig, session)
        inbox.adopt(alice, row.pk, session.pk)
        until(session, lambda: session.positions.filter(stop_px__isnull=False).exists())
        before = session.positions.get()
        rig.control("transfers", key=KEY, amount="12.5", kind="DIV", symbol="SIM-BETA")
        until(session, lambda: session.adjustments.filter(kind="cash", amount="12.5", is_flow=False).exists(), 15)
        session.refresh_from_db()
        assert (session.cash, session.total_pnl) == (20_000 - 5 * row.px + D("12.5"), D("12.5"))
        rig.control("splits", symbol="SIM-BETA", new=4, old=1)
        until(session, lambda: session.adjustments.filter(kind="split").exists(), 15)
        after = session.positions.get()
        assert (after.qty, after.stop_px) == (20, pytest.approx(before.stop_px / 4, rel=D("0.001")))
        time.sleep(4)
        assert state_of(session) == "PAUSED", session.state_reason
        assert sums(rig.account).agrees
    assert Account.load(session).book.holdings["SIM-BETA"].qty == 20
    assert not rig.account.discrepancies.filter(state="OPEN").exists()


@pytest.mark.row("W17")
@pytest.mark.parametrize(("new", "old", "units"), [(4, 1, 40), (1, 5, 2)])
def test_a_split_overnight_while_no_host_runs(alice: User, rig: Rig, new: int, old: int, units: int) -> None:
    """F33: the venue has split what a stop guards; the next host books it before it compares, and nothing halts."""
    session = resting(rig, settings={"allow_fractional": False, "stop_loss_pct": 5.0})
    with host():
        ready(session, rig)
        by_hand(rig, OrderSide.BUY, 10)
        inbox.adopt(alice, found(rig, session).pk, session.pk)
        until(session, lambda: session.orders.filter(role="stop", state="ACCEPTED").exists())
    before = session.positions.get()
    rig.control("splits", symbol="SIM-BETA", new=new, old=old)
    with host():
        until(session, lambda: session.events.filter(detail__to="PAUSED").count() > 1)
        assert session.adjustments.filter(kind="split").exists()
        time.sleep(4)
        assert state_of(session) == "PAUSED", session.events.last()
        after = session.positions.get()
        assert after.qty == units
        assert after.stop_px == pytest.approx(before.stop_px * old / new, rel=D("0.001"))
        assert sums(rig.account).agrees
        assert not rig.account.discrepancies.filter(state="OPEN").exists()
        (stop,) = [order for order in rig.ledger()["orders"] if order["status"] in ("new", "accepted", "held")]
        assert D(stop["qty"]) == units
        assert session.orders.get(role="stop", state="ACCEPTED").qty == units


@pytest.mark.row("W3", "W9")
def test_sessions_that_trade_leave_nothing_to_decide(alice: User, rig: Rig) -> None:
    """Fills are compared while they are booked: nothing that is only under way comes into the inbox."""
    both = [rig.session(initial_cash=D(cash), settings={"allow_fractional": False}) for cash in (20_000, 30_000)]
    with host():
        for session in both:
            until(session, lambda s=session: s.positions.filter(is_open=False).count() >= 5, 60)
        for session in both:
            sessions.stop(alice, session.pk, "flatten")
        for session in both:
            until(session, lambda s=session: state_of(s) == "STOPPED", 60)
    assert list(rig.account.discrepancies.values_list("text", flat=True)) == []
    assert rig.account.cash_flows.get().amount == 100_000
    assert sums(rig.account).agrees
    check(rig, *both)
