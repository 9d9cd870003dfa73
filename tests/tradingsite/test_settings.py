"""Settings: their layers, the sample file, and the secrets that are refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tradingsite.environment import redis_socket

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ENV_FILE": os.devnull}
GOOD_KEY = "kept-out-of-the-tree-" + "x7" * 20


def manage(*argv, cwd=ROOT, **environment):
    env = CLEAN | {"VAR_DIR": "/nonexistent/var", "SECRET_KEY": GOOD_KEY} | environment
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *argv], cwd=cwd, env=env, capture_output=True, text=True, timeout=120
    )


def run_python(program, **environment):
    """What a fresh process with these settings prints."""
    env = CLEAN | {
        "VAR_DIR": "/nonexistent/var",
        "SECRET_KEY": GOOD_KEY,
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def settings_shown(*argv, **environment):
    done = manage("config", "--json", *argv, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.row("H14", "P10")
def test_each_layer_beats_the_one_below(tmp_path):
    env_file = tmp_path / "env"
    env_file.write_text("PORT=1111\nLOG_LEVEL=WARNING\nHTTPS=true\n")
    shown = settings_shown("--set", "PORT=3333", ENV_FILE=str(env_file), PORT="2222", LOG_LEVEL="ERROR")
    assert shown["PORT"] == {"value": "3333", "layer": "command line"}
    assert shown["LOG_LEVEL"] == {"value": "ERROR", "layer": "environment"}
    assert shown["HTTPS"] == {"value": "True", "layer": ".env"}
    assert shown["LOG_FORMAT"] == {"value": "json", "layer": "default"}


@pytest.mark.row("H14")
def test_config_never_prints_a_secret():
    done = manage(
        "config",
        DATABASE_URL="postgres://tw:hunter2secret@db/tw",  # not-a-secret
        REDIS_URL="redis://:hunter3secret@r:6379/0",  # not-a-secret
    )
    assert done.returncode == 0
    assert "@db/tw" in done.stdout
    assert "@r:6379" in done.stdout
    for secret in (GOOD_KEY, "hunter2secret", "hunter3secret"):
        assert secret not in done.stdout + done.stderr


@pytest.mark.row("H14", "A8")
def test_a_value_of_the_wrong_kind_is_one_plain_line():
    done = manage("config", "--set", "PORT=eighty")
    assert done.returncode == 1
    assert done.stderr.strip() == "Settings: PORT cannot be read as int (from: command line)."


@pytest.mark.row("H14", "P10")
def test_config_check_finds_what_is_wrong_and_ends_with_1(tmp_path):
    done = manage(
        "config",
        "--check",
        "--set",
        "PROT=80",
        VAR_DIR=str(tmp_path),
        UPLOADS_DIR="/proc/no",
        REDIS_URL="unix:///no.sock",
    )
    assert done.returncode == 1
    lines = {line[9:].split(":")[0]: line for line in done.stdout.splitlines()}
    assert "PROT" in lines["names of settings"]
    assert "migrations are not applied" in lines["database"]
    assert lines["Redis"].startswith("PROBLEM")
    assert lines["UPLOADS_DIR can be written"].startswith("PROBLEM")
    assert lines["BARS_DIR can be written"].startswith("ok")
    assert lines["exchange calendar XNYS"].startswith("PROBLEM")


@pytest.mark.row("H14", "P10")
def test_config_check_is_content_with_a_prepared_installation(service_env):
    env = {name: service_env[name] for name in ("VAR_DIR", "DATABASE_URL", "REDIS_URL", "NUMBA_CACHE_DIR")}
    assert manage("load_sample_data", **env).returncode == 0
    done = manage("config", "--check", **env)
    problems = [line for line in done.stdout.splitlines() if not line.startswith("ok")]
    # The kernels are compiled by `make test`, not by a lone pytest; everything else must be well in both.
    assert [line for line in problems if "compiled kernels" not in line] == []
    assert done.returncode == bool(problems)


@pytest.mark.row("A9")
@pytest.mark.parametrize(
    "key",
    ["", "change-me", "change-me-" + "x" * 60, "django-insecure-" + "x" * 60, "short", "debug-only-not-a-secret" * 3],
)
def test_a_sample_or_short_secret_is_refused_outside_debug(key):
    done = manage("check", SECRET_KEY=key)
    assert done.returncode == 1
    assert done.stderr.startswith("Settings: SECRET_KEY is")
    assert manage("check", SECRET_KEY=key, DEBUG="true").returncode == 0


def test_a_command_that_signs_nothing_needs_no_secret(tmp_path):
    env = CLEAN | {"VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "strategies"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "ma_crossover" in done.stdout


def sample_names():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)


def test_the_sample_file_names_every_setting_and_nothing_else():
    # CONN_MAX_AGE is read with PostgreSQL only.
    names = set(settings_shown(DATABASE_URL="postgres://tw:x@db/tw"))
    assert len(sample_names()) == len(set(sample_names()))
    assert set(sample_names()) - {"POSTGRES_PASSWORD"} == names  # that one is compose.yaml's own


@pytest.mark.row("H14")
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TEST_RIG": "true", "ALLOWED_HOSTS": "trade.example"}, "TEST_RIG is for tests on loopback"),
        ({"FAILPOINTS": "after_intent=2"}, "FAILPOINTS kill processes on purpose"),
        ({"TEST_RIG": "true", "FAILPOINTS": "after_intent=soon"}, "FAILPOINTS are written name=count"),
        ({"ORDER_ID_PREFIX": "Prod-1"}, "ORDER_ID_PREFIX must be"),
        ({"SESSION_HOSTS": "0"}, "SESSION_HOSTS must be at least 1, and is 0"),
        ({"SESSION_SNAPSHOT_SECONDS": "-5"}, "SESSION_SNAPSHOT_SECONDS must be at least 1"),
        ({"DATA_PROVIDER": "moon"}, "DATA_PROVIDER is 'moon', and must be yahoo"),
        ({"POLYGON_REQUESTS_PER_MINUTE": "0"}, "POLYGON_REQUESTS_PER_MINUTE must be at least 1, and is 0"),
        ({"DATA_PRICE_PER_MONTH": "polygon=dear"}, "DATA_PRICE_PER_MONTH is written as amounts in USD"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(environment, said):
    done = manage("config", **environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Settings: {said}")


@pytest.mark.row("H14")
def test_a_test_rig_on_loopback_has_its_failpoints():
    shown = settings_shown(TEST_RIG="true", FAILPOINTS="after_intent=2,after_send=1")
    assert shown["FAILPOINTS"]["value"] == "{'after_intent': '2', 'after_send': '1'}"
    program = "from django.conf import settings; print(settings.FAILPOINTS)"
    assert run_python(program, TEST_RIG="true", FAILPOINTS="after_intent=2") == "{'after_intent': 2}"


def test_the_sample_secret_is_one_that_is_refused(tmp_path):
    sample = (ROOT / ".env.example").read_text(encoding="utf-8")
    env_file = tmp_path / "env"
    env_file.write_text(re.sub(r"^# (SECRET_KEY=)", r"\1", sample, flags=re.MULTILINE))
    env = CLEAN | {"ENV_FILE": str(env_file), "VAR_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert "SECRET_KEY is a sample" in done.stderr


@pytest.mark.row("P10")
def test_the_deployment_check_passes_with_the_four_production_settings():
    done = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        DATABASE_URL="postgres://tw:x@db/tw",
        REDIS_URL="redis://redis:6379/0",
        ALLOWED_HOSTS="trade.example",
    )
    assert done.returncode == 0, done.stderr


def test_a_long_directory_gets_a_short_private_socket():
    assert redis_socket(Path("/var/lib/tw")) == Path("/var/lib/tw/redis.sock")
    long = redis_socket(Path("/" + "deep/" * 30))
    assert len(str(long)) < 100
    assert long != redis_socket(Path("/" + "deep/" * 31))


@pytest.mark.row("M5")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "sqlite3 /nonexistent/var/db.sqlite3 IMMEDIATE"),
        ("postgres://tw:x@db:5433/books", "postgresql books None"),
    ],
)
def test_sqlite_by_default_and_postgres_by_url(url, expected):
    program = (
        "from django.conf import settings; db = settings.DATABASES['default'];"
        "print(db['ENGINE'].rpartition('.')[2], db['NAME'], db['OPTIONS'].get('transaction_mode'))"
    )
    assert run_python(program, **({"DATABASE_URL": url} if url else {})) == expected


def test_web_processes_load_no_heavy_library():
    """numba, pandas and the like cost a web process 300 MB and seconds of start-up."""
    program = (
        "import django, sys; django.setup(); import tradingsite.asgi, tradingsite.urls;"
        "heavy = {'numba', 'pandas', 'scipy', 'pyarrow', 'talib', 'exchange_calendars', 'sklearn', 'statsmodels'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run_python(program) == "[]"


def test_the_starter_loads_no_django():
    program = "import sys, tradingsite.up.command; print(sorted({'django.apps', 'celery', 'redis'} & set(sys.modules)))"
    assert run_python(program) == "[]"


@pytest.mark.row("P10", "P12")
def test_an_installation_rehearses_until_it_is_told_to_trade_real_money():
    def line(*argv: str, **environment: str) -> list[str]:
        said = manage("config", *argv, **environment).stdout
        return next(row for row in said.splitlines() if row.startswith("LIVE_TRADING ")).split()[1:]

    assert line() == ["default", "False"]
    assert line(LIVE_TRADING="true") == ["environment", "True"]
    assert line("--set", "LIVE_TRADING=false", LIVE_TRADING="true") == ["command", "line", "False"]
