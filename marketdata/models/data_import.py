"""A file that somebody brought, and what became of it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketdata.models.coverage import TIMEFRAMES


class DataImport(models.Model):
    """One uploaded file. It is read by a worker; nothing of it can be used until every row of it was found good."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Being read"
        DONE = "done", "Imported"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="data_imports"
    )
    filename = models.CharField(max_length=255, help_text="The sender's name for it: shown, never used as a path")
    size_bytes = models.PositiveBigIntegerField()
    symbol = models.CharField(max_length=32, blank=True)
    timeframe = models.CharField(max_length=3, blank=True, choices=[(t, t) for t in TIMEFRAMES])
    calendar = models.CharField(max_length=16, default="XNYS")
    zone = models.CharField(max_length=64, default="UTC", help_text="Zone of times that carry none")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    faults = models.JSONField(default=list, help_text="The first ten things wrong, by row and column")
    result = models.JSONField(default=dict, help_text="Per symbol: bars added, changed, unchanged; notes")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = [
            models.Index(fields=("owner", "-created_at"), name="import_owner_newest"),
            models.Index(fields=("started_at",), name="import_unfinished", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"import {self.pk}"

    @property
    def path(self) -> Path:
        """Where the file waits for the worker: under our id, whatever the sender called it."""
        return Path(settings.UPLOADS_DIR) / f"{self.pk.hex}.upload"

    @property
    def shown_result(self) -> dict[str, Any] | None:
        """None until the file is imported."""
        return self.result or None

    @property
    def finished(self) -> bool:
        return self.state in (self.State.DONE, self.State.REFUSED, self.State.FAILED)
