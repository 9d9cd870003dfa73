"""What was found out about stored series: revised history, sources that disagree, and reading anew."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from marketdata.models.coverage import TIMEFRAMES, Coverage
from marketdata.models.instrument import Instrument


class Revision(models.Model):
    """A source gave bars that were stored already with other values; the newer ones are stored now."""

    class Kind(models.TextChoices):
        TAIL = "tail", "Seen when newer bars were fetched"
        REFETCH = "refetch", "Seen when the series was read anew"
        CORRECTION = "correction", "A late correction of the stream"

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="revisions")
    timeframe = models.CharField(max_length=3, choices=[(t, t) for t in TIMEFRAMES])
    kind = models.CharField(max_length=10, choices=Kind.choices)
    noticed_at = models.DateTimeField()
    first_at = models.DateTimeField(help_text="Start of the first bar that changed")
    last_at = models.DateTimeField(help_text="Start of the last one")
    bars = models.PositiveIntegerField()
    max_change_pct = models.FloatField(help_text="The largest change of a price; 0 where only volumes changed")
    old_hash = models.CharField(max_length=64, help_text="SHA-256 over the bars that were read again, as they were")
    new_hash = models.CharField(max_length=64, help_text="… and as they are now")

    class Meta:
        ordering = ("-noticed_at", "-pk")
        indexes = [models.Index(fields=("instrument", "timeframe", "-noticed_at"), name="revision_of_series")]

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.timeframe}: {self.bars} bars revised"


class SourceComparison(models.Model):
    """Daily closes of one symbol from two sources, side by side over the days that both have."""

    symbol = models.CharField(max_length=32)
    first = models.ForeignKey(Coverage, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Coverage, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField(help_text="Days that both have")
    differing = models.PositiveIntegerField(help_text="Days whose closes differ by more than the tolerance")
    max_diff_pct = models.FloatField()
    worst_day = models.DateField(null=True, blank=True)
    hashes = models.CharField(max_length=129, help_text="Of the two series as they were compared")
    compared_at = models.DateTimeField()

    class Meta:
        ordering = ("-differing", "symbol")
        constraints = [models.UniqueConstraint(fields=("first", "second"), name="comparison_once")]

    def __str__(self) -> str:
        return f"{self.symbol}: {self.first.provider} and {self.second.provider}"


class Refetch(models.Model):
    """A series of a source by network that somebody wants to be read anew, in a worker."""

    class State(models.TextChoices):
        QUEUED = "QUEUED", "Waiting"
        RUNNING = "RUNNING", "Reading"
        DONE = "DONE", "Done"
        FAILED = "FAILED", "Failed"

    ACTIVE = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="refetches")
    timeframe = models.CharField(max_length=3, choices=[(t, t) for t in TIMEFRAMES])
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    message = models.CharField(max_length=300, blank=True, help_text="What came of it, in words")
    added = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "refetches"
        constraints = [
            models.UniqueConstraint(
                fields=("instrument", "timeframe"),
                condition=models.Q(state__in=("QUEUED", "RUNNING")),
                name="refetch_once_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.timeframe}: {self.state}"
