"""The test rig: a throw-away home directory, real servers, and Django set up against them.

The first part runs at import, before pytest-django looks for settings, because settings are read from the environment
once. Every pytest-xdist worker imports this file for itself and so gets a home, a Redis and a database of its own.

- `TEST_DATABASE=postgres` runs the tests that can differ by database, and only those, on a throw-away PostgreSQL
  cluster instead of an SQLite file (`_can_differ`).
- What a machine lacks (PostgreSQL, a browser, the real price files) skips its tests, with the reason in the summary.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import servers
from tradingsite.processes import spawn, stop

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
CHAOS_ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "0"))
"""0: each fault comes once, at moments that never change, as the suite runs it. `make chaos` asks for more, at random
moments."""

_home = Path(tempfile.mkdtemp(prefix="tw-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)


def _environment() -> None:
    """What settings.py will read: nothing of the developer's own, everything of this test process."""
    for name in ("DEBUG", "ALLOWED_HOSTS", "HTTPS", "BEHIND_PROXY", "CSRF_TRUSTED_ORIGINS", "BARS_DIR", "UPLOADS_DIR"):
        os.environ.pop(name, None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="tradingsite.settings",
        ENV_FILE=os.devnull,
        VAR_DIR=str(_home),
        TEST_RUN_DIR=os.environ.get("TEST_RUN_DIR", str(_home)),  # of xdist's controller: what its processes share
        SECRET_KEY="only-for-tests-" + "k" * 40,
        SECRETS_KEYS=urlsafe_b64encode(os.urandom(32)).decode("ascii"),
        REDIS_URL=servers.start_valkey(_home),
        PRACTICE_VENUE_URL="http://127.0.0.1:9",  # nobody's; a test that needs a venue has one of its own
        POLYGON_REQUESTS_PER_MINUTE="1000",  # a test asks more than a plan without a price allows
        ALPHA_VANTAGE_REQUESTS_PER_DAY="1000",
        ALPHA_VANTAGE_REQUESTS_PER_SECOND="100",
    )
    # Compiled kernels are shared by all test processes, and by the next run; compiling takes longer than most tests.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))


def _database_url() -> str:
    """An SQLite file of this process, or the cluster that the first process (xdist's controller) started for all."""
    if os.environ.get("TEST_DATABASE", "sqlite") == "sqlite":
        return f"sqlite:///{_home / 'db.sqlite3'}"
    if "TEST_POSTGRES_URL" not in os.environ:
        binaries = servers.postgres_binaries()
        if binaries is None:
            raise pytest.UsageError("TEST_DATABASE=postgres, but this machine has no PostgreSQL server (initdb)")
        os.environ["TEST_POSTGRES_URL"] = servers.start_postgres(binaries)
    return os.environ["TEST_POSTGRES_URL"]


_environment()
os.environ["DATABASE_URL"] = _database_url()

import django  # noqa: E402

django.setup()

from django.conf import settings as site_settings  # noqa: E402

# Every test client loads the middleware anew; without this each would read the head of every static file first (30 ms).
site_settings.WHITENOISE_AUTOREFRESH = True

hypothesis_settings.register_profile("default", deadline=None, print_blob=True)
hypothesis_settings.register_profile(
    "ci", deadline=None, print_blob=True, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "default")


# --- The run ---------------------------------------------------------------------------------------------------------
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each of xdist's processes read the settings after its own `_environment()`.

    They inherit ours. With DJANGO_SETTINGS_MODULE in it pytest-django would load the settings before this file is read:
    the server, the files and the database of the first process, while the programs that a test starts use others.
    """
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the names of failed tests for `.ci/test.py`, if it asks for them."""
    asked = os.environ.get("FAILED_TESTS")
    if asked and report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        with open(asked, "a", encoding="utf-8") as names:
            names.write(report.nodeid + "\n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if CHAOS_ROUNDS and "moment" not in metafunc.fixturenames and _provokes_at_a_database(metafunc):
        metafunc.fixturenames.append("moment")  # it draws nothing, but is asked in each round as well
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", range(max(CHAOS_ROUNDS, 1)), indirect=True, ids=lambda n: f"round{n}")


@pytest.fixture
def moment(request: pytest.FixtureRequest) -> random.Random:
    """Draws when a fault comes. The seed is printed with the test's name, so a round can be run again."""
    seed = os.environ.get("CHAOS_SEED", "1") if CHAOS_ROUNDS else "always"
    return random.Random(f"{request.node.name}-{seed}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note the faults that each test provokes. On PostgreSQL leave out what cannot differ by database, because the run
    on SQLite has shown it already: what never asks for one, what looks at pages in a browser (tests of views have shown
    their queries), and what says so itself (`one_database`)."""
    for item in items:
        if numbers := _faults(item):
            item.user_properties.append(("faults", " ".join(map(str, numbers))))
    asked = os.environ.get("CHAOS_FAULTS")
    if asked:
        _keep_only(config, items, lambda item: bool(set(_faults(item)) & set(map(int, asked.split()))))
    if os.environ.get("TEST_DATABASE", "sqlite") == "sqlite":
        return
    _keep_only(config, items, _can_differ)


def _keep_only(config: pytest.Config, items: list[pytest.Item], wanted: Callable[[pytest.Item], bool]) -> None:
    kept = [item for item in items if wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _provokes_at_a_database(metafunc: pytest.Metafunc) -> bool:
    marked = metafunc.definition.get_closest_marker
    return marked("fault") is not None and (marked("django_db") is not None or "db" in metafunc.fixturenames)


def _faults(item: pytest.Item) -> list[int]:
    return sorted({number for mark in item.iter_markers("fault") for number in mark.args})


def _can_differ(item: pytest.Item) -> bool:
    """Whether another database could change what the test shows."""
    if item.get_closest_marker("one_database") or item.get_closest_marker("browser"):
        return False
    return bool(item.get_closest_marker("django_db") or "db" in _fixtures(item))


def _fixtures(item: pytest.Item) -> set[str]:
    names = set(getattr(item, "fixturenames", ()))
    return names | ({"db"} if "transactional_db" in names else set())


# --- Real data, real browser -----------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of real price files; tests that ask for it are skipped where it does not exist."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real price files beside the project (they are not part of a user's clone)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; tests that ask for it are skipped where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip("no Chromium on PATH (on Debian: apt-get install chromium)")
    return found


# --- The site and its workers, as real processes and sockets ---------------------------------------------------------
def _service_env() -> dict[str, str]:
    from django.db import connection

    # Only now is the name of the test database known.
    settings, env = connection.settings_dict, dict(os.environ)
    if connection.vendor == "sqlite":
        env["DATABASE_URL"] = f"sqlite:///{settings['NAME']}"
    else:
        env["DATABASE_URL"] = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + settings["NAME"]
    # A soft stop: a running task gets two seconds, then the worker goes.
    return env | {"REMAP_SIGTERM": "SIGQUIT", "PYTHONPATH": str(ROOT), "LOG_LEVEL": "INFO"}


@pytest.fixture
def service_env(transactional_db: None) -> dict[str, str]:
    """The environment in which a process of its own (a worker, `manage.py …`) sees this test's database and Redis."""
    return _service_env()


def _start_worker(env: dict[str, str], queues: str, concurrency: int, log: Path) -> subprocess.Popen[bytes]:
    import sys

    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    argv = [sys.executable, "-m", "celery", "-A", "tradingsite", "worker", "-Q", queues, "-n", f"{name}@rig"]
    argv += ["-c", str(concurrency), "-l", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with log.open("ab") as out:
        process = spawn(argv, env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)

    def ready() -> bool:
        # Its own word for it, not a ping: on a busy machine a ping's answer comes later than anybody waits for it.
        said = log.read_text("utf-8")
        assert process.poll() is None, f"the worker ended while starting:\n{said[-4000:]}"
        return f"{name}@rig ready." in said

    servers.wait_until(ready, f"the worker to be ready; its log is {log}", timeout_s=60)
    return process


@pytest.fixture
def own_queue(settings: Any) -> str:
    """The queue that this test's tasks are sent to in place of "backtests": a worker that other tests share, with other
    addresses of the world in its environment, never takes them."""
    settings.CELERY_TASK_DEFAULT_QUEUE = f"own-{uuid.uuid4().hex[:8]}"
    return str(settings.CELERY_TASK_DEFAULT_QUEUE)


@pytest.fixture
def start_worker(service_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`start_worker(queues="backtests", concurrency=1, env={})` starts a real Celery worker of this test's own.

    It takes work when the call returns. Kill it at will; what is left is ended after the test. Its log is
    `worker-<n>.log` in the test's tmp_path.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(queues: str = "backtests", concurrency: int = 1, env: dict[str, str] | None = None) -> subprocess.Popen:
        log = tmp_path / f"worker-{len(started) + 1}.log"
        started.append(_start_worker(service_env | (env or {}), queues, concurrency, log))
        return started[-1]

    yield start
    stop(started, grace_s=5)


@pytest.fixture(scope="session")
def _shared_worker(django_db_setup: None, django_db_blocker) -> Iterator[subprocess.Popen[bytes]]:
    with django_db_blocker.unblock():
        process = _start_worker(_service_env(), "backtests", 2, _home / "worker.log")
    yield process
    stop([process], grace_s=5)


@pytest.fixture
def backtest_worker(transactional_db: None, _shared_worker: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """A real Celery worker (two processes) on this test's database; one for the whole run, its queues emptied first."""
    from tradingsite.celery import app

    assert _shared_worker.poll() is None, f"the shared worker ended:\n{(_home / 'worker.log').read_text()[-4000:]}"
    app.control.purge()
    return _shared_worker


@dataclass(frozen=True)
class Site:
    """Where the site under test answers."""

    url: str
    ws_url: str


@pytest.fixture(scope="session")
def _site_server(django_db_setup: None) -> Iterator[Site]:
    import uvicorn

    from tradingsite.asgi import application

    port = servers.free_port()
    config = uvicorn.Config(application, host="127.0.0.1", port=port, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="site under test", daemon=True)
    thread.start()
    servers.wait_until(lambda: server.started, "the site under test to listen")
    yield Site(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/ws/")
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def live_site(transactional_db: None, _site_server: Site) -> Site:
    """The real site (HTTP and websockets) on a loopback port, on this test's database."""
    return _site_server


# --- Who acts in the tests, and on what ------------------------------------------------------------------------------
from tests.accounts.cast import _fresh_rates, alice, api, bob, carol, premium  # noqa: E402, F401
from tests.accounts.venue import practice_venue  # noqa: E402, F401
from tests.databases import django_db_keepdb, django_db_modify_db_settings, django_db_setup  # noqa: E402, F401
from tests.marketdata.kept import exchange_sessions, kept_sample, kept_sessions, sample_prices  # noqa: E402, F401
