"""Trading sessions and what they leave behind: settings by version, fills, snapshots of the portfolio.

Positions, cash and P&L follow from fills; nothing else writes them. Money is Decimal, times are aware.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings as site
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from bots.settings_columns import settings_columns

PRICE = {"max_digits": 20, "decimal_places": 8}
MONEY = {"max_digits": 24, "decimal_places": 8}
QUANTITY = {"max_digits": 28, "decimal_places": 12}


class Mode(models.TextChoices):
    PAPER = "PAPER", "Paper"
    LIVE = "LIVE", "Live"


class TradingSession(models.Model):
    """One run of a strategy on a market, on paper or with real money. The row says what should run."""

    class State(models.TextChoices):
        DRAFT = "DRAFT", "Draft"
        SCHEDULED = "SCHEDULED", "Scheduled"
        CLAIMED = "CLAIMED", "Claimed by a host"
        RECONCILING = "RECONCILING", "Comparing with the broker"
        WARMING = "WARMING", "Loading history"
        RUNNING = "RUNNING", "Running"
        DEGRADED = "DEGRADED", "Running, no entries"
        PAUSED = "PAUSED", "Paused"
        STOPPING = "STOPPING", "Stopping"
        STOPPED = "STOPPED", "Stopped"
        HALTED = "HALTED", "Halted, needs a person"
        FAILED = "FAILED", "Failed"
        ORPHANED = "ORPHANED", "Host lost"

    # Counted against the tier: everything that a host runs or would run.
    ACTIVE = (
        State.SCHEDULED,
        State.CLAIMED,
        State.RECONCILING,
        State.WARMING,
        State.RUNNING,
        State.DEGRADED,
        State.PAUSED,
        State.STOPPING,
        State.ORPHANED,
    )

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trading_sessions")
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.PAPER)
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT)
    state_reason = models.CharField(max_length=500, blank=True, help_text="Why it is in this state, in plain words")

    initial_cash = models.DecimalField(**MONEY, validators=[MinValueValidator(Decimal("0.01"))])
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    strategy = models.CharField(max_length=60, blank=True, help_text="Slug in the catalogue; empty: a custom strategy")
    custom_strategy = models.ForeignKey(
        "strategies.CustomStrategy", null=True, blank=True, on_delete=models.PROTECT, related_name="sessions"
    )
    saved_strategy = models.ForeignKey(
        "strategies.UserStrategy", null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    strategy_parameters = models.JSONField(default=dict, blank=True)

    scheduled_end_time = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    # Kept up with the fills, so that lists read no fill.
    total_trades = models.PositiveIntegerField(default=0)
    winning_trades = models.PositiveIntegerField(default=0)
    total_pnl = models.DecimalField(**MONEY, default=Decimal(0))
    final_cash = models.DecimalField(**MONEY, null=True, blank=True)

    class Meta:
        db_table = "trading_sessions"
        ordering = ("-created_at", "-id")
        constraints = [
            models.CheckConstraint(condition=Q(initial_cash__gt=0), name="session_has_cash"),
            models.CheckConstraint(
                condition=Q(strategy="") ^ Q(custom_strategy__isnull=True), name="session_has_one_strategy"
            ),
            models.CheckConstraint(
                condition=Q(winning_trades__lte=F("total_trades")), name="session_wins_within_trades"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(started_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="session_ends_after_start",
            ),
        ]
        indexes = [
            models.Index(fields=("owner", "state"), name="session_owner_state"),
            models.Index(fields=("owner", "-created_at"), name="session_owner_created"),
            models.Index(fields=("state", "scheduled_end_time"), name="session_state_end"),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.strategy or self.custom_strategy} on {', '.join(self.symbols[:3])}"

    @property
    def is_active(self) -> bool:
        """Whether it counts against its owner's tier."""
        return self.state in self.ACTIVE


# One column for each setting that `strategies.session_settings` declares.
_SettingsColumns = settings_columns(__name__)


class SessionSettings(_SettingsColumns):
    """The settings of a session, one row a version: a change adds a row, and new entries follow the latest one."""

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="settings_versions")
    version = models.PositiveIntegerField(default=1)
    changed_by = models.ForeignKey(
        site.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "trading_session_settings"
        verbose_name_plural = "session settings"
        ordering = ("session", "-version")
        constraints = [
            models.UniqueConstraint(fields=("session", "version"), name="sessionsettings_version_once"),
            models.CheckConstraint(condition=Q(version__gte=1), name="sessionsettings_version_from_1"),
        ]

    def __str__(self) -> str:
        return f"version {self.version} of session {self.session_id}"


class Trade(models.Model):
    """One fill. Booked once, by its execution id, and never edited."""

    class Side(models.TextChoices):
        BUY = "BUY", "Buy"
        SELL = "SELL", "Sell"

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="trades")
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=Side)
    qty = models.DecimalField(**QUANTITY)
    px = models.DecimalField(**PRICE)
    commission = models.DecimalField(**MONEY, default=Decimal(0))
    commission_asset = models.CharField(max_length=12, default="USD")
    slippage = models.DecimalField(**PRICE, default=Decimal(0), help_text="Fill minus decision price, adverse above 0")
    realised_pnl = models.DecimalField(**MONEY, null=True, blank=True, help_text="Of the part that closed; after costs")
    execution_id = models.CharField(max_length=80, help_text="The venue's id of this fill")
    client_order_id = models.CharField(max_length=48, blank=True)
    broker_order_id = models.CharField(max_length=80, blank=True)
    indicators_snapshot = models.JSONField(default=dict, blank=True, help_text="What the decision was read from")
    executed_at = models.DateTimeField()
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "trades"
        ordering = ("-executed_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("session", "execution_id"), name="trade_execution_once"),
            models.CheckConstraint(condition=~Q(execution_id=""), name="trade_has_execution_id"),
            models.CheckConstraint(condition=Q(qty__gt=0), name="trade_qty_positive"),
            models.CheckConstraint(condition=Q(px__gt=0), name="trade_px_positive"),
            models.CheckConstraint(condition=Q(side__in=("BUY", "SELL")), name="trade_side_known"),
        ]
        indexes = [
            models.Index(fields=("session", "-executed_at"), name="trade_session_executed"),
            models.Index(fields=("symbol", "-executed_at"), name="trade_symbol_executed"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty.normalize():f} {self.symbol} at {self.px.normalize():f}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Inserts it. Raises ValueError for one that is there already: a fill is history."""
        if not self._state.adding:
            raise ValueError("a fill is never edited; a correction is another fill")
        super().save(*args, **kwargs)


class PortfolioSnapshot(models.Model):
    """What a session's portfolio was worth at one moment."""

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="snapshots")
    mode = models.CharField(max_length=5, choices=Mode)
    ts = models.DateTimeField()
    total_value = models.DecimalField(**MONEY)
    cash = models.DecimalField(**MONEY)
    positions = models.JSONField(default=list, help_text="[{symbol, qty, px, value}]")

    class Meta:
        db_table = "portfolio_snapshots"
        ordering = ("-ts", "-id")
        get_latest_by = "ts"
        constraints = [models.UniqueConstraint(fields=("session", "ts"), name="snapshot_once_a_moment")]

    def __str__(self) -> str:
        return f"{self.total_value} at {self.ts:%Y-%m-%d %H:%M}"
