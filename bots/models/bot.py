"""A bot: a named configuration from which trading sessions are started."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings as site
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from bots.models.columns import MONEY, Mode
from engine.types import TIMEFRAMES

SECOND = 1_000_000_000  # timeframes are counted in nanoseconds


class Bot(models.Model):
    """What to trade, with what, by which rules and when. Each run of it is a `TradingSession`.

    `settings` holds the session settings that differ from their defaults; a session copies them as its version 1, so
    that a later change of the bot changes no session that runs.
    """

    class Run(models.TextChoices):
        MANUAL = "manual", "Started by hand"
        WINDOW = "window", "Each trading day, in its window"

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bots")
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True)
    # Where its sessions trade; LIVE names an account of the owner's.
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.PAPER)
    broker_account = models.ForeignKey(
        "accounts.BrokerAccount", null=True, blank=True, on_delete=models.RESTRICT, related_name="bots"
    )
    capital = models.DecimalField(**MONEY, validators=[MinValueValidator(Decimal("0.01"))])
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4, default="1m")
    match_timeframe = models.CharField(max_length=4, blank=True, help_text="Finer bars to match on; empty: the same")
    trading_frequency = models.PositiveIntegerField(default=60, help_text="Seconds between two decisions")
    strategy = models.CharField(max_length=60, help_text="Slug in the catalogue")
    strategy_parameters = models.JSONField(default=dict, blank=True)
    saved_strategy = models.ForeignKey(
        "strategies.UserStrategy", null=True, blank=True, on_delete=models.SET_NULL, related_name="bots"
    )
    # Its trees are copied into `strategy_parameters` when the bot is saved.
    custom_strategy = models.ForeignKey(
        "strategies.CustomStrategy", null=True, blank=True, on_delete=models.SET_NULL, related_name="bots"
    )
    indicators = models.JSONField(
        default=dict, blank=True, help_text="Indicator rules; the equivalent trees are its strategy_parameters"
    )
    settings = models.JSONField(default=dict, blank=True)
    feed = models.CharField(max_length=24, default="synthetic")
    feed_options = models.JSONField(default=dict, blank=True)
    run = models.CharField(max_length=8, choices=Run, default=Run.MANUAL)
    stop_policy = models.CharField(max_length=8, default="flatten", help_text="At the end of its window")
    is_demo = models.BooleanField(default=False, help_text="Made by the first start, on a synthetic market")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "bots"
        ordering = ("name", "id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "name"), name="bot_name_once"),
            models.CheckConstraint(condition=Q(capital__gt=0), name="bot_has_capital"),
            models.CheckConstraint(condition=Q(trading_frequency__gte=1), name="bot_frequency_positive"),
            models.CheckConstraint(
                condition=Q(mode="PAPER", broker_account__isnull=True) | Q(mode="LIVE", broker_account__isnull=False),
                name="bot_live_has_an_account",
            ),
        ]
        indexes = [models.Index(fields=("run", "id"), name="bot_run")]

    def __str__(self) -> str:
        return self.name

    @property
    def paced(self) -> tuple[str, str]:
        """(timeframe that its sessions decide on, finer one to match on or "").

        A bot that is to decide less often than its bars close decides on the largest bars that fit into its trading
        frequency, and its orders meet its own bars: so a backtest on the same two timeframes does the same.
        """
        fitting = [name for name, step in TIMEFRAMES.items() if step <= self.trading_frequency * SECOND]
        slowest = max(fitting, key=TIMEFRAMES.__getitem__, default=self.timeframe)
        if TIMEFRAMES[slowest] <= TIMEFRAMES[self.timeframe]:
            return self.timeframe, self.match_timeframe
        return slowest, self.match_timeframe or self.timeframe
