"""What watches over a session that runs: stops, limits over all bots, kill switches, one bar late."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Notification, User
from accounts.services import risk
from bots import parity
from bots.host import desk as desks
from bots.host import plans
from bots.models import TradingSession
from tests.bots.host.hosting import host, make, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
HOLD = {"strategy": "buy_and_hold", "strategy_parameters": {}}


@pytest.mark.row("W6")
def test_a_position_without_its_stop_is_closed_and_told_of(alice: User) -> None:
    session = make(alice, settings={"stop_loss_pct": 30.0}, symbols=["SIM-ALPHA"], **HOLD)
    with host() as running:
        wait_for(lambda: session.positions.filter(is_open=True, stop_px__isnull=False).exists())
        seat = running.seats[session.pk]
        # The fault that the watchdog is for: the level is gone, whatever took it.
        seat.runner.desk.portfolio._world.holdings["stop_px"] = float("-inf")
        wait_for(lambda: session.trades.filter(reason="watchdog").exists(), 10)
    told = Notification.objects.get(owner=alice, event="naked_position")
    assert told.level == "critical"
    assert "SIM-ALPHA" in told.title
    assert session.events.filter(kind="guard", level="error").exists()


@pytest.mark.row("W14")
def test_limits_over_all_bots_hold_with_pending_orders_counted(alice: User) -> None:
    """Five sessions that would each hold 20,000 under one limit of 50,000."""
    User.objects.filter(pk=alice.pk).update(tier_id="ENTERPRISE")
    risk.set_envelope(alice, {"gross_cap": Decimal(50_000)})
    wish = {"position_size_value": 20.0, "max_position_size_pct": 100.0}
    names = ["SIM-ALPHA", "SIM-BETA", "SIM-GAMMA", "SIM-DELTA", "SIM-01"]
    sessions = [make(alice, settings=wish, symbols=[name], **HOLD) for name in names]
    with host():
        wait_for(lambda: all(session.cycles.count() > 20 for session in sessions))
        held = sum(session.exposure for session in TradingSession.objects.all())
    assert Decimal(30_000) < held < Decimal(51_000)
    refused = [session for session in sessions if session.decisions.filter(outcome="account_cap").exists()]
    assert refused
    for session in sessions:
        report = parity.make(TradingSession.objects.get(pk=session.pk))
        assert report.identical, report.differences


@pytest.mark.row("W4")
def test_the_kill_switch_stops_entries_and_not_exits(alice: User) -> None:
    session = make(alice, settings={"stop_loss_pct": 1.0})
    with host():
        wait_for(lambda: session.orders.filter(is_entry=True).count() >= 3)
        risk.throw_kill_switch(alice, True, "Lunch")
        wait_for(lambda: session.decisions.filter(outcome="kill_switch").exists())
        entries = session.orders.filter(is_entry=True).count()
        wait_for(lambda: not session.positions.filter(is_open=True).exists())
        seen = session.cycles.count()
        wait_for(lambda: session.cycles.count() > seen + 30)
        assert session.orders.filter(is_entry=True).count() == entries
        risk.throw_kill_switch(alice, False)
        wait_for(lambda: session.orders.filter(is_entry=True).count() > entries)


@pytest.mark.row("W1")
def test_one_bar_late_is_called_timing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(desks.Desk):
        """Acts on each signal a bar after it was given."""

        def decide(self, ts: int, bars: Any, deciding: Any, **options: Any) -> desks.Verdict:
            step = self.portfolio.step
            kept = getattr(self, "kept", {})

            def late(at: int, prices: Any, records: Any, **more: Any) -> Any:
                self.kept = records
                return step(at, prices, {name: kept.get(name, 0) for name in records}, **more)

            monkeypatch.setattr(self.portfolio, "step", late)
            try:
                return super().decide(ts, bars, deciding, **options)
            finally:
                monkeypatch.setattr(self.portfolio, "step", step)

    monkeypatch.setattr(plans, "Desk", Late)
    session = make(alice)
    with host():
        wait_for(lambda: session.trades.count() >= 6)
    report = parity.make(TradingSession.objects.get(pk=session.pk))
    assert not report.identical
    assert set(report.counts) - {"price"} == {"timing"}, report.differences
    assert report.counts["timing"] >= 6


@pytest.mark.row("W5", "D16")
@pytest.mark.parametrize(
    ("settings", "gate"),
    [
        ({"max_open_positions": 1}, "no_slot"),
        ({"capital_per_trade": 1.0}, "capital_cap"),
        ({"trading_hours_start": "00:00", "trading_hours_end": "00:01", "trading_days": ["MON"]}, "outside_window"),
        ({"max_gross_exposure_pct": 1.0, "max_position_size_pct": 100.0, "position_size_value": 50.0}, "gross_cap"),
    ],
)
def test_why_no_trade_names_the_gate_with_its_value_and_limit(alice: User, settings: Any, gate: str) -> None:
    session = make(alice, settings=settings)
    with host():
        wait_for(lambda: session.decisions.filter(outcome=gate).exists())
    row = session.decisions.filter(outcome=gate).first()
    assert row.action == "BUY"
    assert next(one for one in row.gates if not one["ok"])["gate"] == gate
    refused = next(one for one in row.gates if one["gate"] == gate)
    assert refused["text"]
    assert row.detail
    calm = session.decisions.filter(outcome="no_signal").first()
    assert calm is not None
    assert {one["gate"] for one in calm.gates} >= {gate} - {"capital_cap", "outside_window"}


@pytest.mark.row("B3", "W4")
def test_pausing_takes_back_what_waits_to_enter(alice: User) -> None:
    resting = {"order_type_default": "limit", "limit_price_offset_pct": 20.0, "time_in_force": "gtc"}
    session = make(alice, settings=resting)
    with host():
        wait_for(lambda: session.orders.filter(is_entry=True, state="ACCEPTED").exists())
        TradingSession.objects.filter(pk=session.pk).update(wanted="PAUSE")
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "PAUSED")
        wait_for(lambda: not session.orders.filter(is_entry=True, state="ACCEPTED").exists())
    assert set(session.orders.values_list("state", flat=True)) == {"CANCELED"}
    assert not session.paper_orders.filter(is_working=True).exists()
    assert parity.make(TradingSession.objects.get(pk=session.pk)).identical


@pytest.mark.row("J20", "W14")
def test_a_group_over_its_limit_is_told_of_once(alice: User) -> None:
    groups = {"Simulated": {"symbols": ["SIM-ALPHA", "SIM-BETA"], "cap": Decimal(15_000)}}
    risk.set_envelope(alice, {"groups": groups})
    sessions = [make(alice, symbols=[name], **HOLD) for name in ("SIM-ALPHA", "SIM-BETA")]
    with host():
        wait_for(lambda: all(session.positions.exists() for session in sessions))
        wait_for(lambda: Notification.objects.filter(owner=alice, event="limit_breached").exists())
        seen = sessions[0].cycles.count()
        wait_for(lambda: sessions[0].cycles.count() > seen + 30)
    told = Notification.objects.get(owner=alice, event="limit_breached")
    assert "Simulated" in told.title
    assert "15,000.00" in told.text
