"""How an account at a broker is shared among sessions: what the venue says it holds, and what is still to be booked."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings as site
from django.db import models
from django.db.models import Q

from accounts.models import BrokerAccount
from bots.models.columns import MONEY, PRICE, QUANTITY
from bots.models.live import Adjustment, CashFlow, Discrepancy
from bots.models.session import TradingSession


class BrokerHolding(models.Model):
    """What the venue said last of one symbol of an account, and how much of it no session owns.

    qty: signed units at the venue. external: of them, signed, what its owner leaves outside: there before the account
    was added, or left in the inbox. Sessions' positions + external + what is open in the inbox = qty.
    """

    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.CASCADE, related_name="holdings")
    symbol = models.CharField(max_length=24)
    qty = models.DecimalField(**QUANTITY, default=Decimal(0))
    external = models.DecimalField(**QUANTITY, default=Decimal(0))
    avg_px = models.DecimalField(**PRICE, null=True, blank=True)
    mark = models.DecimalField(**PRICE, null=True, blank=True)
    seen_at = models.DateTimeField(help_text="When the venue told of it last")

    class Meta:
        db_table = "broker_holdings"
        ordering = ("symbol",)
        constraints = [models.UniqueConstraint(fields=("broker_account", "symbol"), name="broker_holding_once")]

    def __str__(self) -> str:
        return f"{self.qty.normalize():f} {self.symbol}"


class CashCheckpoint(models.Model):
    """What an account's executions and flows up to these ids come to, in its own money, so that nobody sums up a year's
    again. total: exact, as text, because a database may keep fewer digits; empty: not known, for it traded against
    another money."""

    broker_account = models.OneToOneField(BrokerAccount, on_delete=models.CASCADE, related_name="cash_checkpoint")
    currency = models.CharField(max_length=12)
    execution = models.PositiveBigIntegerField()
    flow = models.PositiveBigIntegerField()
    total = models.CharField(max_length=64, blank=True)
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "cash_checkpoints"

    def __str__(self) -> str:
        return f"{self.total or 'not known'} {self.currency}"


class BookingRequest(models.Model):
    """An adjustment that a session's host is to book: it writes the `Adjustment`, moves the engine's account with it,
    and notes that it is done. Columns as `Adjustment` has them."""

    Kind = Adjustment.Kind

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="booking_requests")
    kind = models.CharField(max_length=8, choices=Adjustment.Kind)
    ref = models.CharField(max_length=120, help_text="What it follows from; once for each session")
    symbol = models.CharField(max_length=24, blank=True)
    ratio = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    qty = models.DecimalField(**QUANTITY, null=True, blank=True)
    px = models.DecimalField(**PRICE, null=True, blank=True)
    amount = models.DecimalField(**MONEY, default=Decimal(0))
    is_flow = models.BooleanField(default=False)
    cash_flow = models.ForeignKey(
        CashFlow, null=True, blank=True, on_delete=models.RESTRICT, related_name="booking_requests"
    )
    discrepancy = models.ForeignKey(
        Discrepancy, null=True, blank=True, on_delete=models.SET_NULL, related_name="booking_requests"
    )
    text = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(help_text="When it happened")
    requested_by = models.ForeignKey(
        site.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    refused = models.CharField(max_length=200, blank=True, help_text="Why it was not booked; empty: it was")

    class Meta:
        db_table = "booking_requests"
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=("session", "ref"), name="booking_request_once")]
        indexes = [models.Index(fields=("session",), condition=Q(done_at__isnull=True), name="booking_request_waiting")]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol} {self.ref}".strip()
