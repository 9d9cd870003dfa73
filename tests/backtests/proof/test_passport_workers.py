"""A passport in real worker processes over a real Redis: one of two killed half-way, and a cancel while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from backtests import tasks
from backtests.models import Backtest, Passport, TrialCount
from backtests.proof import services
from tests.backtests.proof.rig import made
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.row("W7", "P9")]

Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """While this file is there, no run of a passport but the first comes to an end."""
    path = tmp_path / "hold"
    path.touch()
    return path


@pytest.fixture
def start(start_worker: Callable[..., Any], own_queue: str, hold: Path) -> Start:
    env = {"METRIC_MODULES": "tests.backtests.proof.held_strategy", "HOLD_FILE": str(hold)}
    return lambda: start_worker(queues=own_queue, env=env)


def held(user: User, backtest: Backtest) -> Passport:
    """A passport that waits for a worker, of the strategy that only workers of this test have."""
    passport = services.request(user, backtest.pk)
    passport.strategy = passport.config["strategy"] = "held_crossover"
    passport.save(update_fields=["strategy", "config"])
    return passport


def half_way(passport: Passport) -> bool:
    passport.refresh_from_db()
    return passport.state == "RUNNING" and passport.runs_done > 0


def is_over(passport: Passport) -> bool:
    passport.refresh_from_db()
    return not passport.is_active


def test_kill_9_of_one_of_two_workers_loses_nothing_and_counts_nothing_twice(
    alice: User, tested: Backtest, start: Start, hold: Path, tmp_path: Path
) -> None:
    here = made(alice, tested)
    before = list(TrialCount.objects.values_list("data_key", "variants"))
    passport = held(alice, tested)
    for _ in range(3):
        tasks.enqueue_passport(passport.pk)  # messages that come more than once, to two workers
    workers = [start(), start()]
    logs = [tmp_path / f"worker-{k}.log" for k in (1, 2)]
    wait_until(lambda: half_way(passport), "a passport half-way", timeout_s=120)
    taken = f"passport {passport.pk}: nothing to claim"  # of this one: there is a message for the first, too
    wait_until(lambda: any(taken in log.read_text() for log in logs), "the other to find it taken", timeout_s=60)
    idle = [taken in log.read_text() for log in logs]
    assert sorted(idle) == [False, True], "one is at it, and only one"
    assert (passport.attempts, 0 < passport.runs_done < passport.runs_total) == (1, True)

    killed = workers[idle.index(False)]
    for pid in [*children(killed.pid), killed.pid]:
        os.kill(pid, signal.SIGKILL)
    killed.wait(10)
    Passport.objects.filter(pk=passport.pk).update(heartbeat_at=Now() - timedelta(minutes=1))
    hold.unlink()
    tasks.reap()
    wait_until(lambda: is_over(passport), "the other worker to make it", timeout_s=120)
    assert (passport.state, passport.attempts) == ("DONE", 2), passport.failure_reason
    assert passport.result_hash == here.result_hash, "to the last bit what one process makes of it"
    assert passport.runs_done == passport.runs_total == here.runs_total
    assert passport.trials == here.trials == 1
    assert list(TrialCount.objects.values_list("data_key", "variants")) == before
    assert Passport.objects.count() == 2


def test_a_cancel_is_heard_in_the_middle_of_the_work(alice: User, tested: Backtest, start: Start, hold: Path) -> None:
    passport = held(alice, tested)
    start()
    wait_until(lambda: half_way(passport), "a passport half-way", timeout_s=120)
    assert services.cancel(alice, passport.pk).state == "RUNNING"
    hold.unlink()
    wait_until(lambda: is_over(passport), "the worker to stop", timeout_s=60)
    assert (passport.state, passport.document, passport.verdict) == ("CANCELED", None, "")
    assert passport.runs_done < passport.runs_total
    again = services.request(alice, tested.pk)
    assert again.pk != passport.pk, "what was canceled is asked for anew"


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
