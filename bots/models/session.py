"""Trading sessions, their settings by version, and what a host keeps of them.

Positions, cash and P&L follow from fills; nothing else writes them. Money is Decimal, times are aware.
"""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings as site
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from bots.models.bot import Bot
from bots.models.columns import MONEY, Mode
from bots.settings_columns import settings_columns
from bots.states import ACTIVE, SessionState
from strategies import catalogue


class TradingSession(models.Model):
    """One run of a strategy on a market, on paper or with real money. The row says what should run."""

    State = SessionState
    ACTIVE = ACTIVE

    class Wanted(models.TextChoices):
        RUN = "RUN", "Run"
        PAUSE = "PAUSE", "Pause: no entries, exits go on"
        STOP = "STOP", "Stop"

    class StopPolicy(models.TextChoices):
        KEEP = "keep", "Keep positions, cancel entries"
        FLATTEN = "flatten", "Close every position"

    owner = models.ForeignKey(site.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trading_sessions")
    bot = models.ForeignKey(Bot, null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions")
    name = models.CharField(max_length=80, blank=True)
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.PAPER)
    state = models.CharField(max_length=12, choices=SessionState, default=SessionState.DRAFT)
    state_reason = models.CharField(max_length=500, blank=True, help_text="Why it is in this state, in plain words")

    # Whose orders a LIVE session sends. Its initial cash is reserved there for it.
    broker_account = models.ForeignKey(
        "accounts.BrokerAccount", null=True, blank=True, on_delete=models.RESTRICT, related_name="sessions"
    )

    initial_cash = models.DecimalField(**MONEY, validators=[MinValueValidator(Decimal("0.01"))])
    symbols = models.JSONField(default=list)
    timeframe = models.CharField(max_length=4)
    strategy = models.CharField(max_length=60, help_text="Slug in the catalogue")
    # Where its trees came from. They are copied into `strategy_parameters`, so that the row may change or go.
    custom_strategy = models.ForeignKey(
        "strategies.CustomStrategy", null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    saved_strategy = models.ForeignKey(
        "strategies.UserStrategy", null=True, blank=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    strategy_parameters = models.JSONField(default=dict, blank=True)
    strategy_version = models.CharField(max_length=12, blank=True)
    match_timeframe = models.CharField(max_length=4, blank=True, help_text="Finer bars to match on; empty: the same")
    feed = models.CharField(max_length=24, default="synthetic", help_text="Where its bars come from")
    feed_options = models.JSONField(default=dict, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  (unique where present)

    # What its owner wants. The host brings `state` there, and recovery asks it again.
    wanted = models.CharField(max_length=5, choices=Wanted, default=Wanted.RUN)
    stop_policy = models.CharField(max_length=8, choices=StopPolicy, default=StopPolicy.KEEP)
    stop_reason = models.CharField(max_length=24, blank=True, help_text="user, scheduled_end, feed_ended, kill_switch")

    # Who runs it: a lease that only the database gives. Each taking raises the fence, and every write names it.
    host = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    cursor_ns = models.BigIntegerField(default=0, help_text="Start of the last bar worked through, ns UTC")

    scheduled_end_time = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    # Kept up with the fills, so that lists read no fill.
    total_trades = models.PositiveIntegerField(default=0)
    winning_trades = models.PositiveIntegerField(default=0)
    total_pnl = models.DecimalField(**MONEY, default=Decimal(0), help_text="Realised, after costs")
    unrealised_pnl = models.DecimalField(**MONEY, default=Decimal(0))
    cash = models.DecimalField(**MONEY, null=True, blank=True)
    equity = models.DecimalField(**MONEY, null=True, blank=True)
    exposure = models.DecimalField(**MONEY, default=Decimal(0))
    day_start_equity = models.DecimalField(**MONEY, null=True, blank=True)
    open_positions = models.PositiveIntegerField(default=0)
    last_bar_at = models.DateTimeField(null=True, blank=True, help_text="Close of the last bar worked through")
    final_cash = models.DecimalField(**MONEY, null=True, blank=True)

    class Meta:
        db_table = "trading_sessions"
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("owner", "idempotency_key"), name="session_idempotency_key_once"),
            models.CheckConstraint(condition=Q(initial_cash__gt=0), name="session_has_cash"),
            models.CheckConstraint(condition=~Q(strategy=""), name="session_has_a_strategy"),
            models.CheckConstraint(
                condition=Q(mode="PAPER", broker_account__isnull=True) | Q(mode="LIVE", broker_account__isnull=False),
                name="session_live_has_an_account",
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
            models.Index(fields=("state", "lease_expires_at"), name="session_state_lease"),
            models.Index(fields=("bot", "-created_at"), name="session_bot_created"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.strategy_label} on {', '.join(self.symbols[:3])}"

    @property
    def strategy_label(self) -> str:
        """The catalogue entry's label; its slug where it is no longer shipped."""
        return catalogue.label_of(self.strategy)

    @property
    def is_active(self) -> bool:
        """Whether it counts against its owner's tier."""
        return self.state in self.ACTIVE

    @property
    def word(self) -> str:
        """Its state as one of the simple words: ACTIVE, PAUSED, STOPPED, COMPLETED, ERROR."""
        return SessionState(self.state).word(self.stop_reason)

    @property
    def topic(self) -> str:
        """Topic of its live updates (see `tradingsite.lib.realtime`)."""
        return f"session.{self.pk}"

    @property
    def settings(self) -> SessionSettings:
        """The version that new entries follow."""
        return self.settings_versions.order_by("-version")[0]


# One column for each setting that `strategies.session_settings` declares.
_SettingsColumns = settings_columns(__name__)


class SessionSettings(_SettingsColumns):
    """The settings of a session, one row a version: a change adds a row, and new entries follow the latest one."""

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="settings_versions")
    version = models.PositiveIntegerField(default=1)
    changes = models.JSONField(
        default=dict, blank=True, help_text="{setting: [before, after]} against the version before"
    )
    rolled_back_to = models.PositiveIntegerField(null=True, blank=True, help_text="The version it brings back")
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


class SessionMemory(models.Model):
    """What a host needs to go on with a session at the bar after `TradingSession.cursor_ns`.

    checkpoint: the engine's own (`engine.Portfolio.checkpoint`). history: the bars before the first decision, on which
    indicators warm up (`bots.host.history`). Both belong to one moment and are written with the fills of that moment.
    """

    session = models.OneToOneField(TradingSession, on_delete=models.CASCADE, related_name="memory")
    checkpoint = models.BinaryField(default=bytes)
    history = models.BinaryField(default=bytes)
    first_ns = models.BigIntegerField(default=0, help_text="Bars that close after this instant are traded on, ns UTC")

    class Meta:
        db_table = "session_memory"
        verbose_name_plural = "session memories"

    def __str__(self) -> str:
        return f"of session {self.session_id}"


class SessionCommand(models.Model):
    """Something a user asked of a running session that its host does after the next bar: close a position, all, …"""

    class Kind(models.TextChoices):
        CLOSE_POSITION = "close_position", "Close a position"
        CANCEL_ORDER = "cancel_order", "Cancel a working entry"

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=16, choices=Kind)
    symbol = models.CharField(max_length=24, blank=True, help_text="Empty: all")
    requested_by = models.ForeignKey(
        site.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "session_commands"
        ordering = ("id",)
        constraints = [
            # A double click finds the first one waiting.
            models.UniqueConstraint(
                fields=("session", "kind", "symbol"), condition=Q(done_at__isnull=True), name="command_waits_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol}".strip()


class HostSign(models.Model):
    """A session host's sign of life: who it is, what it runs. Beat starts a host where a sign is missing or old."""

    name = models.CharField(max_length=64, primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    sessions = models.PositiveIntegerField(default=0)
    stats = models.JSONField(default=dict, blank=True, help_text="Feeds, latencies, memory")

    class Meta:
        db_table = "session_hosts"

    def __str__(self) -> str:
        return self.name
