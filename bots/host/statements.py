"""Rows on their way into the database, as a host sends them: many small ones at once, and somebody waits.

On PostgreSQL they are queued behind each other (a pipeline), with parameters that the server binds, so that it has read
each text once and is not waited for after each row. Elsewhere they go as Django sends them. Both write the same.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.models import Model


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is done where there is such a row already: it takes over these columns, or, of none, stays as it is."""

    unique: tuple[str, ...] = ()
    update: tuple[str, ...] = ()


class Statements:
    """Carried out in order, in one transaction."""

    def __init__(self) -> None:
        self.connection = connections[DEFAULT_DB_ALIAS]

    def prepared(self, field: Any, value: Any) -> Any:
        """A value of a column as this database takes it."""
        return field.get_db_prep_save(value, self.connection)

    def ask(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows that it finds."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def update(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Do it for the parameters of each row."""
        if rows:
            with self.connection.cursor() as cursor:
                cursor.executemany(sql, rows)

    def insert(self, rows: Sequence[Model], conflict: Conflict | None = None) -> None:
        """Rows of one model. Their ids may stay unknown; see `insert_known`."""
        if not rows:
            return
        how: dict[str, Any] = {}
        if conflict is not None:
            how = {"ignore_conflicts": True}
            if conflict.update:
                how = {"update_conflicts": True, "unique_fields": conflict.unique, "update_fields": conflict.update}
        type(rows[0])._base_manager.bulk_create(rows, **how)

    def insert_known(self, rows: Sequence[Model]) -> None:
        """Rows of one model, which have their ids once all is done, or after `ids`."""
        self.insert(rows)

    def ids(self) -> None:
        """Wait for the ids of what was inserted so far."""


class _Queued(Statements):
    """In a pipeline of PostgreSQL."""

    def __init__(self) -> None:
        super().__init__()
        self._nameless: list[tuple[Model, Any]] = []  # rows, and the cursor that will have the id

    def prepared(self, field: Any, value: Any) -> Any:
        # Half of the time of a commit was spent in asking Django's fields, which give most values back as they are.
        if value is None or type(value) is _TAKEN_AS_IT_IS.get(type(field)):
            return value
        return super().prepared(field, value)

    def ask(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return list(self._execute(sql, [parameters]).fetchall())

    def update(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._execute(sql, rows)

    def insert(self, rows: Sequence[Model], conflict: Conflict | None = None) -> None:
        if rows:
            self._execute(_insert_sql(type(rows[0]), conflict), self._values(rows))

    def insert_known(self, rows: Sequence[Model]) -> None:
        for row, values in zip(rows, self._values(rows), strict=True):
            self._nameless.append((row, self._execute(f"{_insert_sql(type(row), None)} RETURNING id", [values])))

    def ids(self) -> None:
        for row, cursor in self._nameless:
            (row.pk,) = cursor.fetchone()
            row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
        self._nameless.clear()

    def _values(self, rows: Sequence[Model]) -> list[list[Any]]:
        fields, prepared = _fields(type(rows[0])) if rows else (), self.prepared
        return [
            [prepared(field, field.pre_save(row, True) if now else getattr(row, name)) for field, name, now in fields]
            for row in rows
        ]

    def _execute(self, sql: str, rows: Sequence[Sequence[Any]]) -> Any:
        """Queue it for each row. The cursor that will have the answers; until then the pipeline keeps it."""
        cursor = self.connection.make_cursor(_bound_by_server(self.connection.connection))
        if len(rows) == 1:
            cursor.execute(sql, rows[0])
        else:
            cursor.executemany(sql, rows)
        return cursor


@contextlib.contextmanager
def statements(*, queued: bool = True) -> Iterator[Statements]:
    """A transaction, and what to send in it. All is done at its end, or nothing: then it raises DatabaseError, or what
    was raised inside.

    queued: False where Django's own queries are made in it, too: in a pipeline they do not know what they have changed.
    """
    if queued and connection.vendor == "postgresql" and psycopg.capabilities.has_pipeline():
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.pipeline():
            send = _Queued()
            with transaction.atomic():  # which begins and ends with what is sent: nothing waits for it
                yield send
            send.ids()
    else:
        with transaction.atomic():
            yield Statements()


def _bound_by_server(psycopg_connection: Any) -> Any:
    from django.db.backends.postgresql.base import ServerBindingCursor

    return ServerBindingCursor(psycopg_connection)


# What psycopg adapts by itself, by the column's kind. All else goes through the field.
_TAKEN_AS_IT_IS: dict[type, type] = {
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.CharField: str,
    models.DateField: datetime.date,
    models.DateTimeField: datetime.datetime,
    models.DecimalField: Decimal,
    models.FloatField: float,
    models.ForeignKey: int,
    models.IntegerField: int,
    models.PositiveBigIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.TextField: str,
}


@functools.cache
def _fields(model: type[Model]) -> tuple[tuple[Any, str, bool], ...]:
    """The columns that an INSERT fills: all but the id, which the database gives. Field, attribute, and whether it is
    the moment of the INSERT."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    return tuple((f, f.attname, getattr(f, "auto_now_add", False) or getattr(f, "auto_now", False)) for f in fields)


@functools.cache
def _insert_sql(model: type[Model], conflict: Conflict | None) -> str:
    columns = [field.column for field, *_ in _fields(model)]
    sql = f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608  # nosec B608  (names of ours only)
    if conflict is None:
        return sql
    if not conflict.update:
        return f"{sql} ON CONFLICT DO NOTHING"
    unique = ", ".join(model._meta.get_field(name).column for name in conflict.unique)
    changed = [model._meta.get_field(name).column for name in conflict.update]
    assigned = ", ".join(f"{column} = EXCLUDED.{column}" for column in changed)
    return f"{sql} ON CONFLICT ({unique}) DO UPDATE SET {assigned}"  # nosec B608  (names of ours only)
