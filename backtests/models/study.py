"""Portfolio studies: weights of some symbols by one method, what they promise, and what they would have done."""

from __future__ import annotations

from django.conf import settings as site
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from backtests.models.job import HeldJob


class AllocationStudy(HeldJob):
    """One request for weights with everything that a worker found (`backtests.portfolios.study`)."""

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="allocation_studies")
    name = models.CharField(max_length=120, blank=True)

    # What was asked. `config` is the cleaned body of POST /api/portfolios: sent again, it gives this study again.
    config = models.JSONField(encoder=DjangoJSONEncoder)
    method = models.CharField(max_length=60, help_text="Slug of strategies.allocation")
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    rebalance = models.CharField(max_length=10)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  (unique where present)

    # What it ran on.
    strategy_version = models.CharField(max_length=12)
    engine_version = models.CharField(max_length=40, blank=True)
    data_hash = models.CharField(max_length=64, blank=True)
    synthetic = models.BooleanField(default=False, help_text="Ran on made prices")
    notes = models.JSONField(default=list, help_text="What was noticed about the prices")

    # What was found; figures of the list beside the document.
    document = models.JSONField(null=True, blank=True, help_text="backtests.portfolios.study.examine")
    expected_return_pct = models.FloatField(null=True, blank=True, help_text="A year, after costs")
    volatility_pct = models.FloatField(null=True, blank=True, help_text="A year")
    total_return_pct = models.FloatField(null=True, blank=True, help_text="Of its backtest")
    equal_return_pct = models.FloatField(null=True, blank=True, help_text="Of the backtest of equal weights")

    # How it goes.
    phase = models.CharField(max_length=20, default="waiting")
    steps_done = models.PositiveBigIntegerField(default=0, help_text="Of the phase")
    steps_total = models.PositiveBigIntegerField(default=0, help_text="Of the phase")
    failure_faults = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name_plural = "allocation studies"
        constraints = [
            models.UniqueConstraint(fields=("owner", "idempotency_key"), name="study_idempotency_key_once"),
        ]
        indexes = [
            models.Index(fields=("owner", "-created_at"), name="study_owner_created"),
            models.Index(fields=("state", "heartbeat_at"), name="study_state_heartbeat"),
        ]

    def __str__(self) -> str:
        return self.name or f"Portfolio of {', '.join(self.symbols[:4])}{' …' if len(self.symbols) > 4 else ''}"

    @property
    def topic(self) -> str:
        """Topic of its live updates (see `tradingsite.lib.realtime`)."""
        return f"portfolio.{self.pk}"
