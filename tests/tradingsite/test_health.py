"""`/health`, `/health/live` and the signs of life of the workers."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import redis

from tests.servers import free_port, wait_until
from tradingsite import heartbeat
from tradingsite.environment import REDIS_URL
from tradingsite.processes import spawn, stop

ROOT = Path(__file__).resolve().parents[2]


def fetch(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


@pytest.fixture
def signs():
    """The Redis keys of the signs, cleaned before and after."""
    client = redis.Redis.from_url(REDIS_URL)

    def clean():
        for key in client.scan_iter("tw:pulses:*"):
            client.delete(key)
        for key in client.scan_iter("tw:answer:*"):
            client.delete(key)

    clean()
    yield client
    clean()


def set_pulse(client, queue, age_s=0.0, idle_s=0.0, worker="one@rig"):
    now = time.time()
    client.hset(f"tw:pulses:{queue}", worker, json.dumps({"at": now - age_s, "idle_since": now - idle_s}))


@pytest.mark.row("B26")
@pytest.mark.django_db(transaction=True)
def test_health_is_200_with_a_running_worker_and_names_each_part(live_site, signs, start_worker, settings):
    start_worker(queues="backtests,trading,housekeeping")
    status, body = fetch(f"{live_site.url}/health")
    assert (status, body["status"]) == (200, "ok")
    well = dict.fromkeys(("database", "redis", "disk", "worker_backtests", "worker_trading", "sessions"), "ok")
    assert body["checks"] == {**well, "practice_venue": "does not answer"}  # of no consequence but to rehearsals
    settings.PRACTICE_VENUE = False
    assert fetch(f"{live_site.url}/health")[1]["checks"] == well
    assert body["version"] == __import__("tradingsite").__version__


@pytest.mark.row("B26")
@pytest.mark.django_db(transaction=True)
def test_health_is_503_without_a_worker_and_stays_quick(live_site, signs):
    began = time.monotonic()
    status, body = fetch(f"{live_site.url}/health")
    assert time.monotonic() - began < 1
    assert status == 503
    assert body["checks"]["worker_backtests"] == "no pulse"
    assert body["checks"]["database"] == "ok"
    assert fetch(f"{live_site.url}/health/live")[0] == 200


@pytest.mark.row("B26")
@pytest.mark.django_db
def test_probes_need_no_login_no_known_host_and_change_nothing(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/health", headers={"host": "10.1.2.3"})
    assert answer.status_code in {200, 503}
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Request-ID"]
    assert client.get("/health/live", headers={"host": "10.1.2.3"}).status_code == 200
    assert client.post("/health", headers={"host": "10.1.2.3"}).status_code == 405
    assert not answer.cookies


@pytest.mark.row("B26")
@pytest.mark.django_db
def test_health_is_503_when_the_disk_is_nearly_full(client, settings):
    settings.HEALTH_MIN_FREE_MB = 10**9
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["disk"] == "nearly full"


@pytest.mark.row("B26")
@pytest.mark.django_db
def test_health_is_503_when_the_disk_is_not_there(client, settings, tmp_path):
    settings.VAR_DIR = tmp_path / "not mounted"
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["disk"] == "unavailable"


@pytest.mark.row("B26")
def test_health_says_so_when_database_and_redis_are_away(tmp_path):
    port = free_port()
    env = os.environ | {
        "PORT": str(port),
        "VAR_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://nobody:not-told@127.0.0.1:1/none",  # not-a-secret
        "REDIS_URL": "redis://:not-told-either@127.0.0.1:1/0",
    }
    log = tmp_path / "web.log"
    with log.open("wb") as out:
        web = spawn([sys.executable, "-m", "tradingsite.web"], env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health/live"), f"the site; {log.read_text()}", 30)
        began = time.monotonic()
        status, body = fetch(f"http://127.0.0.1:{port}/health")
        assert time.monotonic() - began < 8
        assert status == 503
        assert body["checks"]["database"] == body["checks"]["redis"] == "does not answer"
        assert "not-told" not in json.dumps(body)
        assert subprocess.run([sys.executable, "-m", "tradingsite.probe"], cwd=ROOT, env=env).returncode == 0
    finally:
        stop([web], grace_s=5)
    assert "not-told" not in log.read_text()
    assert subprocess.run([sys.executable, "-m", "tradingsite.probe"], cwd=ROOT, env=env).returncode == 1


def _answers(url):
    try:
        return fetch(url)[0] == 200
    except (OSError, ValueError):
        return False


def test_a_busy_worker_is_not_silent_and_a_deaf_one_is(signs):
    assert heartbeat.silent(["backtests"]) == {"backtests": "no pulse"}
    set_pulse(signs, "backtests", idle_s=0)  # busy until now, so it had no chance to answer
    assert heartbeat.silent(["backtests"]) == {}
    set_pulse(signs, "backtests", idle_s=heartbeat.SILENT_AFTER_S + 1)
    assert heartbeat.silent(["backtests"]) == {"backtests": "idle, but takes no work"}
    heartbeat.write_answer("backtests")
    assert heartbeat.silent(["backtests"]) == {}
    set_pulse(signs, "backtests", age_s=heartbeat.SILENT_AFTER_S + 1)
    assert heartbeat.silent(["backtests"]) == {"backtests": "no pulse"}


def test_of_several_workers_one_that_works_is_enough_and_one_that_stops_takes_only_its_own_pulse(signs):
    long_ago = heartbeat.SILENT_AFTER_S + 1
    for worker in ("one@rig", "two@rig"):
        heartbeat.write_pulse(["backtests"], worker, idle_since=time.time())
    heartbeat.forget(["backtests"], "one@rig")
    assert heartbeat.silent(["backtests"]) == {}
    set_pulse(signs, "backtests", age_s=long_ago, worker="killed@rig")
    assert heartbeat.silent(["backtests"]) == {}
    assert heartbeat.pulse_age_s("backtests") < long_ago
    set_pulse(signs, "backtests", idle_s=long_ago, worker="deaf@rig")
    assert heartbeat.silent(["backtests"]) == {}
    heartbeat.forget(["backtests"], "two@rig")
    assert heartbeat.silent(["backtests"]) == {"backtests": "idle, but takes no work"}
    heartbeat.forget(["backtests"], "deaf@rig")
    assert heartbeat.silent(["backtests"]) == {"backtests": "no pulse"}


def test_the_pulse_of_a_worker_that_died_is_not_kept_for_ever(signs):
    set_pulse(signs, "backtests", age_s=3_700, worker="killed@rig")
    heartbeat.write_pulse(["backtests"], "one@rig", idle_since=time.time())
    assert signs.hkeys("tw:pulses:backtests") == [b"one@rig"]


@pytest.mark.django_db(transaction=True)
def test_a_worker_gives_both_signs_and_takes_its_pulse_along_when_it_stops(signs, start_worker, service_env):
    from tradingsite.tasks import answer

    # Not the queue that the shared worker of other tests may be alive for.
    worker = start_worker(queues="housekeeping")
    assert signs.hlen("tw:pulses:housekeeping") == 1
    answer.apply_async(args=["housekeeping"], queue="housekeeping")
    wait_until(lambda: signs.get("tw:answer:housekeeping") is not None, "the worker to answer")
    probe = [sys.executable, "-m", "tradingsite.probe", "housekeeping"]
    assert subprocess.run(probe, cwd=ROOT, env=service_env).returncode == 0
    worker.terminate()
    assert worker.wait(10) == 0
    assert signs.hlen("tw:pulses:housekeeping") == 0
    assert subprocess.run(probe, cwd=ROOT, env=service_env).returncode == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_fails_leaves_with_a_status_that_says_so(service_env, tmp_path):
    """So that whoever supervises it does not take it for a stop in good order."""
    pid_file = tmp_path / "worker.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    argv = [sys.executable, "-m", "celery", "-A", "tradingsite", "worker", "-Q", "none", "-n", "second@rig"]
    done = subprocess.run(
        [*argv, "--pidfile", str(pid_file)], cwd=ROOT, env=service_env, capture_output=True, text=True, timeout=60
    )
    assert "already exists" in done.stdout + done.stderr
    assert done.returncode == os.EX_CANTCREAT
