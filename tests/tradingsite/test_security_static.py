"""What is checked without a request: settings for production, floors of dependencies, patterns that must not appear."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from django.apps import apps
from packaging.requirements import Requirement
from packaging.version import Version
from rest_framework import serializers

from accounts.models import User
from strategies.api.custom_shapes import CustomRequestSerializer
from tradingsite.lib.fields import RefuseUnknown

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "backtests", "bots", "marketdata", "strategies", "tradingsite")
SOURCES = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]

# Oldest versions without a known hole that we would be open to, or without a call that we rely on.
FLOORS = {
    "django": "5.2.11",  # CVE-2026-1287, CVE-2026-1312: injection by column alias and order_by
    "djangorestframework": "3.15.2",  # CVE-2024-21520
    "djangorestframework-simplejwt": "5.5.1",
    "celery": "5.2.2",  # CVE-2021-23727
    "kombu": "5.4",
    "websockets": "13",
    "pyjwt": "2.10.1",  # CVE-2024-53861
}


@pytest.mark.parametrize("name", FLOORS)
def test_installed_versions_are_at_least_the_floor(name):
    assert Version(version(name)) >= Version(FLOORS[name])


def test_requirements_do_not_allow_less_than_the_floor():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    named = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    for requirement in named:
        floor = FLOORS.get(requirement.name.lower())
        assert requirement.specifier, f"{requirement.name} has no floor"
        if floor:
            lowest = next(Version(spec.version) for spec in requirement.specifier if spec.operator in (">=", "=="))
            assert lowest >= Version(floor), requirement


def production(**changes: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "VAR_DIR": os.environ["VAR_DIR"],
        "SECRET_KEY": "p" + os.urandom(32).hex(),
        "ALLOWED_HOSTS": "trade.example.org",
        "REDIS_URL": os.environ["REDIS_URL"],
        "DATABASE_URL": os.environ["DATABASE_URL"],
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=ROOT, env=env | changes, capture_output=True, text=True, check=False)


def test_production_settings_pass_djangos_deployment_check():
    done = production()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("key", ["", "change-me" * 5, "short", "django-insecure-" + "x" * 40])
def test_a_sample_secret_does_not_start_outside_debug(key):
    done = production(SECRET_KEY=key)
    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_no_serializer_takes_all_fields():
    assert SOURCES
    for path in SOURCES:
        assert "__all__" not in path.read_text(encoding="utf-8").replace("__all__ = [", ""), path


def serializer_classes(base: type = serializers.Serializer) -> set[type]:
    found = set()
    for kind in base.__subclasses__():
        found |= {kind} | serializer_classes(kind)
    return {kind for kind in found if kind.__module__.split(".")[0] in APPS}


def test_no_serializer_writes_what_only_the_platform_may_write():
    """Mass assignment: each writable serializer is sent every field of every model; it may take only its own."""
    from tradingsite import urls  # noqa: F401  (loads every view and with it every serializer)

    forbidden = {
        "id",
        "owner",
        "owner_id",
        "user",
        "user_id",
        "tier",
        "tier_id",
        "is_staff",
        "is_superuser",
        "is_active",
    }
    forbidden |= {"state", "status", "login_epoch", "created_at", "finished_at", "result_hash", "data_hash"}
    every_field = {field.name for model in apps.get_models() for field in model._meta.get_fields()}
    assert forbidden - {"owner_id", "user_id", "tier_id", "status"} <= every_field
    checked = 0
    for kind in serializer_classes():
        writable = {name for name, field in kind().fields.items() if not field.read_only}
        if not issubclass(kind, RefuseUnknown):
            continue  # a shape of answers; the next test holds that no view reads a body with one
        serializer = kind(data=dict.fromkeys(every_field | forbidden, "x"))
        if hasattr(kind, "ignored"):
            continue  # query parameters: they filter, they write nothing
        checked += 1
        own = {"is_active"} if kind is CustomRequestSerializer else set()  # whether a strategy may run, not a user
        assert not writable & forbidden - own, f"{kind.__name__} writes {writable & forbidden - own}"
        assert not serializer.is_valid()
        assert set(serializer.errors) - writable, f"{kind.__name__} ignored unknown fields"
    assert checked >= 6


def test_bodies_are_read_by_strict_serializers_only():
    """In an api module, whatever is given `data=request.data` refuses unknown fields."""
    from tradingsite import urls  # noqa: F401

    strict = {kind.__name__ for kind in serializer_classes() if issubclass(kind, RefuseUnknown)}
    for path in SOURCES:
        for name in re.findall(r"(\w+Serializer)\(\s*data=request\.data", path.read_text(encoding="utf-8")):
            assert name in strict, f"{path}: {name}"


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bpickle\b", r"\bjoblib\b", r"\beval\(", r"\bexec\(", r"yaml\.load\(", r"shell=True", r"mark_safe\(",
        r"\|safe\b", r"csrf_exempt", r"\.extra\(", r"\bRawSQL\b", r"verify=False",
    ],
)  # fmt: skip
def test_patterns_that_open_holes_are_absent(pattern):
    files = [*SOURCES, *(ROOT / "templates").rglob("*.html")]
    assert len(files) > 50
    found = [str(path) for path in files if re.search(pattern, path.read_text(encoding="utf-8"))]
    assert found == []


def test_task_messages_are_json_only(settings):
    from tradingsite.celery import app

    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"


@pytest.mark.django_db
def test_no_user_exists_on_a_fresh_database():
    assert not User.objects.exists()
