"""The database of a test process: made once for all of them, emptied quickly, and refilled with what is kept.

- Migrations take ten seconds of a processor. The first process that needs a database runs them, as a program of its
  own; every process takes a copy of what came of it. Nothing is dropped at the end: the folder or the cluster goes.
- A transactional test leaves its rows. Django's `flush` empties a hundred tables and makes permissions anew; here only
  tables that hold something are emptied, and what migrations made is put back.
- What takes seconds to make and is the same each time is made once and kept in tables beside the product's, which
  nobody empties: `keep` and `put_back`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import TransactionTestCase

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "tw_migrated"
SEED = "seed"  # the name under which the rows that migrations made are kept


# --- Made once -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any) -> None:
    """SQLite tests use a file in WAL mode, as production does: threads and worker processes share it."""
    default = connections.settings["default"]
    with django_db_blocker.unblock(), _alone():
        if default["ENGINE"].endswith("sqlite3"):
            default["TEST"]["NAME"] = str(Path(os.environ["VAR_DIR"]) / "test.sqlite3")
            template = Path(os.environ["TEST_RUN_DIR"]) / f"{TEMPLATE}.sqlite3"
            if not template.exists():
                _migrate(f"sqlite:///{template}.new")
                template.with_name(f"{template.name}.new").rename(template)
            shutil.copy(template, default["TEST"]["NAME"])
        else:
            name = default["TEST"]["NAME"] = default["TEST"].get("NAME") or f"test_{default['NAME']}"
            with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {TEMPLATE}_new")
                    _migrate(os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{TEMPLATE}_new")
                    cursor.execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")
                cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')


@contextmanager
def _alone() -> Iterator[None]:
    """One test process at a time."""
    with (Path(os.environ["TEST_RUN_DIR"]) / "database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _migrate(url: str) -> None:
    argv = [sys.executable, "manage.py", "migrate", "-v", "0"]
    done = subprocess.run(
        argv, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        keep(SEED)


# --- Emptied ---------------------------------------------------------------------------------------------------------
def empty(case: Any = None) -> None:
    """Delete every row, and put back those that migrations made."""
    with transaction.atomic(), connection.cursor() as cursor:
        held = _filled()
        triggers = _disarm(held)
        while held:
            for table in held:
                cursor.execute(f"DELETE FROM {_quoted(table)}")
            held = _filled()  # a worker that was still at it may have written to a table that was empty
        _insert(SEED)
        for statement in triggers:
            cursor.execute(statement)


TransactionTestCase._fixture_teardown = empty  # type: ignore[method-assign]


def _disarm(tables: Iterable[str]) -> list[str]:
    """Let rows of append-only tables be deleted, and others before those that they belong to. Returns what is to be
    said afterwards."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
            return []
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({})".format(
                ", ".join(f"'{table}'" for table in tables)
            )
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"DROP TRIGGER {_quoted(name)}")
    return [sql for _, sql in found]


def _filled() -> list[str]:
    """The tables that hold a row."""
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
    asked = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {_quoted(name)})" for name in sorted(tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return [name for (name,) in cursor.fetchall()]


# --- Kept ------------------------------------------------------------------------------------------------------------
_kept: dict[str, dict[str, list[str]]] = {}  # name → table → its columns


def keep(name: str) -> None:
    """Remember all rows that are there now, but for those of migrations, and delete them."""
    known = _kept.get(SEED, {})
    with transaction.atomic(), connection.cursor() as cursor:
        _kept[name] = {}
        for table in _filled():
            if table in known:
                continue
            cursor.execute(f"CREATE TABLE {_quoted(f'kept_{name}_{table}')} AS SELECT * FROM {_quoted(table)}")
            columns = connection.introspection.get_table_description(cursor, table)
            _kept[name][table] = [column.name for column in columns]
    if name != SEED:
        empty()


def put_back(name: str) -> None:
    """Insert what was kept under that name; rows that are there already stay."""
    with transaction.atomic():
        _insert(name)


def _insert(name: str) -> None:
    with connection.cursor() as cursor:
        for table, columns in _kept[name].items():
            into = ", ".join(map(_quoted, columns))
            cursor.execute(
                f"INSERT INTO {_quoted(table)} ({into}) SELECT {into} FROM {_quoted(f'kept_{name}_{table}')} "
                "WHERE true ON CONFLICT DO NOTHING"
            )


def _quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))
