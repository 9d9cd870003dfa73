"""The states of a job that a worker does: a backtest, a sweep, a passport, a study of a portfolio."""

from __future__ import annotations

from django.db import models


class JobState(models.TextChoices):
    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    DONE = "DONE", "Done"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)
