"""`manage.py rotate_secrets`: put every stored secret under the first of SECRETS_KEYS."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from tradingsite.lib.secrets import SecretsLocked, current_key_id, encrypted_fields


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret anew under the first key of SECRETS_KEYS. Afterwards the other keys may go. "
        "Ends with 1, naming the rows, when some cannot be read with any of the keys."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key_id = current_key_id()
        except SecretsLocked as exc:
            raise CommandError(exc.message) from None
        renewed = unreadable = 0
        for model in apps.get_models():
            names = [field.attname for field in encrypted_fields(model)]
            for pk in model._base_manager.values_list("pk", flat=True).iterator() if names else ():
                try:
                    renewed += renew(model, pk, names, key_id)
                except SecretsLocked as exc:
                    unreadable += 1
                    self.stderr.write(f"{model._meta.label} {pk}: {exc.message}")
        self.stdout.write(f"{renewed} secrets are now under key {key_id}.")
        if unreadable:
            raise CommandError(
                f"{unreadable} rows hold secrets that no key of SECRETS_KEYS opens; they are as they were."
            )


def renew(model: type[models.Model], pk: Any, names: list[str], key_id: str) -> int:
    """Renew the secrets of one row, locked against writers meanwhile; how many were under another key."""
    with transaction.atomic():
        row = model._base_manager.select_for_update().filter(pk=pk).first()
        old = [name for name in names if row is not None and getattr(row, name) and getattr(row, name).key_id != key_id]
        for name in old:
            setattr(row, name, getattr(row, name).renewed())
        if old:
            row.save(update_fields=old)
    return len(old)
