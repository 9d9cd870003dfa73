"""A session in a real host: from SCHEDULED to STOPPED, with what it leaves in the ledger."""

from __future__ import annotations

import contextlib

import pytest

from accounts.models import User
from bots import parity
from bots.host.account import Account
from bots.models import Order, SessionMemory, SessionSettings, TradingSession
from bots.orders import OVER
from bots.services import sessions as services
from engine.portfolio import keeping
from strategies import session_settings
from tests.bots.host.hosting import host, make, wait_for
from tradingsite.lib.errors import Conflict

pytestmark = pytest.mark.django_db(transaction=True)


def now(session: TradingSession) -> TradingSession:
    return TradingSession.objects.get(pk=session.pk)


def want(session: TradingSession, **columns: str) -> None:
    TradingSession.objects.filter(pk=session.pk).update(**columns)


def closed_by_hand(session: TradingSession) -> bool:
    """Ask for what is open to be closed, until one position was (the strategy may be quicker)."""
    for position in session.positions.filter(is_open=True):
        with contextlib.suppress(Conflict):
            services.close_position(session.owner, position.pk)
    return session.trades.filter(reason="user").exists()


@pytest.mark.row("C4", "C8", "I13", "I15")
def test_a_session_trades_and_is_flattened(alice: User) -> None:
    session = make(alice, settings={"stop_loss_pct": 0.5, "commission_rate": 0.0001})
    with host():
        wait_for(lambda: session.trades.count() >= 6)
        want(session, wanted="STOP", stop_policy="flatten", stop_reason="user")
        wait_for(lambda: now(session).state == "STOPPED")
    session = now(session)
    assert session.word == "STOPPED"
    assert session.host == ""
    assert not session.positions.filter(is_open=True).exists()
    assert not session.orders.exclude(state__in=OVER).exists()
    assert not session.paper_orders.filter(is_working=True).exists()
    assert session.final_cash == session.cash == session.equity == session.initial_cash + session.total_pnl
    account = Account.load(session)  # raises where the stored positions are not those of the fills
    assert account.book.cash == session.cash
    states = [event.detail["to"] for event in session.events.filter(kind="state").order_by("pk")]
    assert states[:4] == ["RECONCILING", "WARMING", "DEGRADED", "RUNNING"]
    assert states[-2:] == ["STOPPING", "STOPPED"]


@pytest.mark.row("W1")
def test_what_traded_is_what_a_backtest_of_the_same_bars_does(alice: User) -> None:
    session = make(alice, settings={"stop_loss_pct": 0.05, "take_profit_pct": 0.05})
    with host():
        wait_for(lambda: session.trades.count() >= 8)
    report = parity.make(now(session))
    assert report.identical, report.differences
    assert report.fills_compared >= 8
    assert report.cycles == session.cycles.count()


@pytest.mark.row("B3", "C6", "C9", "C14", "W1", "W4")
def test_paused_changed_closed_handed_over_and_still_the_same(alice: User) -> None:
    """Everything a person can do to it, and a new host in the middle: the tape gives it all again, bit for bit."""
    session = make(alice)
    with host():
        wait_for(lambda: closed_by_hand(session))
        SessionSettings.objects.create(
            session=session, version=2, **session_settings.clean({"position_size_value": 2.0, "stop_loss_pct": 0.2})
        )
        wait_for(lambda: session.orders.filter(settings_version=2, is_entry=True).exists())
    assert now(session).state == "RUNNING", "handed over: its state stands until the next host has it"
    with host():
        cycles = session.cycles.count()
        wait_for(lambda: session.cycles.count() > cycles + 10)
        want(session, wanted="PAUSE")
        wait_for(lambda: now(session).state == "PAUSED")
        entries = session.orders.filter(is_entry=True).count()
        paused_at = session.cycles.count()
        wait_for(lambda: session.cycles.count() > paused_at + 40)
        assert session.orders.filter(is_entry=True).count() == entries
        assert session.decisions.filter(outcome="paused").exists()
        want(session, wanted="RUN")
        wait_for(lambda: now(session).state == "RUNNING")
        wait_for(lambda: session.orders.filter(is_entry=True).count() > entries)
    times = list(session.cycles.order_by("ts_ns").values_list("ts_ns", flat=True))
    assert len(times) == len(set(times))
    report = parity.make(now(session))
    assert report.identical, report.differences
    assert report.note
    opened = session.positions.filter(settings_version=2).first()
    assert opened is not None


@pytest.mark.row("C2")
def test_its_scheduled_end_ends_it(alice: User) -> None:
    from datetime import timedelta

    from django.utils import timezone

    session = make(alice, scheduled_end_time=timezone.now() + timedelta(seconds=3))
    with host():
        wait_for(lambda: session.cycles.exists())
        wait_for(lambda: now(session).state == "STOPPED")
    assert now(session).word == "COMPLETED"
    assert Order.objects.filter(session=session).exclude(state__in=OVER).count() == 0


@pytest.mark.row("C6", "W2")
@pytest.mark.parametrize("why", ["The engine has changed", "Its checkpoint is damaged"])
def test_without_its_checkpoint_it_runs_the_tape_again_and_goes_on(
    alice: User, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade in the middle of a session, or a torn page of the database."""
    session = make(alice, settings={"stop_loss_pct": 0.05, "trailing_stop_pct": 0.1})
    with host():
        wait_for(lambda: session.trades.count() >= 6)
    if why == "The engine has changed":
        monkeypatch.setattr(keeping, "_fingerprint", lambda: "of-another-engine")
    else:
        SessionMemory.objects.filter(session=session).update(checkpoint=b"torn")
    with host():
        trades = session.trades.count()
        wait_for(lambda: session.trades.count() >= trades + 4)
    assert session.events.filter(kind="recovery", text__startswith=why).exists()
    report = parity.make(now(session))
    assert report.identical, report.differences
