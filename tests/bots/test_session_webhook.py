"""A user's webhook hears of each session that is created, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts import deliveries
from accounts.models import Delivery, User
from accounts.services import notifications
from bots.services import bots, sessions
from tests.accounts.receiver import Receiver, receiving
from tests.bots.factories import make_bot

START: dict[str, Any] = {"strategy": "ma_crossover", "symbols": ["SIM-ALPHA"], "initial_cash": 5_000}


@pytest.fixture
def webhook(alice: User, settings: Any) -> Iterator[Receiver]:
    """alice's webhook: a server of this test's own."""
    with receiving() as receiver:
        settings.WEBHOOK_PORTS, settings.WEBHOOK_PRIVATE_NETWORKS = [receiver.port], True
        # Only what is critical as a notification: a created session is told whatever the least level is.
        notifications.set_channel(
            alice, "webhook", address=f"{receiver.url}/hook", secret="a signing secret of hers", min_level="critical"
        )
        yield receiver


@pytest.mark.row("C5")
def test_a_new_session_is_posted_once(alice: User, webhook: Receiver, api: Any) -> None:
    client = api(alice)
    first = client.post("/api/trading/sessions/start", START, headers={"Idempotency-Key": "one"})
    again = client.post("/api/trading/sessions/start", START, headers={"Idempotency-Key": "one"})
    assert (first.status_code, again.json()["id"]) == (201, first.json()["id"])
    deliveries.run_due()
    [(path, headers, _)] = webhook.seen
    assert (path, headers["X-Tradewright-Event"]) == ("/hook", "session_created")
    told = webhook.body()
    assert told["session_id"] == str(first.json()["id"])
    assert told["data"] == {
        "id": first.json()["id"],
        "bot": None,
        "name": "",
        "mode": "PAPER",
        "strategy": "ma_crossover",
        "strategy_parameters": told["data"]["strategy_parameters"],
        "symbols": ["SIM-ALPHA"],
        "timeframe": "1m",
        "initial_cash": "5000.00",
        "feed": "synthetic",
    }
    assert told["data"]["strategy_parameters"]["fast_window"] == 10


@pytest.mark.row("C5")
def test_a_started_bot_is_posted_and_nobody_without_a_webhook(alice: User, bob: User, webhook: Receiver) -> None:
    bot = make_bot(alice)
    session, new = bots.start(alice, bot.pk)
    assert new
    bots.start(alice, bot.pk)
    sessions.start(bob, START)
    deliveries.run_due()
    assert [webhook.body(n)["data"]["bot"] for n in range(len(webhook.seen))] == [bot.pk]
    assert session.pk == int(webhook.body()["session_id"])
    assert not Delivery.objects.filter(owner=bob).exists()
