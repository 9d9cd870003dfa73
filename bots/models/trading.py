"""What a session trades: orders, fills, and the positions that follow from fills."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from bots.models.columns import MONEY, PRICE, QUANTITY, AppendOnly, Side
from bots.models.session import TradingSession
from bots.orders import OrderState


class OrderRole(models.TextChoices):
    """What an order is for. The engine decides PLAIN ones; a host places the others, so that a position is covered at
    the venue while nobody is there."""

    PLAIN = "plain", "Entry or exit"
    STOP = "stop", "Protective stop"
    TARGET = "target", "Take profit"


class Order(models.Model):
    """One instruction to the venue. The row is committed as INTENT before any byte leaves.

    `seq` is the serial number that the engine gave it; with the session it makes `client_order_id`, so that the same
    decision made again after a crash gets the same id. `state` moves as `bots.orders` allows, and only by events.
    """

    State = OrderState

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="orders")
    seq = models.PositiveBigIntegerField()
    client_order_id = models.CharField(max_length=36, unique=True)
    broker_order_id = models.CharField(max_length=80, blank=True)
    # Null on paper. The rest of this block is for orders at brokers, too.
    broker_account = models.ForeignKey(
        "accounts.BrokerAccount", null=True, blank=True, on_delete=models.RESTRICT, related_name="orders"
    )
    role = models.CharField(max_length=6, choices=OrderRole, default=OrderRole.PLAIN)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="legs",
        help_text="Whose position it guards",
    )
    sent_with = models.CharField(
        max_length=36, blank=True, help_text="Client id of the order that it is in one group with: an OCO, a bracket"
    )
    replaces = models.OneToOneField("self", null=True, blank=True, on_delete=models.CASCADE, related_name="replaced_by")
    venue_status = models.CharField(max_length=24, blank=True, help_text="The venue's own word for its state")
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=Side)
    kind = models.CharField(max_length=16, help_text="market, limit, stop, stop_limit, trailing_stop")
    time_in_force = models.CharField(max_length=3)
    is_entry = models.BooleanField(help_text="Opens or adds; else it closes or reduces")
    reason = models.CharField(max_length=24, help_text="signal, rebalance, stop_loss, user, …")
    qty = models.DecimalField(**QUANTITY, help_text="0 until a size that is set at the fill is known")
    filled_qty = models.DecimalField(**QUANTITY, default=Decimal(0))
    avg_fill_px = models.DecimalField(**PRICE, null=True, blank=True)
    limit_px = models.DecimalField(**PRICE, null=True, blank=True)
    stop_px = models.DecimalField(**PRICE, null=True, blank=True)
    decision_px = models.DecimalField(**PRICE, null=True, blank=True, help_text="Close of the bar that decided it")
    confidence = models.FloatField(default=1.0)
    settings_version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=16, choices=OrderState, default=OrderState.INTENT)
    state_reason = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it was sent")
    ack_ms = models.FloatField(null=True, blank=True, help_text="From the first try to the venue's word")
    late_fill = models.BooleanField(default=False, help_text="A fill came after it had ended")

    decided_at = models.DateTimeField(help_text="Close of the bar that decided it")
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "trading_orders"
        ordering = ("-decided_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("session", "seq"), name="order_seq_once"),
            models.CheckConstraint(condition=Q(qty__gte=0), name="order_qty_not_negative"),
            models.CheckConstraint(condition=Q(filled_qty__gte=0), name="order_filled_not_negative"),
        ]
        indexes = [
            models.Index(fields=("session", "state"), name="order_session_state"),
            models.Index(fields=("session", "-decided_at"), name="order_session_decided"),
            models.Index(fields=("symbol", "-decided_at"), name="order_symbol_decided"),
            models.Index(fields=("broker_account", "state"), name="order_account_state"),
            models.Index(fields=("broker_account", "broker_order_id"), name="order_account_venue_id"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty.normalize():f} {self.symbol} {self.kind} ({self.state})"

    @property
    def group(self) -> str:
        """pending, active or closed: what clients group by."""
        return OrderState(self.state).group


class Trade(AppendOnly):
    """One fill. Booked once, by its execution id, and never edited."""

    Side = Side

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="trades")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.CASCADE, related_name="fills")
    position = models.ForeignKey("bots.Position", null=True, blank=True, on_delete=models.CASCADE, related_name="fills")
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=Side)
    qty = models.DecimalField(**QUANTITY)
    px = models.DecimalField(**PRICE)
    is_entry = models.BooleanField(default=True)
    reason = models.CharField(max_length=24, blank=True)
    commission = models.DecimalField(**MONEY, default=Decimal(0))
    commission_asset = models.CharField(max_length=12, default="USD")
    slippage = models.DecimalField(**PRICE, default=Decimal(0), help_text="Fill minus decision price, adverse above 0")
    realised_pnl = models.DecimalField(**MONEY, null=True, blank=True, help_text="Of the part that closed; after costs")
    execution_id = models.CharField(max_length=80, help_text="The venue's id of this fill")
    client_order_id = models.CharField(max_length=48, blank=True)
    broker_order_id = models.CharField(max_length=80, blank=True)
    indicators_snapshot = models.JSONField(default=dict, blank=True, help_text="What the decision was read from")
    executed_at = models.DateTimeField(help_text="Paper: start of the bar in which it happened")
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


class Position(models.Model):
    """A holding from its first fill to its last: open while `qty` is not 0, then a round trip.

    Follows from fills, and from bars what is marked to market; nothing else writes it.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="positions")
    symbol = models.CharField(max_length=24)
    number = models.PositiveIntegerField(help_text="1, 2, …: which of the session's positions in this symbol")
    is_open = models.BooleanField(default=True)
    side = models.CharField(max_length=4, choices=Side, help_text="BUY: long; SELL: short")
    qty = models.DecimalField(**QUANTITY, help_text="Held now; 0 once closed")
    entered_qty = models.DecimalField(**QUANTITY, help_text="All that was entered")
    entry_px = models.DecimalField(**PRICE, help_text="Average over the entries")
    exit_px = models.DecimalField(**PRICE, null=True, blank=True, help_text="Average over the exits")
    current_px = models.DecimalField(**PRICE, help_text="The last mark")
    stop_px = models.DecimalField(**PRICE, null=True, blank=True)
    target_px = models.DecimalField(**PRICE, null=True, blank=True)
    trailing_px = models.DecimalField(**PRICE, null=True, blank=True, help_text="Where the trailing stop is now")
    realised_pnl = models.DecimalField(**MONEY, default=Decimal(0), help_text="After costs")
    unrealised_pnl = models.DecimalField(**MONEY, default=Decimal(0))
    commission = models.DecimalField(**MONEY, default=Decimal(0))
    settings_version = models.PositiveIntegerField(default=1, help_text="The version it was opened with")
    exit_reason = models.CharField(max_length=24, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "positions"
        ordering = ("-opened_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("session", "symbol", "number"), name="position_number_once"),
            models.UniqueConstraint(
                fields=("session", "symbol"), condition=Q(is_open=True), name="position_open_once_a_symbol"
            ),
            models.CheckConstraint(condition=Q(qty__gte=0), name="position_qty_not_negative"),
            models.CheckConstraint(
                condition=Q(is_open=True, qty__gt=0, closed_at__isnull=True)
                | Q(is_open=False, qty=0, closed_at__isnull=False),
                name="position_open_or_closed",
            ),
        ]
        indexes = [
            models.Index(fields=("session", "is_open"), name="position_session_open"),
            models.Index(fields=("symbol", "-opened_at"), name="position_symbol_opened"),
        ]

    def __str__(self) -> str:
        return f"{'long' if self.side == Side.BUY else 'short'} {self.qty.normalize():f} {self.symbol}"


class PaperOrder(models.Model):
    """What the simulated venue knows of an order: its own book, apart from our ledger, as a broker's is.

    Recovery asks it by client order id. Submitting the same id twice gives the same row.
    """

    client_order_id = models.CharField(max_length=36, unique=True)
    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="paper_orders")
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=Side)
    qty = models.DecimalField(**QUANTITY)
    kind = models.CharField(max_length=16)
    is_working = models.BooleanField(default=True)
    accepted_at = models.DateTimeField()

    class Meta:
        db_table = "paper_orders"
        indexes = [models.Index(fields=("session", "is_working"), name="paperorder_session_working")]

    def __str__(self) -> str:
        return f"{self.client_order_id} {self.side} {self.symbol}"
