"""A session that quotes two sides is its backtest, to the last bit; whoever kills its host changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from bots import parity
from bots.models import TradingSession
from strategies import base
from tests.bots.host import market, quoting
from tests.bots.host.audit import assert_no_bar_is_missing, check
from tests.bots.host.processes import KILLED_BY_FAILPOINT, HostProcess, eventually, lease_runs_out

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = {
    "allow_short": True,
    "stop_loss_pct": 1.0,
    "max_position_size_pct": 25.0,
    "max_symbol_concentration_pct": None,
    "commission_rate": 0.0001,
}


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    quoting.known()
    yield
    del base._registry["made_quotes"]


def session_of(owner: User, **settings: Any) -> TradingSession:
    return market.session(owner, strategy="made_quotes", strategy_parameters={}, settings=SETTINGS | settings)


def assert_the_backtest(session: TradingSession) -> None:
    eventually(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED", "the replay to end", 120)
    session.refresh_from_db()
    check(session)
    assert_no_bar_is_missing(session, market.MINUTE)
    report = parity.make(session)
    assert report.identical, report.differences
    assert report.fills_compared > 20


@pytest.mark.row("D12", "W1")
def test_a_session_over_quotes_is_its_backtest(alice: User, bars: None, start_host: Callable[..., HostProcess]) -> None:
    session = session_of(alice)
    start_host()
    assert_the_backtest(session)
    fills = session.trades.filter(reason="quote")
    assert fills.filter(is_entry=True).exists()
    assert fills.filter(is_entry=False).exists()
    # an order that closed and opened has both, each in the position it belongs to
    positions = [set(fills.filter(order=order).values_list("position", flat=True)) for order in session.orders.all()]
    assert any(len(two) == 2 for two in positions)
    assert session.trades.filter(reason="stop_loss").exists()
    assert session.decisions.filter(outcome="quoting").exists()
    stated = session.decisions.filter(terms__has_key="quote_qty").first()
    assert stated is not None
    assert np.isclose(stated.terms["ask_px"] - stated.terms["bid_px"], 1.0)


@pytest.mark.row("D12", "W2", "I8")
@pytest.mark.parametrize("fault", ["after_intent", "after_send", "after_fill_recv"])
def test_a_host_that_dies_around_a_quote(
    fault: str, alice: User, bars: None, moment: random.Random, start_host: Callable[..., HostProcess]
) -> None:
    session = session_of(alice, allow_short=False)
    for _ in range(2):
        host = start_host(failpoints={fault: moment.randint(1, 9)})
        assert host.wait() == KILLED_BY_FAILPOINT
        lease_runs_out(session.pk)
    start_host()
    assert_the_backtest(session)
