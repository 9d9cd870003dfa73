"""What an installation needs before it can work, each looked at for real: `manage.py config --check` prints it.

Not Django's system checks, which look at code; these look at this machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from tradingsite import command_line, kernels
from tradingsite.environment import ENV_FILE, env

DIRECTORIES = ("VAR_DIR", "BARS_DIR", "UPLOADS_DIR", "NUMBA_CACHE_DIR")
CALENDAR = "XNYS"
CALENDAR_REACH_DAYS = 90  # exchange days must be known this far ahead


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `problem` is empty when it is well, else says what is wrong and what to do."""

    what: str
    problem: str


def findings() -> Iterator[Finding]:
    """Every check, one after the other; a check that cannot even be made is a problem, never an exception."""
    checks: dict[str, Callable[[], str]] = {
        "names of settings": _unknown_names,
        "database": _database,
        "Redis": _redis,
        **{f"{name} can be written": _writable(name) for name in DIRECTORIES},
        **({"bucket of bars": _bucket} if settings.BARS_S3_BUCKET else {}),
        f"exchange calendar {CALENDAR}": _calendar,
        "compiled kernels": _kernels,
    }
    for what, check in checks.items():
        try:
            yield Finding(what, check())
        except Exception as error:  # whatever a driver or the system raises is the finding
            yield Finding(what, f"{type(error).__name__}: {error}".strip())


def _unknown_names() -> str:
    given = set(env.from_file) | command_line.given
    unknown = sorted(given - set(env.read))
    return f"nothing reads {', '.join(unknown)} (in {ENV_FILE} or --set); .env.example has the names" if unknown else ""


def _database() -> str:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} migrations are not applied: python manage.py migrate" if waiting else ""


def _redis() -> str:
    from django.core.cache import cache

    cache.get("config-check")
    return ""


def _writable(name: str) -> Callable[[], str]:
    def check() -> str:
        path = Path(getattr(settings, name))
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        return ""

    return check


def _bucket() -> str:
    from marketdata.selectors import bar_store

    bucket = bar_store().bucket
    if bucket is not None:
        bucket.probe()
    return ""


def _calendar() -> str:
    from marketdata.models import ExchangeSession

    last = ExchangeSession.objects.filter(calendar=CALENDAR).order_by("-date").values_list("date", flat=True).first()
    needed = (datetime.now(UTC) + timedelta(days=CALENDAR_REACH_DAYS)).date()
    if last is None:
        return "no exchange days are known: python manage.py load_sample_data"
    return f"exchange days end on {last}: python manage.py load_sample_data" if last < needed else ""


def _kernels() -> str:
    return "" if kernels.compiled() else "not compiled for the code as it is: python -m tradingsite.kernels"
