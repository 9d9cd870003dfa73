"""What a session leaves behind at each bar: cycles, decisions, snapshots, daily figures, its log, parity reports."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings as site
from django.db import models

from bots.models.columns import MONEY, AppendOnly, Mode
from bots.models.session import TradingSession


class Cycle(models.Model):
    """One bar time that a session has worked through: what it was worth then, and what acted on it from outside.

    With `Decision` it is the tape: bars, signals and interventions, from which the whole session can be run again.
    Figures are float64, as the engine has them: the tape must give the same bits.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="cycles")
    ts_ns = models.BigIntegerField(help_text="Start of the matched bars, ns UTC")
    closed_at = models.DateTimeField(help_text="Their close")
    equity = models.FloatField()
    cash = models.FloatField()
    exposure = models.FloatField(help_text="Sum of |quantity × mark|")
    settings_version = models.PositiveIntegerField(default=1)
    blocked = models.CharField(max_length=24, blank=True, help_text="Why no entry was allowed, for all symbols")
    outside = models.JSONField(null=True, blank=True, help_text="What the account held elsewhere: gross, net, symbols")
    interventions = models.JSONField(default=list, blank=True, help_text="Done after this bar, in order")
    received_at = models.DateTimeField(help_text="When the bars were known to be closed")
    decided_at = models.DateTimeField(help_text="When the decision was made")
    caught_up = models.BooleanField(default=False, help_text="Worked through late, after an interruption")

    class Meta:
        db_table = "session_cycles"
        ordering = ("session", "ts_ns")
        constraints = [models.UniqueConstraint(fields=("session", "ts_ns"), name="cycle_once_a_bar")]

    def __str__(self) -> str:
        return f"{self.session_id} at {self.closed_at:%Y-%m-%d %H:%M:%S}"


class Decision(models.Model):
    """Why a session did, or did not, trade one symbol on one bar: the ledger behind "why no trade?".

    gates: [{gate, value, limit, ok}] in the order they are asked. outcome: the order's reason, or the name of the gate
    that refused, or "no_signal", "holding", ….
    """

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="decisions")
    symbol = models.CharField(max_length=24)
    ts_ns = models.BigIntegerField(help_text="Start of the bar, ns UTC")
    closed_at = models.DateTimeField()
    timeframe = models.CharField(max_length=4)
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()
    decides = models.BooleanField(default=True, help_text="False: a finer bar on which orders are matched only")
    action = models.CharField(max_length=4, default="HOLD")
    confidence = models.FloatField(default=0.0)
    reasoning = models.CharField(max_length=500, blank=True)
    inputs = models.JSONField(default=dict, blank=True, help_text="The values that the signal was read from")
    exits = models.CharField(max_length=5, blank=True, help_text="Position that the signal closes at most")
    terms = models.JSONField(default=dict, blank=True, help_text="What it said beside its action: limit_px, …")
    evidence = models.JSONField(null=True, blank=True, help_text="What it rests on in detail: a tree's nodes, …")
    gates = models.JSONField(default=list, blank=True)
    outcome = models.CharField(max_length=32)
    detail = models.CharField(max_length=300, blank=True, help_text="The outcome in plain words")
    order_seq = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        db_table = "decisions"
        ordering = ("-ts_ns", "symbol")
        constraints = [
            models.UniqueConstraint(fields=("session", "symbol", "ts_ns", "timeframe"), name="decision_once_a_bar")
        ]
        indexes = [
            models.Index(fields=("session", "-ts_ns"), name="decision_session_ts"),
            models.Index(fields=("session", "outcome", "-ts_ns"), name="decision_session_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.closed_at:%H:%M:%S}: {self.outcome}"


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


class DailyStats(models.Model):
    """A session's trading day: round trips closed, P&L, fees. The day is the exchange's; UTC round the clock."""

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="daily_stats")
    bot = models.ForeignKey("bots.Bot", null=True, blank=True, on_delete=models.SET_NULL, related_name="daily_stats")
    day = models.DateField()
    trades = models.PositiveIntegerField(default=0, help_text="Fills")
    round_trips = models.PositiveIntegerField(default=0)
    wins = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)
    realised_pnl = models.DecimalField(**MONEY, default=Decimal(0))
    fees = models.DecimalField(**MONEY, default=Decimal(0))
    start_equity = models.DecimalField(**MONEY)
    end_equity = models.DecimalField(**MONEY)
    max_equity = models.DecimalField(**MONEY)
    min_equity = models.DecimalField(**MONEY)

    class Meta:
        db_table = "trading_stats"
        ordering = ("-day", "session")
        verbose_name_plural = "daily stats"
        constraints = [models.UniqueConstraint(fields=("session", "day"), name="dailystats_once_a_day")]
        indexes = [models.Index(fields=("bot", "-day"), name="dailystats_bot_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.end_equity - self.start_equity:+f}"

    @property
    def pnl(self) -> Decimal:
        """Change of equity over the day."""
        return self.end_equity - self.start_equity


class SessionEvent(AppendOnly):
    """One line of a session's log: a change of state, a change of settings, a guard that acted, a fault."""

    class Level(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=7, choices=Level, default=Level.INFO)
    kind = models.CharField(max_length=32, help_text="state, settings, command, feed, recovery, guard, fault")
    text = models.CharField(max_length=500)
    detail = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(site.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        db_table = "session_events"
        ordering = ("-at", "-id")
        indexes = [models.Index(fields=("session", "-at"), name="event_session_at")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class ParityReport(models.Model):
    """A session's tape, run again through the backtester, and how the two differ.

    differences: [{label, symbol, ts, what, session, backtest}]; label: signal, timing, price, size, risk_gate,
    data_revision, manual.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="parity_reports")
    made_at = models.DateTimeField(auto_now_add=True)
    up_to_ns = models.BigIntegerField(help_text="The last bar compared, ns UTC")
    cycles = models.PositiveIntegerField()
    identical = models.BooleanField()
    orders_compared = models.PositiveIntegerField(default=0)
    fills_compared = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="Differences by label")
    differences = models.JSONField(default=list, help_text="The first 500")
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "parity_reports"
        ordering = ("-made_at", "-id")
        get_latest_by = "made_at"

    def __str__(self) -> str:
        return f"{self.session_id}: {'identical' if self.identical else self.counts}"
