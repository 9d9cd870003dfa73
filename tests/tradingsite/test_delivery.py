"""What is delivered around the code: the image, the compose file, the locks, the README, CI."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tradingsite import __version__
from tradingsite.up import programs
from tradingsite.up.command import child_environment

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "tradingsite/up/uv.lock",
    "tradingsite/up/node.lock",
    "package-lock.json",
)


def script(name):
    """A script of .ci, which is no package, as a module."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lint, secret_scan, smoke = script("lint"), script("secret_scan"), script("smoke")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def instructions():
    """The Dockerfile as (INSTRUCTION, rest) pairs, continued lines joined, comments gone."""
    text = re.sub(r"^\s*#.*\n", "", read("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(read("compose.yaml"))


@pytest.mark.row("P1")
def test_the_image_runs_as_nobody_special_and_has_the_asked_health_check():
    last_stage = instructions()[max(i for i, (word, _) in enumerate(instructions()) if word == "FROM") :]
    users = [rest for word, rest in last_stage if word == "USER"]
    assert users[-1] not in {"root", "0"}
    # Nothing after the last USER may need root: no RUN, no COPY.
    after = last_stage[[word for word, _ in last_stage].index("USER") + 1 :]
    assert {word for word, _ in after} <= {"VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}
    check = next(rest for word, rest in last_stage if word == "HEALTHCHECK")
    assert dict(re.findall(r"--([a-z-]+)=(\S+)", check)) == {
        "interval": "30s",
        "timeout": "10s",
        "retries": "3",
        "start-period": "5s",
    }
    for word, rest in last_stage:
        if word in {"CMD", "HEALTHCHECK"}:
            module = json.loads(rest[rest.index("[") :])[2]
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file()


@pytest.mark.row("P1")
def test_the_image_gets_only_files_that_exist_and_no_secret():
    copied = [rest.split() for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    for *sources, _ in copied:
        for source in sources:
            assert source == "." or (ROOT / source).exists(), source
    ignored = read(".dockerignore").splitlines()
    assert ignored[1] == "*"  # nothing goes in but what is named
    for line in ignored:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    assert not any(line.startswith(("!.env", "!var", "!.git")) for line in ignored)


@pytest.mark.row("P1")
def test_compose_runs_the_same_programs_as_make_run(compose):
    services = compose["services"]
    kept = {"migrate", "web", "worker-backtests", "worker-trading", "beat", "postgres", "redis"}
    assert set(services) == {*kept, "venue"}
    assert services["worker-backtests"]["command"] == programs.backtest_worker(2, "python")
    assert services["worker-trading"]["command"] == programs.trading_worker("python")
    assert services["beat"]["command"] == programs.beat("python")
    venue = [*programs.practice_venue(8310, "python"), "--host", "0.0.0.0"]
    assert (services["venue"]["command"], services["venue"]["profiles"]) == (venue, ["practice"])
    assert "ports" not in services["venue"]
    image_command = next(rest for word, rest in reversed(instructions()) if word == "CMD")
    assert json.loads(image_command) == programs.web("python")


@pytest.mark.row("P1")
def test_the_image_gives_processes_the_environment_that_make_run_gives():
    (block,) = [rest for word, rest in instructions() if word == "ENV"]
    image = dict(pair.split("=", 1) for pair in block.split())
    here = child_environment()
    shared = {"REMAP_SIGTERM", "PYTHONUNBUFFERED", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}
    assert {name: image[name] for name in shared} == {name: here[name] for name in shared}


@pytest.mark.row("P1")
def test_compose_keeps_data_checks_health_and_opens_loopback_only(compose):
    services = compose["services"]
    for name in ("postgres", "redis", "worker-backtests", "worker-trading"):
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
    kept = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert kept == set(compose["volumes"])
    assert [port for service in services.values() for port in service.get("ports", [])] == [
        "127.0.0.1:${PORT:-8000}:8000"
    ]
    assert all(service.get("user") != "root" and not service.get("privileged") for service in services.values())


@pytest.mark.row("P1", "P10")
def test_compose_is_configured_by_documented_variables_and_holds_no_secret(compose):
    sample = read(".env.example")
    for name in re.findall(r"\$\{(\w+)", read("compose.yaml")):
        assert re.search(rf"^# ?{name}=", sample, re.MULTILINE), f"{name} is not in .env.example"
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD", name):
                assert value.startswith("${"), f"{name} is written down in compose.yaml"


def test_locks_pin_every_package_with_hashes_and_name_no_registry():
    for name in LOCKS:
        assert secret_scan.faults(name, read(name)) == []
    for name in LOCKS[:-1]:
        requirements = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", read(name), flags=re.MULTILINE).strip())
        assert all("==" in one and "--hash=sha256:" in one for one in requirements), name
    packages = json.loads(read("package-lock.json"))["packages"]
    assert all("integrity" in package for path, package in packages.items() if path)


@pytest.mark.parametrize(("source", "lock"), [("requirements.txt", LOCKS[0]), ("requirements-dev.txt", LOCKS[1])])
def test_the_lock_holds_what_the_requirements_name(source, lock):
    named = re.findall(r"^([A-Za-z][\w.-]*)", read(source), re.MULTILINE)
    pinned = set(re.findall(r"^([a-z0-9][\w.-]*)==", read(lock), re.MULTILINE))
    missing = [name for name in named if re.sub(r"[-_.]+", "-", name).lower() not in pinned]
    assert missing == [], "run `make lock`"


@pytest.mark.row("P7")
def test_ci_calls_the_targets_that_readme_names():
    ci = read(".ci/run")
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
    assert "set -euo pipefail" in ci
    for step in ("make lint", "make test", "python .ci/smoke.py"):
        assert re.search(rf"^(COVERAGE=1 |\.venv/bin/)?{re.escape(step)}$", ci, re.MULTILINE), step
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert {"run", "test", "lint", "bench", "lock", "clean"} <= targets


@pytest.mark.row("P7")
def test_every_command_in_readme_is_one_that_ci_runs():
    named = smoke.commands(read("README.md"))
    assert {"make run", "make test"} <= set(named)
    for command in named:
        words = shlex.split(command)
        if words[0] == "make":
            assert command == "make run" or command in smoke.RUN_BY_CI_ITSELF, command
        else:  # the smoke run executes it as it stands; what it starts must exist
            assert words[:2] == [".venv/bin/python", "manage.py"], command
    assert all(command in read(".ci/run") for command in smoke.RUN_BY_CI_ITSELF)


def test_readme_points_at_files_that_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", read("README.md")):
        if target != "docs/img/result.png":
            assert (ROOT / target).exists(), target


def test_one_version():
    assert tomllib.loads(read("pyproject.toml"))["project"]["version"] == __version__
    assert f"## {__version__} " in read("CHANGELOG.md")


@pytest.mark.row("P7")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "key = 'AKIA" + "ABCDEFGHIJKLMNOP'"),
        ("a.py", "API_KEY = '" + "q8Zt1LmX0vRk7TyPw3Hn6Bd" + "'"),
        ("b.env", "DATABASE_URL=postgres://tw:" + "correct-horse" + "@db/tw"),
        ("c.txt", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("package-lock.json", '"resolved": "x"'),
        ("requirements.lock", "--index-url " + "somewhere"),
    ],
)
def test_the_secret_scan_finds_what_it_looks_for(name, line):
    found = secret_scan.faults(name, f"harmless\n{line}\n")
    assert found
    assert all(fault.startswith(f"{name}:2 ") for fault in found)
    assert secret_scan.faults(name, "harmless\nSECRET_KEY=change-me\npassword = form['password']\n") == []


def test_lint_runs_every_check_and_fails_when_one_does(tmp_path):
    names = " ".join(name for name, *_ in lint.checks(str(tmp_path)))
    for tool in ("ruff", "mypy", "import-linter", "migrations", "check --deploy", "bandit", "secret"):
        assert tool in names


def test_bootstrap_refuses_what_it_does_not_know():
    done = subprocess.run(
        [sys.executable, "tradingsite/up/bootstrap.py", "nonsense"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "run|dev" in done.stdout
