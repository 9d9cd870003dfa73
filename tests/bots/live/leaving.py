"""What no test of LIVE sessions may leave behind: a secret of an account in clear, or a process."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Iterable
from pathlib import Path

from django.apps import apps
from django.db import connection

from tests.bots.host.outages import SERVERS
from tests.servers import sqlite_bytes, wait_until

_PLAIN = logging.Formatter()


class Listener(logging.Handler):
    """Reads every log record as it would be written, with its traceback. said: those that told one of the secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(logging.NOTSET)
        self.secrets, self.said = tuple(secrets), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1]))
        else:
            text = ""
        text += _PLAIN.format(record)
        if any(secret in text for secret in self.secrets):
            self.said.append(f"{record.name}: {text}")


def columns_with(secrets: Iterable[str]) -> list[str]:
    """Where the database has one of them in clear. On SQLite the file is read, so that a row which has been deleted
    since is found, too; on PostgreSQL the rows."""
    secrets = tuple(secrets)
    if connection.vendor == "sqlite":
        held = sqlite_bytes(connection.settings_dict["NAME"])
        return ["the database's file"] if any(secret.encode() in held for secret in secrets) else []
    quote, there = connection.ops.quote_name, set(connection.introspection.table_names())
    tables = sorted({model._meta.db_table for model in apps.get_models()} & there)
    like = "WHERE t::text LIKE ANY(%(like)s)"
    parts = [f"SELECT '{name}' FROM {quote(name)} t {like}" for name in tables]  # noqa: S608 - tables of our own
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(parts), {"like": [f"%{secret}%" for secret in secrets]})
        return [row[0] for row in cursor.fetchall()]


def children_of(pid: int) -> set[int]:
    """Its processes that have not been waited for."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(status.read_text().rpartition(") ")[2].split()[1]) == pid:
                found.add(int(status.parent.name))
    return found


def no_child_is_left(before: set[int], of: Iterable[int] = ()) -> None:
    """before: children that this process had. of: further processes, which may have none at all."""
    wait_until(lambda: children_of(os.getpid()) <= before | SERVERS, "the processes that this test has started to end")
    for pid in of:
        wait_until(lambda pid=pid: not children_of(pid), "hosts to be gone")
