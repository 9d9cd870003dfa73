"""Which bars of an instrument are held, in which files, and how often they were asked for."""

from __future__ import annotations

from django.db import models

from marketdata.columns import TIMEFRAME_NS
from marketdata.models.instrument import Instrument

TIMEFRAMES = tuple(TIMEFRAME_NS)


class Coverage(models.Model):
    """One stored series: an instrument in one timeframe. This row is what makes bars exist.

    `files` maps a year to its Parquet file, which is written completely before this row names it and never changed
    afterwards. So a reader that has the row has a consistent series, whatever dies or runs out of space meanwhile.
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="coverages")
    timeframe = models.CharField(max_length=3, choices=[(t, t) for t in TIMEFRAMES])
    first_at = models.DateTimeField(help_text="Start of the first bar held")
    last_at = models.DateTimeField(help_text="Start of the last bar held")
    asked_from = models.DateTimeField(
        help_text="The provider was asked from here on: what is missing, it does not have"
    )
    asked_to = models.DateTimeField(help_text="… up to here (exclusive)")
    bars = models.PositiveBigIntegerField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 over all bars; changes when any value changes")
    files = models.JSONField(default=dict)
    quality = models.JSONField(default=dict, help_text="Gap and quality report, computed when the bars were written")
    hits = models.PositiveBigIntegerField(default=0, help_text="Requests answered from the store")
    misses = models.PositiveBigIntegerField(default=0, help_text="Requests for which the provider had to be asked")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("instrument", "timeframe")
        verbose_name_plural = "coverage"
        constraints = [models.UniqueConstraint(fields=("instrument", "timeframe"), name="coverage_once")]

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.timeframe}"

    @property
    def provider(self) -> str:
        return self.instrument.source

    @property
    def symbol(self) -> str:
        return self.instrument.symbol
