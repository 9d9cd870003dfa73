"""A backtest, the parts of its result, and how many a user submitted."""

from __future__ import annotations

from django.conf import settings as site
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from backtests.models.job import HeldJob


class Backtest(HeldJob):
    """One simulation: what was asked, what it ran on, how it went, and its headline figures.

    The row holds everything needed to run it again and get the same bits. The long series (equity, trades, charts) are
    its `ResultPart` rows.
    """

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="backtests")
    name = models.CharField(max_length=120, blank=True)

    # What was asked. `config` is the cleaned body of POST /api/backtest/run: sent again, it gives this run again.
    config = models.JSONField(encoder=DjangoJSONEncoder)
    strategy = models.CharField(max_length=60, help_text="Slug in the catalogue")
    strategy_label = models.CharField(max_length=80)
    strategy_version = models.CharField(max_length=12)
    saved_strategy_id = models.BigIntegerField(
        null=True, blank=True, help_text="The saved strategy it was started from"
    )
    parameters = models.JSONField(default=dict)
    settings = models.JSONField(default=dict)
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    start_date = models.DateField(null=True, blank=True, help_text="Empty until it ran: from the first bar there is")
    end_date = models.DateField(null=True, blank=True, help_text="Empty until it ran: to the last bar there is")
    initial_capital = models.DecimalField(max_digits=20, decimal_places=2)
    seed = models.PositiveBigIntegerField(default=0)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  (unique where present)
    rerun_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns")

    # What it ran on; with `strategy_version` and `config` this is what an exact rerun compares.
    data_hash = models.CharField(max_length=64, blank=True)
    engine_version = models.CharField(max_length=40, blank=True)
    library_versions = models.JSONField(default=dict, blank=True)
    result_hash = models.CharField(max_length=64, blank=True)
    rerun_report = models.JSONField(null=True, blank=True, help_text="identical: bool, and what changed")
    synthetic = models.BooleanField(default=False, help_text="Ran on made prices")
    notes = models.JSONField(default=list, blank=True, help_text="What the data layer had to say about the bars")

    # How it goes.
    phase = models.CharField(max_length=20, blank=True)
    bars_done = models.PositiveBigIntegerField(default=0)
    bars_total = models.PositiveBigIntegerField(default=0)
    timings = models.JSONField(default=dict, blank=True, help_text="Seconds by phase")
    failure_faults = models.JSONField(default=list, blank=True)

    # Headline figures, so that lists and comparisons read no result part.
    total_return_pct = models.FloatField(null=True, blank=True)
    benchmark_return_pct = models.FloatField(null=True, blank=True)
    max_drawdown_pct = models.FloatField(null=True, blank=True)
    sharpe = models.FloatField(null=True, blank=True)
    win_rate_pct = models.FloatField(null=True, blank=True)
    trade_count = models.PositiveIntegerField(null=True, blank=True)
    final_equity = models.DecimalField(max_digits=24, decimal_places=2, null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "idempotency_key"), name="backtest_idempotency_key_once"),
        ]
        indexes = [
            models.Index(fields=("owner", "-created_at"), name="backtest_owner_created"),
            models.Index(fields=("state", "heartbeat_at"), name="backtest_state_heartbeat"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.strategy_label} on {', '.join(self.symbols[:3])}"

    @property
    def topic(self) -> str:
        """Topic of its live updates (see `tradingsite.lib.realtime`)."""
        return f"backtest.{self.pk}"

    @property
    def elapsed_s(self) -> float | None:
        """Seconds since its last attempt began, up to its end where it has ended; None before it started."""
        if self.started_at is None or self.state == self.State.QUEUED:
            return None
        return max(0.0, ((self.finished_at or timezone.now()) - self.started_at).total_seconds())


class SubmissionCount(models.Model):
    """How many backtests a user submitted on a UTC day. Counted apart, so that deleting backtests frees no quota."""

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="backtest_counts")
    day = models.DateField()
    submitted = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("owner", "day"), name="submission_count_once")]

    def __str__(self) -> str:
        return f"{self.submitted} on {self.day}"


class ResultPart(models.Model):
    """One piece of a finished backtest, compressed; see `backtests.parts` for names and shapes.

    In the database, not in files: it is written in the transaction that makes the backtest DONE, is there for every web
    process on every machine, goes into the same backup and is deleted with its backtest.
    """

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="parts")
    name = models.CharField(max_length=60)
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("backtest", "name"), name="resultpart_name_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.backtest_id}"
