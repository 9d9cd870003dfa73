"""Sweeps in real worker processes over a real Redis: one killed mid-way, a cancel, and turns between users."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone

from accounts.models import Tier, User
from backtests.models import Sweep, SweepChunk
from backtests.sweeps import selectors, services, tasks
from marketdata.bucket import Bucket
from marketdata.models import Coverage
from tests.backtests.sweeps.rig import BODY, run_all
from tests.marketdata.s3 import BUCKET, KEY, SECRET, serving
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.row("H16", "P9")]

BIG = {
    **BODY,
    "axes": [
        {"name": "fast_window", "from": 3, "to": 42, "step": 1},
        {"name": "slow_window", "from": 50, "to": 89, "step": 1},
    ],
}


@pytest.fixture(autouse=True)
def own_sweep_queue(own_queue: str, settings: Any) -> str:
    """The queue of this test's chunks; workers of the test are started for it."""
    settings.SWEEP_QUEUE = f"{own_queue}-sweeps"
    Tier.objects.all().update(max_sweep_cells=None, max_concurrent_sweeps=None)
    return settings.SWEEP_QUEUE


@pytest.fixture
def start(start_worker: Callable[..., Any], own_sweep_queue: str) -> Callable[..., Any]:
    """`start(processes)`: a worker that takes this test's chunks and asks for more in the same queue."""
    return lambda processes=1: start_worker(
        queues=own_sweep_queue, concurrency=processes, env={"SWEEP_QUEUE": own_sweep_queue}
    )


def done(sweep: Sweep) -> int:
    sweep.refresh_from_db()
    return sweep.cells_done


def over(sweep: Sweep) -> bool:
    sweep.refresh_from_db()
    return not sweep.is_active


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def of_strategy(sweep: Sweep, slug: str) -> None:
    """`held_crossover` is known in workers of this test only."""
    sweep.config["backtest"]["strategy"] = slug
    sweep.save(update_fields=["config"])


def test_kill_9_loses_nothing_and_counts_nothing_twice(
    alice: User,
    sample_data: None,
    start_worker: Callable[..., Any],
    own_sweep_queue: str,
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    """The one that is killed is in the middle of its chunk and stays there; the other works meanwhile."""
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 40)
    (hold := tmp_path / "hold").touch()
    env = {"SWEEP_QUEUE": own_sweep_queue, "METRIC_MODULES": "tests.backtests.proof.held_strategy"}
    sweep = services.submit(alice, BIG)
    of_strategy(sweep, "held_crossover")
    at_work = SweepChunk.objects.filter(sweep=sweep, state="RUNNING")
    worker = start_worker(queues=own_sweep_queue, env=env | {"HOLD_FILE": str(hold)})
    wait_until(lambda: at_work.count() == 1, "a worker in the middle of a chunk", timeout_s=120)
    held = at_work.get()
    other = start_worker(queues=own_sweep_queue, env=env | {"HOLD_FILE": str(tmp_path / "none")})
    wait_until(lambda: done(sweep) >= 80, "some of it by the other", timeout_s=120)
    for pid in [*children(worker.pid), worker.pid]:
        os.kill(pid, signal.SIGKILL)
    worker.wait(10)
    SweepChunk.objects.filter(pk=held.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    at = done(sweep)
    tasks.reap()
    wait_until(lambda: over(sweep), "the other worker to finish it", timeout_s=240)
    assert other.poll() is None
    assert (sweep.state, sweep.cells_done) == ("DONE", 1600), sweep.failure_reason
    assert at < 1600
    of_strategy(sweep, "ma_crossover")
    rows = selectors.rows(sweep)
    assert rows["cell"].tolist() == list(range(1600))
    seen: list[int] = []
    after, more = 0, True
    while more:
        got = selectors.cells(sweep, after)
        seen, after, more = seen + got["cell"], got["after"], got["more"]
    assert sorted(seen) == list(range(1600))
    again = SweepChunk.objects.filter(sweep=sweep, attempts__gt=1)
    assert list(again) == [held], "only the killed one's was run again"


def test_cancel_is_heard_by_a_worker_and_the_rest_can_go_on(
    alice: User, api: Any, live_site: Any, sample_data: None, start: Callable[..., Any]
) -> None:
    start()
    headers = {"Authorization": api(alice)._credentials["HTTP_AUTHORIZATION"]}
    with httpx.Client(base_url=live_site.url, headers=headers, timeout=30) as client:
        counted = client.post("/api/sweeps/check", json=BIG).json()
        assert counted["combinations"] == 1600
        answer = client.post("/api/sweeps", json=BIG)
        assert answer.status_code == 201, answer.text
        address = answer.headers["Location"]
        sweep = Sweep.objects.get(pk=answer.json()["id"])
        wait_until(lambda: done(sweep) > 0, "the first chunk", timeout_s=120)
        began = time.monotonic()
        assert client.post(f"{address}/cancel").json()["state"] == "CANCELED"
        wait_until(lambda: not SweepChunk.objects.filter(state="RUNNING").exists(), "workers to stop", timeout_s=20)
        took = time.monotonic() - began
        sys.stdout.write(f"from cancel to idle workers: {took:.2f} s\n")
        kept = client.get(address).json()["cells_done"]
        assert 0 < kept < 1600
        assert client.get(f"{address}/best?count=3").json()[0]["values"]["total_return_pct"] is not None
        assert client.post(f"{address}/resume").status_code == 200
        wait_until(lambda: over(sweep), "the rest", timeout_s=240)
        found = client.get(address).json()
        assert (found["state"], found["cells_done"]) == ("DONE", 1600)
        opened = client.post(f"{address}/open", json={"cell": 7})
        assert opened.status_code == 202
        assert client.post(f"{address}/open", json={"cell": 1600}).status_code == 400
        saved = client.post(f"{address}/save-as-strategy", json={"cell": 7, "name": "Seven"})
        assert saved.json()["parameters"]["slow_window"] == 57
        assert client.get("/api/sweeps").json()["count"] == 1
        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 404


def test_a_worker_on_another_machine_reads_the_bars_from_a_bucket(
    alice: User,
    sample_data: None,
    start_worker: Callable[..., Any],
    own_sweep_queue: str,
    settings: Any,
    tmp_path: Path,
) -> None:
    here = services.submit(alice, {**BODY, "name": "here"})
    run_all()
    files = [
        entry["file"] for row in Coverage.objects.filter(instrument__symbol="AAPL") for entry in row.files.values()
    ]
    with serving() as store:
        bucket = Bucket(store.url, BUCKET, KEY, SECRET)
        for file in files:
            bucket.send(file, Path(settings.BARS_DIR) / file)
        env = {
            "SWEEP_QUEUE": own_sweep_queue,
            "BARS_DIR": str(tmp_path / "of-another-machine"),
            "BARS_S3_BUCKET": BUCKET,
            "BARS_S3_URL": store.url,
            "BARS_S3_KEY": KEY,
            "BARS_S3_SECRET": SECRET,
        }
        start_worker(queues=own_sweep_queue, env=env)
        there = services.submit(alice, {**BODY, "name": "there"})
        wait_until(lambda: over(there), "the other machine to finish it", timeout_s=120)
        asked = [line for line in store.asked if line.startswith("GET")]
    assert (there.state, there.failure_reason) == ("DONE", "")
    here.refresh_from_db()
    assert there.data_hash == here.data_hash
    assert selectors.rows(there).tobytes() == selectors.rows(here).tobytes()
    assert len(asked) == len(set(asked)) > 0, "each file once"
