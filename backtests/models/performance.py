"""How a strategy did in one backtest or session."""

from __future__ import annotations

from django.conf import settings as site
from django.db import models

from backtests.models.backtest import Backtest


class PerformanceRecord(models.Model):
    """How a strategy did in one backtest, paper or live session. Written once, when that ended."""

    class Execution(models.TextChoices):
        BACKTEST = "backtest", "Backtest"
        PAPER = "paper", "Paper"
        LIVE = "live", "Live"

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="performance_records")
    backtest = models.OneToOneField(
        Backtest, null=True, blank=True, on_delete=models.CASCADE, related_name="performance"
    )
    session_id = models.BigIntegerField(null=True, blank=True, help_text="The trading session, for paper and live")
    strategy_name = models.CharField(max_length=120)
    strategy_type = models.CharField(max_length=60, help_text="Slug in the catalogue")
    saved_strategy_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    execution_type = models.CharField(max_length=8, choices=Execution)
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    start = models.DateTimeField()
    end = models.DateTimeField()
    initial_capital = models.DecimalField(max_digits=20, decimal_places=2)
    final_capital = models.DecimalField(max_digits=24, decimal_places=2)
    total_return_pct = models.FloatField()
    win_rate_pct = models.FloatField(null=True, blank=True)
    total_trades = models.PositiveIntegerField()
    max_drawdown_pct = models.FloatField()
    sharpe_ratio = models.FloatField(null=True, blank=True)
    metrics = models.JSONField(default=dict, help_text="Every metric by name; null where it is not defined")
    config = models.JSONField(default=dict)
    trades = models.JSONField(default=list, help_text="Round trips, the newest 1,000; total_trades counts all")
    equity_history = models.JSONField(default=list, help_text="[date, equity] at each day's end, the newest 2,600")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "strategy_performance"
        ordering = ("-created_at", "-id")
        constraints = [models.UniqueConstraint(fields=("session_id",), name="performance_session_once")]
        indexes = [
            models.Index(fields=("owner", "-created_at"), name="performance_owner_created"),
            models.Index(fields=("owner", "strategy_type"), name="performance_owner_strategy"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_name}: {self.total_return_pct:+.2f} %"
