"""A session in a real host: from SCHEDULED to STOPPED, with what it leaves in the ledger."""

from __future__ import annotations

import pytest

from accounts.models import User
from bots.models import Order, TradingSession
from tests.bots.host.hosting import host, make, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_session_trades_and_stops(alice: User) -> None:
    session = make(alice, settings={"stop_loss_pct": 0.5})
    with host():
        wait_for(lambda: session.trades.count() >= 4, 60)
        TradingSession.objects.filter(pk=session.pk).update(wanted="STOP", stop_policy="flatten", stop_reason="user")
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED")
    session.refresh_from_db()
    assert session.word == "STOPPED"
    assert not session.positions.filter(is_open=True).exists()
    assert not session.orders.exclude(state__in=[*Order.State.values]).exists()
    assert session.final_cash == session.cash == session.equity
    for e in session.events.order_by("pk"): print(e.at, e.level, e.kind, e.text)
    print(session.cycles.count(), session.decisions.count(), session.trades.count(), session.total_trades, session.total_pnl)
    for c in list(session.cycles.order_by("ts_ns"))[5:12]: print(c.closed_at, c.received_at-c.closed_at, c.decided_at-c.received_at)
    for o in list(session.orders.order_by("pk"))[:6]: print(o, o.created_at - o.decided_at)
    d = session.decisions.exclude(outcome="no_signal").first(); print(d.outcome, d.detail, d.reasoning, d.gates)
