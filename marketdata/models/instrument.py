"""Instruments and their corporate actions."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

AUTO = "auto"
"""In place of a source: one is chosen for each symbol (`marketdata.routing`). No instrument has it."""


class Source(models.TextChoices):
    """Where the prices of an instrument come from; one provider class each (`marketdata.providers`)."""

    SAMPLE = "sample", "Sample (real daily prices, 2000–2013)"
    SYNTHETIC = "synthetic", "Synthetic (made up from a seed)"
    FILE = "file", "Imported file"
    YAHOO = "yahoo", "Yahoo"
    ALPACA = "alpaca", "Alpaca"
    POLYGON = "polygon", "Polygon"
    BINANCE = "binance", "Binance"
    ALPHA_VANTAGE = "alpha_vantage", "Alpha Vantage"

    @classmethod
    def run_choices(cls) -> list[tuple[str, str]]:
        """What a run may name: a source, or that one be chosen."""
        return [*cls.choices, (AUTO, "Automatic (the best that answers)")]

    @property
    def by_network(self) -> bool:
        """Whether its instruments are known only once they are asked for."""
        return self not in (Source.SAMPLE, Source.SYNTHETIC, Source.FILE)


class Instrument(models.Model):
    """Something that is traded, as one source knows it.

    The same symbol from two sources is two instruments: their prices may differ, and a backtest names its source.
    `owner` null means that everybody sees it; a user's upload is visible to that user only.
    """

    source = models.CharField(max_length=16, choices=Source.choices)
    symbol = models.CharField(max_length=32)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="instruments"
    )
    name = models.CharField(max_length=120, blank=True)
    venue = models.CharField(max_length=40, blank=True, help_text="Where it is listed, for people")
    calendar = models.CharField(max_length=16, default="XNYS", help_text="Exchange hours: XNYS or 24/7")
    currency = models.CharField(max_length=8, default="USD")
    tick_size = models.DecimalField(max_digits=18, decimal_places=10, default=Decimal("0.01"))
    lot_size = models.DecimalField(max_digits=18, decimal_places=10, default=Decimal("1"))
    fractionable = models.BooleanField(default=False)
    synthetic = models.BooleanField(default=False, help_text="Prices were made up, never traded; shown everywhere")
    notes = models.TextField(blank=True, help_text="What one must know before trusting these prices")
    actions_at = models.DateTimeField(
        null=True, blank=True, help_text="When its source last told of splits and dividends; empty: it never has"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("symbol", "source", "pk")
        constraints = [
            # Two partial indexes, because SQLite has no NULLS NOT DISTINCT.
            models.UniqueConstraint(
                fields=("source", "symbol"), condition=Q(owner__isnull=True), name="instrument_shared_once"
            ),
            models.UniqueConstraint(
                fields=("source", "symbol", "owner"), condition=Q(owner__isnull=False), name="instrument_private_once"
            ),
            models.CheckConstraint(condition=Q(tick_size__gt=0), name="instrument_tick_positive"),
            models.CheckConstraint(condition=Q(lot_size__gt=0), name="instrument_lot_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} ({self.source})"


class CorporateAction(models.Model):
    """A split or a cash dividend. On `ex_date` the price opens without it.

    Split: `split_to` new shares for `split_from` old ones (7 for 1; a reverse split is 1 for 20).
    Dividend: `amount` per share in the instrument's currency. `price_factor` is what the source multiplies earlier
    prices with; empty means "compute it": 1 − amount ÷ last raw close before the ex-date.
    """

    class Kind(models.TextChoices):
        SPLIT = "split", "Split"
        DIVIDEND = "dividend", "Dividend"

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    ex_date = models.DateField()
    split_to = models.PositiveIntegerField(null=True, blank=True)
    split_from = models.PositiveIntegerField(null=True, blank=True)
    amount = models.DecimalField(max_digits=16, decimal_places=6, null=True, blank=True)
    price_factor = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ("instrument", "ex_date", "kind")
        constraints = [
            models.UniqueConstraint(fields=("instrument", "ex_date", "kind"), name="corporate_action_once"),
            models.CheckConstraint(
                condition=Q(kind="split", split_to__gt=0, split_from__gt=0, amount__isnull=True)
                | Q(kind="dividend", amount__gt=0, split_to__isnull=True, split_from__isnull=True),
                name="corporate_action_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.ex_date}: {self.described}"

    @property
    def described(self) -> str:
        """In a trader's words: ``7-for-1 split`` or ``dividend 2.65 USD``."""
        if self.kind == self.Kind.SPLIT:
            reverse = "reverse " if (self.split_to or 0) < (self.split_from or 0) else ""
            return f"{self.split_to}-for-{self.split_from} {reverse}split"
        amount = f"{(self.amount or Decimal(0)).normalize():f}"
        return f"dividend {amount} {self.instrument.currency}"
