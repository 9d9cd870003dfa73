"""Tables whose rows are written once: the model refuses to change or delete one, and so does the database itself."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

_POSTGRES = """
CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse();
"""
_EVENTS = ("UPDATE", "DELETE")


class WrittenOnce(Exception):
    """Code tried to change or delete a row of an append-only table: a fault of ours."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Refuses what would change or delete rows."""

    def update(self, **kwargs: Any) -> int:
        raise WrittenOnce(f"{self.model._meta.label} is append-only")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise WrittenOnce(f"{self.model._meta.label} is append-only")


class AppendOnly(models.Model):
    """Base of a model whose rows are never changed. Its migration also calls `protect` with the table's name."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise WrittenOnce(f"{self._meta.label} is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise WrittenOnce(f"{self._meta.label} is append-only")


def protect(table: str) -> migrations.RunPython:
    """The migration step that makes the database itself refuse UPDATE and DELETE of the table's rows.

    On SQLite Django alters a table by making it anew, which loses its triggers: a migration that alters a protected
    table calls this again.
    """

    def install(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            uninstall(apps, schema_editor)
            schema_editor.execute(_POSTGRES.format(table=table))
            return
        for event in _EVENTS:
            schema_editor.execute(
                f"CREATE TRIGGER IF NOT EXISTS {table}_no_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )

    def uninstall(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}")
            schema_editor.execute(f"DROP FUNCTION IF EXISTS {table}_refuse()")
            return
        for event in _EVENTS:
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event.lower()}")

    return migrations.RunPython(install, uninstall)
