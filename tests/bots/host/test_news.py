"""What a host tells others while it trades: live events, queues on Redis, log lines."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from bots.host import streams
from tests.bots.host.hosting import host, make, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.row("I14", "P4")
def test_orders_and_signals_are_queued_and_logged(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    picky = {"fast_window": 3, "slow_window": 8, "min_strength_threshold": 0.00001}
    session = make(alice, settings={"min_confidence": 0.9999}, strategy_parameters=picky)
    free = make(alice, name="without a floor")
    with caplog.at_level(logging.INFO, logger="bots.host.news"), host():
        wait_for(lambda: free.trades.count() >= 2)
        wait_for(lambda: session.decisions.filter(outcome="low_confidence").exists())
        wait_for(lambda: {"order_event", "trade_executed", "risk_event"} <= {r.message for r in caplog.records})

    def ours(stream: str) -> Iterator[dict[str, Any]]:
        """Entries of these two sessions; other tests have left some of theirs."""
        read = streams.read(stream, "recorder", "one", block_ms=100)
        return (entry for entry in read if entry["session"] in (session.pk, free.pk))

    orders = list(itertools.islice(ours(streams.ORDERS), 2))
    assert {order["session"] for order in orders} == {free.pk}
    assert {order["state"] for order in orders} <= {"ACCEPTED", "FILLED"}
    again = next(ours(streams.ORDERS))
    assert again == orders[1], "what was never acknowledged is given again"
    signal = next(ours(streams.SIGNALS))
    assert signal["action"] in {"BUY", "SELL"}
    assert 0.0 <= signal["confidence"] <= 1.0
    refused = next(record.refusal for record in caplog.records if record.message == "risk_event")
    assert refused["refused_by"] == "low_confidence"
    assert refused["session"] == session.pk
