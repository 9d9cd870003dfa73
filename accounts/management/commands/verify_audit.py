"""`manage.py verify_audit`: whether the audit trail is as it was written."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import AuditEvent, AuditHead
from accounts.services import audit


class Command(BaseCommand):
    help = "Read the whole audit trail and report events that were changed, removed or slipped in; ends with 1 if any."

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(audit.faults())
        for fault in found:
            self.stderr.write(fault)
        if found:
            raise CommandError(f"The audit trail was tampered with: {len(found)} faults.")
        chains = AuditHead.objects.filter(seq__gt=0).count()
        self.stdout.write(f"The audit trail is whole: {AuditEvent.objects.count()} events in {chains} chains.")
