"""What jobs have in common: the columns that say how one goes, and those by which a worker holds a row."""

from __future__ import annotations

import uuid

from django.db import models


class JobState(models.TextChoices):
    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    DONE = "DONE", "Done"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)


class Job(models.Model):
    """What workers do for a user: a backtest, a sweep, a passport, a study of a portfolio."""

    State = JobState
    ACTIVE = ACTIVE

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_reason = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE


class Held(models.Model):
    """A row that one worker at a time works on, for as long as its token stands here (`backtests.jobs.claims`)."""

    attempts = models.PositiveSmallIntegerField(default=0)
    claim_token = models.UUIDField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class HeldJob(Job, Held):
    """A job that one worker does from its beginning to its end.

    State changes happen in `backtests.jobs.claims` only, each as one conditional UPDATE.
    """

    cancel_requested = models.BooleanField(default=False)
    enqueued_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
