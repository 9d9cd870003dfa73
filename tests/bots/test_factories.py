"""The sessions that tests stand on add up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db.models import Sum

from accounts.models import User
from bots.models import TradingSession
from bots.states import SessionState
from tests.bots.factories import closed_positions, fill_session, make_bot, make_session


@pytest.mark.parametrize("state", [SessionState.RUNNING, SessionState.STOPPED])
@pytest.mark.parametrize("symbols", [["SIM-ALPHA"], ["SIM-ALPHA", "SIM-BETA", "SIM-GAMMA"]], ids=len)
def test_a_filled_session_adds_up(alice: User, state: SessionState, symbols: list[str]) -> None:
    session = fill_session(make_session(alice, state=state, symbols=symbols, bot=make_bot(alice)), bars=90)
    session = TradingSession.objects.get(pk=session.pk)
    flows = sum(trade.qty * trade.px * (1 if trade.side == "SELL" else -1) for trade in session.trades.all())
    fees = session.trades.aggregate(fees=Sum("commission"))["fees"]
    assert session.cash == session.initial_cash + flows - fees
    assert session.total_pnl == sum((row.realised_pnl for row in closed_positions(session)), Decimal(0))
    assert session.equity == session.cash + session.exposure
    assert session.open_positions == session.positions.filter(is_open=True).count()
    assert bool(session.open_positions) == session.is_active
    assert session.decisions.count() == 90 * len(symbols)
    assert float(session.equity) == pytest.approx(session.cycles.order_by("-ts_ns")[0].equity)
