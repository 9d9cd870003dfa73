"""What accounts at brokers leave behind: every execution, every other movement of money, and what does not add up."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings as site
from django.db import models
from django.db.models import Q

from accounts.models import BrokerAccount
from bots.models.columns import MONEY, PRICE, QUANTITY, AppendOnly, Side
from bots.models.session import TradingSession
from bots.models.trading import Order


class BrokerExecution(AppendOnly):
    """One execution as the venue reports it, whoever ordered it. With `session` null it is EXTERNAL: made by hand, or
    by another program. Sum of all = the venue's position, from the moment on at which the account was added.
    """

    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.CASCADE, related_name="executions")
    execution_id = models.CharField(max_length=80, help_text="The venue's id")
    session = models.ForeignKey(
        TradingSession, null=True, blank=True, on_delete=models.CASCADE, related_name="broker_executions"
    )
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.CASCADE, related_name="executions")
    broker_order_id = models.CharField(max_length=80, blank=True)
    client_order_id = models.CharField(max_length=128, blank=True)
    symbol = models.CharField(max_length=24)
    side = models.CharField(max_length=4, choices=Side)
    qty = models.DecimalField(**QUANTITY)
    px = models.DecimalField(**PRICE)
    fee = models.DecimalField(**MONEY, default=Decimal(0), help_text="In fee_asset")
    fee_asset = models.CharField(max_length=12, blank=True)
    executed_at = models.DateTimeField(help_text="By the venue's clock")
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "broker_executions"
        ordering = ("-executed_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("broker_account", "execution_id"), name="broker_execution_once"),
            models.CheckConstraint(condition=Q(qty__gt=0, px__gt=0), name="broker_execution_positive"),
        ]
        indexes = [
            models.Index(fields=("broker_account", "symbol"), name="broker_execution_symbol"),
            models.Index(fields=("broker_account", "id"), name="broker_execution_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty.normalize():f} {self.symbol} at {self.px.normalize():f}"


class CashFlow(AppendOnly):
    """Money that moved on a broker account by another way than a trade. amount: signed, in `currency`."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", "Deposit"
        WITHDRAWAL = "withdrawal", "Withdrawal"
        DIVIDEND = "dividend", "Dividend"
        INTEREST = "interest", "Interest"
        FEE = "fee", "Fee"
        OTHER = "other", "Other"

    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.CASCADE, related_name="cash_flows")
    ref = models.CharField(max_length=120, help_text="The venue's id of it")
    kind = models.CharField(max_length=12, choices=Kind)
    amount = models.DecimalField(**MONEY)
    currency = models.CharField(max_length=12, default="USD")
    symbol = models.CharField(max_length=24, blank=True)
    text = models.CharField(max_length=200, blank=True, help_text="The venue's words")
    equity_before = models.DecimalField(**MONEY, null=True, blank=True, help_text="Of the account, if it was known")
    at = models.DateTimeField()
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "cash_flows"
        ordering = ("-at", "-id")
        constraints = [models.UniqueConstraint(fields=("broker_account", "ref"), name="cash_flow_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount.normalize():f} {self.currency}"


class Adjustment(AppendOnly):
    """What changes one session's book by another way than its own trades. Booked between two trades: after the one with
    id `after_trade` (0: before all), in the order of ids; so the book can be rebuilt from rows alone.

    SPLIT: `ratio` new units for each old one, cost unchanged; `amount` is cash in lieu. CASH: `amount`, signed, of a
    dividend, a fee, or of money moved to or from the session; `is_flow`: moved from outside, no result of trading.
    ADOPT: `qty` signed units taken over at `px` from the account's EXTERNAL part; RELEASE: given back there.
    """

    class Kind(models.TextChoices):
        SPLIT = "split", "Split"
        CASH = "cash", "Cash"
        ADOPT = "adopt", "Adopted"
        RELEASE = "release", "Released"

    session = models.ForeignKey(TradingSession, on_delete=models.CASCADE, related_name="adjustments")
    kind = models.CharField(max_length=8, choices=Kind)
    ref = models.CharField(max_length=120, help_text="What it follows from; once for each session")
    after_trade = models.PositiveBigIntegerField(default=0)
    symbol = models.CharField(max_length=24, blank=True)
    ratio = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    qty = models.DecimalField(**QUANTITY, null=True, blank=True)
    px = models.DecimalField(**PRICE, null=True, blank=True)
    amount = models.DecimalField(**MONEY, default=Decimal(0))
    is_flow = models.BooleanField(default=False)
    cash_flow = models.ForeignKey(
        CashFlow, null=True, blank=True, on_delete=models.RESTRICT, related_name="adjustments"
    )
    text = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "session_adjustments"
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=("session", "ref"), name="adjustment_once"),
            models.CheckConstraint(
                condition=(Q(kind="split", ratio__gt=0) & ~Q(symbol=""))
                | Q(kind="cash")
                | (Q(kind__in=("adopt", "release"), qty__isnull=False, px__gt=0) & ~Q(symbol="")),
                name="adjustment_says_enough",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol} {self.ref}".strip()


class Discrepancy(models.Model):
    """Something in which the venue and our ledger differ, for a person to decide: the reconciliation inbox.

    ours, theirs: signed units of the symbol, or money where there is none. key: says what it is about, so that the same
    difference is one row while it is open.
    """

    class Kind(models.TextChoices):
        POSITION = "position", "Position"
        ORDER = "order", "Working order"
        CASH = "cash", "Cash"

    class State(models.TextChoices):
        OPEN = "OPEN", "Open"
        ADOPTED = "ADOPTED", "Adopted by a session"
        LEFT = "LEFT", "Left as external"
        CLOSING = "CLOSING", "Being closed"
        CLOSED = "CLOSED", "Closed at the venue"
        RESOLVED = "RESOLVED", "Gone by itself"

    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.CASCADE, related_name="discrepancies")
    kind = models.CharField(max_length=8, choices=Kind)
    key = models.CharField(max_length=120)
    symbol = models.CharField(max_length=24, blank=True)
    ours = models.DecimalField(**QUANTITY, default=Decimal(0))
    theirs = models.DecimalField(**QUANTITY, default=Decimal(0))
    px = models.DecimalField(**PRICE, null=True, blank=True, help_text="Average price of what is only theirs")
    detail = models.JSONField(default=dict, blank=True)
    text = models.CharField(max_length=300, help_text="What differs, in plain words")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    session = models.ForeignKey(
        TradingSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="discrepancies",
        help_text="Whose book it breaks, or who adopted it",
    )  # fmt: skip
    client_order_id = models.CharField(max_length=48, blank=True, help_text="Of the order that closes it")
    found_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(help_text="When it was last there")
    decided_by = models.ForeignKey(
        site.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "discrepancies"
        ordering = ("-found_at", "-id")
        verbose_name_plural = "discrepancies"
        constraints = [
            models.UniqueConstraint(
                fields=("broker_account", "key"), condition=Q(ended_at__isnull=True), name="discrepancy_open_once"
            )
        ]
        indexes = [models.Index(fields=("broker_account", "state"), name="discrepancy_state")]

    def __str__(self) -> str:
        return self.text
