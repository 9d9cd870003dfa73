"""A sweep and the chunks that workers take of it."""

from __future__ import annotations

from django.conf import settings as site
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from backtests.models.job import Held, Job


class Sweep(Job):
    """One strategy over many combinations of its parameters and settings: what was asked, and how far it is.

    What each combination gave is in the chunks, as columns. State changes happen in `backtests.sweeps.services` (by the
    user) and `backtests.sweeps.claims` (by workers and the reaper), each as one conditional UPDATE.
    """

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sweeps")
    name = models.CharField(max_length=120, blank=True)

    # What was asked. `config` is the cleaned body of POST /api/sweeps: sent again, it gives this sweep again.
    config = models.JSONField(encoder=DjangoJSONEncoder)
    strategy = models.CharField(max_length=60, help_text="Slug in the catalogue")
    strategy_label = models.CharField(max_length=80)
    strategy_version = models.CharField(max_length=12)
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    method = models.CharField(max_length=8)
    objective = models.CharField(max_length=60, help_text="Name of a metric")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  (unique where present)

    # How it goes. Cells and chunks that are done are counted in the transaction that makes a chunk DONE.
    cells_total = models.PositiveBigIntegerField()
    cells_done = models.PositiveBigIntegerField(default=0)
    chunks_total = models.PositiveIntegerField()
    chunks_done = models.PositiveIntegerField(default=0)
    engine_s = models.FloatField(default=0.0, help_text="Seconds of simulation, over all workers")
    signals_s = models.FloatField(default=0.0, help_text="Seconds of making signals, over all workers")
    best = models.JSONField(null=True, blank=True, help_text="The best cell so far: cell, objective, feasible")
    data_hash = models.CharField(max_length=64, blank=True, help_text="Of the bars that every chunk ran on")
    last_claimed_at = models.DateTimeField(null=True, blank=True, help_text="When a worker last took a chunk of it")

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "idempotency_key"), name="sweep_idempotency_key_once"),
        ]
        indexes = [
            models.Index(fields=("owner", "-created_at"), name="sweep_owner_created"),
            models.Index(fields=("state",), name="sweep_state"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.strategy_label} on {', '.join(self.symbols[:3])}"

    @property
    def topic(self) -> str:
        """Topic of its live updates (see `tradingsite.lib.realtime`)."""
        return f"sweep.{self.pk}"


class SweepChunk(Held):
    """Some of a sweep's cells: what one worker runs at a time, and what came out of it as compressed columns."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for what earlier chunks find"
        QUEUED = "QUEUED", "Queued"
        RUNNING = "RUNNING", "Running"
        DONE = "DONE", "Done"

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField(help_text="From 0, in the order in which they are drawn")
    cells = models.PositiveIntegerField(help_text="How many cells it has")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    finished_as = models.PositiveIntegerField(
        null=True, blank=True, help_text="1 for the sweep's first chunk that was done, and so on: a reader's place"
    )
    data = models.BinaryField(null=True, blank=True, help_text="backtests.sweeps.columns")

    class Meta:
        ordering = ("sweep", "number")
        constraints = [
            models.UniqueConstraint(fields=("sweep", "number"), name="sweepchunk_number_once"),
            models.UniqueConstraint(fields=("sweep", "finished_as"), name="sweepchunk_finished_once"),
        ]
        indexes = [models.Index(fields=("state", "heartbeat_at"), name="sweepchunk_state_heartbeat")]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.sweep_id}"
