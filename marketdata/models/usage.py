"""What providers were asked for and cost, and why which of them was asked."""

from __future__ import annotations

from decimal import Decimal

from django.db import models

from marketdata.models.coverage import TIMEFRAMES
from marketdata.models.instrument import Source


class ProviderUsage(models.Model):
    """One provider on one day (UTC). Written in batches, about once a minute; see `marketdata.usage`."""

    day = models.DateField()
    provider = models.CharField(max_length=16, help_text="A source, or polygon_files")
    requests = models.PositiveBigIntegerField(default=0)
    errors = models.PositiveBigIntegerField(default=0, help_text="Requests that were refused or not answered")
    bars = models.PositiveBigIntegerField(default=0, help_text="Bars that came of them")
    hits = models.PositiveBigIntegerField(default=0, help_text="Ranges of bars that the store answered alone")
    misses = models.PositiveBigIntegerField(default=0, help_text="Ranges for which the provider had to be asked")
    cost = models.DecimalField(
        max_digits=14, decimal_places=6, default=Decimal(0), help_text="USD, of the requests; the plan's price is apart"
    )

    class Meta:
        ordering = ("-day", "provider")
        verbose_name_plural = "provider usage"
        constraints = [models.UniqueConstraint(fields=("day", "provider"), name="provider_usage_once")]

    def __str__(self) -> str:
        return f"{self.provider} on {self.day}"


class SourceRule(models.Model):
    """An operator's word: where "auto" asks for a symbol's prices first, before the installation's default."""

    symbol = models.CharField(max_length=32, unique=True)
    source = models.CharField(max_length=16, choices=[(s.value, s.label) for s in Source if s.by_network])
    note = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("symbol",)

    def __str__(self) -> str:
        return f"{self.symbol}: {self.source}"

    def clean(self) -> None:
        self.symbol = self.symbol.strip().upper()


class SourceChoice(models.Model):
    """What "auto" chose for a symbol, and why. The newest of each symbol and timeframe is kept, with a counter."""

    symbol = models.CharField(max_length=32)
    timeframe = models.CharField(max_length=3, choices=[(t, t) for t in TIMEFRAMES])
    source = models.CharField(max_length=16, blank=True, help_text="Empty: none could answer")
    reason = models.TextField(help_text="In a sentence")
    considered = models.JSONField(default=list, help_text="[{source, verdict}] in the order in which they were asked")
    times = models.PositiveBigIntegerField(default=0)
    chosen_at = models.DateTimeField()

    class Meta:
        ordering = ("-chosen_at",)
        constraints = [models.UniqueConstraint(fields=("symbol", "timeframe"), name="source_choice_once")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}: {self.source or 'none'}"
