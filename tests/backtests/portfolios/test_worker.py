"""A portfolio study in a real worker process over a real Redis, as the site's client sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.sync.client import connect

from accounts import tokens
from accounts.models import User
from backtests.portfolios import services
from tests.backtests.portfolios.made import BODY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.row("K7", "P9")]


def test_a_worker_does_it_and_its_owner_hears(
    alice: User, sample_data: None, own_queue: str, start_worker: Callable[..., Any], live_site: Any
) -> None:
    study = services.submit(alice, {**BODY, "rebalance": "weekly"})
    login = {"Authorization": f"Bearer {tokens.begin(alice).access}"}
    with connect(live_site.ws_url, additional_headers=login) as socket:
        socket.send(json.dumps({"op": "subscribe", "topic": study.topic}))
        assert json.loads(socket.recv(timeout=10))["event"] == "subscribed"
        start_worker(queues=own_queue)  # nobody listened there before
        heard = [json.loads(socket.recv(timeout=240))]
        while heard[-1]["payload"]["state"] in ("QUEUED", "RUNNING"):
            heard.append(json.loads(socket.recv(timeout=240)))
    assert {message["event"] for message in heard} == {"portfolio_progress"}
    assert heard[-1]["payload"]["state"] == "DONE", heard[-1]["payload"]["failure_reason"]
    study.refresh_from_db()
    assert study.state == "DONE"
