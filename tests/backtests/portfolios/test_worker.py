"""A portfolio study in a real worker process over a real Redis: as the site's client sees it, killed and canceled."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from websockets.sync.client import connect

from accounts import tokens
from accounts.models import User
from backtests import tasks
from backtests.models import AllocationStudy
from backtests.portfolios import services
from tests.backtests.portfolios.made import BODY
from tests.servers import wait_until

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


def test_kill_9_and_a_cancel_in_the_middle_of_the_work(alice: User, held_worker: Any) -> None:
    worker, hold = held_worker
    study = services.submit(alice, BODY)

    def at_work(attempt: int) -> bool:
        study.refresh_from_db()
        return (study.state, study.attempts, study.phase) == ("RUNNING", attempt, "backtest")

    wait_until(lambda: at_work(1), "the study in its backtest", timeout_s=120)
    for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)  # the pool's only child; its parent starts a new one
    first = AllocationStudy.objects.filter(pk=study.pk, attempts=1, state="RUNNING")

    def taken_again() -> bool:
        # Each time anew: a last heartbeat of the dead may still have been on its way.
        if first.update(heartbeat_at=Now() - timedelta(minutes=1)):
            tasks.reap()
        return at_work(2)

    wait_until(taken_again, "the second attempt in its backtest", timeout_s=120)
    assert services.cancel(alice, study.pk).state == "RUNNING"
    hold.unlink()
    wait_until(lambda: not now(study).is_active, "the worker to stop", timeout_s=60)
    assert (study.state, study.document, study.attempts) == ("CANCELED", None, 2)
    after = services.submit(alice, BODY)
    wait_until(lambda: not now(after).is_active, "the next one", timeout_s=120)
    assert (after.state, after.attempts) == ("DONE", 1), after.failure_reason


def now(study: AllocationStudy) -> AllocationStudy:
    study.refresh_from_db()
    return study
