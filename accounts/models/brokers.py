"""A user's credentials at a venue, and what the venue said of them last."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from tradingsite.lib.secrets import EncryptedTextField

MONEY: dict[str, Any] = {"max_digits": 24, "decimal_places": 8}


class BrokerAccount(models.Model):
    """One account at one venue. Its keys are encrypted and never shown again; only their last four characters are.

    Orders and executions refer to it for ever, so an account is closed (`closed_at`), never deleted.
    """

    class Kind(models.TextChoices):
        ALPACA = "alpaca", "Alpaca"
        BINANCE = "binance", "Binance"
        CCXT = "ccxt", "Another exchange (ccxt)"

    class Environment(models.TextChoices):
        PRACTICE = "PRACTICE", "Practice venue"  # on this installation: play money, nothing leaves the machine
        PAPER = "PAPER", "The broker's paper or test network"
        LIVE = "LIVE", "Real money"

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", "Active"
        REFUSED = "REFUSED", "The venue refuses the keys"
        CLOSED = "CLOSED", "Closed"

    class Opposite(models.TextChoices):
        BLOCK = "block", "Deny an entry that opposes another bot's"
        NET = "net", "Settle opposite orders among the bots"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="broker_accounts")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=16, choices=Kind)
    environment = models.CharField(max_length=8, choices=Environment)
    options = models.JSONField(
        default=dict, blank=True, help_text='What the kind needs besides: {"exchange": "kraken"}'
    )
    api_key = EncryptedTextField(help_text="The venue's key")
    api_secret = EncryptedTextField(help_text="The secret that belongs to it")
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    state_reason = models.CharField(max_length=300, blank=True, help_text="Why, in plain words")
    opposite_orders = models.CharField(max_length=8, choices=Opposite, default=Opposite.BLOCK)

    # What the venue said when the keys were tried last.
    account_number = models.CharField(max_length=80, blank=True, help_text="The venue's own name of the account")
    currency = models.CharField(max_length=12, default="USD")
    permissions = models.JSONField(default=dict, blank=True, help_text='{"trade": true, "withdraw": false, "short": …}')
    cash = models.DecimalField(**MONEY, null=True, blank=True)
    equity = models.DecimalField(**MONEY, null=True, blank=True)
    buying_power = models.DecimalField(**MONEY, null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When the venue last told of cash and positions")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the keys were last tried")
    used_at = models.DateTimeField(null=True, blank=True, help_text="When a session last traded with them")

    # Which host talks to the venue for it: one at a time, as the database has it.
    host = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveBigIntegerField(default=0)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], condition=Q(closed_at=None), name="broker_account_name_once"
            ),
            models.CheckConstraint(
                condition=Q(state="CLOSED", closed_at__isnull=False) | (~Q(state="CLOSED") & Q(closed_at__isnull=True)),
                name="broker_account_closed_or_not",
            ),
        ]
        indexes = [models.Index(fields=["owner", "state"], name="broker_account_owner_state")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()}, {self.get_environment_display()})"

    @property
    def is_real_money(self) -> bool:
        return self.environment == self.Environment.LIVE

    @property
    def topic(self) -> str:
        """Topic of its live updates (see `tradingsite.lib.realtime`)."""
        return f"broker.{self.pk}"
