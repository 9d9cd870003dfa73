"""The audit trail: who did what to whom, in rows that hang together like a chain."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import models
from django.utils import timezone

from tradingsite.lib.append_only import AppendOnly


class AuditEvent(AppendOnly):
    """One deed. Its hash covers itself and the event before it in the same chain, so none changes or vanishes unseen.

    A chain for each user, not one for all: writers of a chain wait for each other. Users stand here as id and name and
    not as foreign keys, because what they did outlives them.
    """

    PLATFORM = 0

    chain = models.PositiveBigIntegerField(help_text="Id of the user whose affairs it concerns; 0: the platform's own")
    seq = models.PositiveBigIntegerField(help_text="1, 2, 3, … within the chain")
    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor_id = models.PositiveBigIntegerField(null=True, help_text="Id of the user who acted; null: the platform")
    actor = models.CharField(max_length=150, help_text="The actor's name at that time")
    action = models.CharField(max_length=60, db_index=True, help_text="A stable word: risk.envelope_changed")
    target = models.CharField(max_length=200, blank=True, help_text="What it was done to: order 6f1c…, user 12")
    detail_text = models.TextField(default="{}", help_text="Canonical JSON: before and after, amounts, reasons")
    prev_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("chain", "seq")
        constraints = [models.UniqueConstraint(fields=["chain", "seq"], name="audit_one_event_at_a_place")]
        indexes = [models.Index(fields=["chain", "-at"], name="audit_by_chain_newest")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor}: {self.action} {self.target}".rstrip()

    @property
    def detail(self) -> dict[str, Any]:
        """What was recorded with it."""
        return json.loads(self.detail_text)

    def digest(self) -> str:
        """The SHA-256 of everything this row says, as hex, computed anew."""
        said = [
            self.chain,
            self.seq,
            self.at.isoformat(timespec="microseconds"),
            self.actor_id,
            self.actor,
            self.action,
            self.target,
            self.detail_text,
            self.prev_hash,
        ]
        return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


class AuditHead(models.Model):
    """Where a chain ends: the lock that its writers queue at, and the proof that its last events are still there."""

    chain = models.PositiveBigIntegerField(primary_key=True)
    seq = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"chain {self.chain} up to {self.seq}"
